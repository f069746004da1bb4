"""The command `sspcm-bench speed`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wepdtof_pose.commands.shared import PATH, names_of
from wepdtof_pose.errors import echo


@click.command()
@click.option(
    "--parts",
    default="pipeline,steps,waiting,scores,growth,ceiling",
    metavar="NAMES",
    help="What to measure, separated by commas. One more part is exported, which needs the extra "
    "export, and measures OpenVINO where that is installed.",
)
@click.option(
    "--methods", metavar="NAMES", help="Methods to time, separated by commas.  [default: all]"
)
@click.option("--crop", metavar="WxH", default="192x256", help="Crop in pixels.")
@click.option(
    "--batch",
    "batch_size",
    default=8,
    type=click.IntRange(min=2),
    help="Labelled people per step, with as many unlabelled ones.",
)
@click.option(
    "--repeats",
    default=5,
    type=click.IntRange(min=1),
    help="Repetitions of every timing; the tables show medians.",
)
@click.option(
    "--growth",
    default="1000,10000,100000",
    metavar="NUMBERS",
    help="Data set sizes in people, separated by commas.",
)
@click.option(
    "--memory-people",
    default=1_000_000,
    type=click.IntRange(min=0),
    help="Size of another data set, for memory only; 0 for none.",
)
@click.option("--device", default="auto", help="auto, cpu, cuda or cuda:N.")
@click.option("--precision", default="auto", help="auto, float32 or bfloat16.")
@click.option("--compile", is_flag=True, help="Compile our networks with torch.compile.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder for temporary files.  [default: the system's]",
)
@click.option("-o", "--output", type=PATH, help="Folder for speed.json and speed.md.")
def speed(
    parts: str,
    methods: str | None,
    crop: str,
    growth: str,
    folder: Path | None,
    output: Path | None,
    **options: Any,
) -> None:
    """Measure data pipeline and training steps on this machine.

    They are compared with plain code and bare network passes.

    \b
    Example:
      sspcm-bench speed -o runs/speed
      sspcm-bench speed --parts steps --methods sspcm --batch 32 --device cuda
    """
    from benchmarks.speed.measure import SpeedSetting, measure_speed
    from benchmarks.speed.tables import speed_tables
    from benchmarks.tables.readme import SPEED_FILE
    from sspcm.commands.options import size_of
    from sspcm.methods import METHODS
    from wepdtof_pose.errors import InputError
    from wepdtof_pose.files import make_folder, write_json, write_text

    sizes = names_of(growth, option="--growth")
    if not all(size.isdecimal() for size in sizes):
        raise InputError(f"--growth {growth!r}: write numbers of people, 1000,10000 for instance")
    setting = SpeedSetting(
        parts=tuple(names_of(parts, option="--parts")),
        methods=tuple(METHODS if methods is None else names_of(methods, option="--methods")),
        crop_size=size_of(crop, option="--crop"),
        growth=tuple(int(size) for size in sizes),
        **options,
    )
    if output is not None:
        make_folder(output)
    result = measure_speed(setting, folder=folder)
    text = speed_tables(result)
    if output is not None:
        write_json(output / SPEED_FILE, result, indent=1)
        write_text(output / "speed.md", text + "\n")
    echo(text)
