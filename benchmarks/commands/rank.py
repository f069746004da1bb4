"""The command `sspcm-bench rank`."""

from __future__ import annotations

from pathlib import Path

import click

from wepdtof_pose.commands.shared import PATH, output_option
from wepdtof_pose.errors import echo

_COUNT = click.IntRange(min=1)


@click.command()
@click.option(
    "--first", type=_COUNT, default=60, help="Random labels that the first network learns from."
)
@click.option("--labels", type=_COUNT, default=120, help="Labels after more were chosen.")
@click.option("--seeds", type=_COUNT, default=5, help="Number of seeds, starting at 0.")
@click.option(
    "--data", type=PATH, help="COCO keypoint JSON or data set folder; a procedural set by default."
)
@click.option("--preset", metavar="NAME", default="quick", help="quick, small, gpu or paper.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Overrule a configuration key in all runs. May be repeated.",
)
@output_option("Folder of the runs.", default="runs/ranking")
def rank(
    first: int,
    labels: int,
    seeds: int,
    data: Path | None,
    preset: str,
    settings: tuple[str, ...],
    output: Path,
) -> None:
    """Compare labels that sspcm rank chose with random ones.

    For every seed, a network learns from a few random labels; more are chosen, by its ranking and
    at random, up to the same budget, and a network is trained on each choice. Crops are turned
    head up where the data are seen from a ceiling. Run it again to continue.

    \b
    Example:
      sspcm-bench rank --first 60 --labels 120 --seeds 5 -o runs/ranking
    """
    from benchmarks.layout import ComparisonFolder
    from benchmarks.running.label_choice import ChoiceSetting, choice_table, compare_choices
    from benchmarks.running.runner import make_fisheye
    from sspcm.config_io import load_config, parse_overrides
    from sspcm.data.crop_places import TURNED, from_ceiling
    from sspcm.data.sets import splits_of
    from sspcm.presets import get_preset
    from wepdtof_pose.files import write_text

    overrides = parse_overrides(settings)
    path = data
    if path is None:
        make_fisheye(output, preset=preset)
        path = ComparisonFolder(output).fisheye(get_preset(preset).people)
        overrides = {"data.upright": True, **overrides}
    elif "data.upright" not in overrides:
        named = {**get_preset(preset).overrides, **overrides, "data.path": str(path)}
        if from_ceiling(splits_of(load_config(overrides=named).data).train):
            echo(TURNED)
            overrides["data.upright"] = True
    setting = ChoiceSetting(first, labels, range(seeds), preset, overrides)
    table = choice_table(compare_choices(setting, path, output, say=echo))
    write_text(output / "label_choice.md", table + "\n")
    echo(table)
    echo(f"written: {output}")
