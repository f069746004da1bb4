"""The command sspcm-bench: compare methods over label budgets and seeds."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from benchmarks.cli_speed import speed
from wepdtof_pose.commands import CommandGroup


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Comparison of semi-supervised pose methods."""


main.add_command(speed)


@main.command()
@click.option(
    "--ratio",
    "ratios",
    multiple=True,
    default=("1k",),
    show_default=True,
    help="Label budget: 1k, 5k, 10k, all, a count or a percentage. May be repeated.",
)
@click.option("--methods", default="supervised,sspcm", show_default=True, help="Comma-separated.")
@click.option(
    "--seeds",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of seeds, from 0 on.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="COCO-keypoint JSON or dataset folder; by default a procedural fisheye set.",
)
@click.option("--preset", default="small", show_default=True, help="quick, small or paper.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Overrule a configuration key in every cell.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("runs/comparison"),
    show_default=True,
    help="Folder of the comparison.",
)
def run(
    ratios: tuple[str, ...],
    methods: str,
    seeds: int,
    data: Path | None,
    preset: str,
    settings: tuple[str, ...],
    device: str,
    output: Path,
) -> None:
    """Train every method at every label budget, then print the table.

    Run it again to go on: finished cells stay, an interrupted one goes on from its checkpoint.

    Example: sspcm-bench run --ratio 300 --methods supervised,sspcm --seeds 2 -o runs/fisheye
    """
    from benchmarks.grid import make_cells
    from benchmarks.presets import get_preset
    from benchmarks.runner import fisheye_data, run_cells
    from sspcm.config import parse_override
    from sspcm.methods import method_class

    names = [name.strip() for name in methods.split(",") if name.strip()]
    for name in names:
        method_class(name)
    get_preset(preset)
    overrides = dict(parse_override(text) for text in settings) | {"device": device}
    if data is None:
        # The procedural set is seen from the ceiling: people point along the image radius.
        overrides = {"data.upright": True} | overrides
    cells = make_cells(
        methods=names,
        ratios=ratios,
        seeds=seeds,
        data=data or fisheye_data(output, preset=preset),
        preset=preset,
        cache=output / "crops",
        overrides=overrides,
    )
    failed = run_cells(cells, output, preset=preset)
    if len(failed) < len(cells):
        _print_table(output)
    if failed:
        click.echo(f"failed: {', '.join(failed)}", err=True)
        sys.exit(1)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    help="Instead make the tables marked in this file anew.",
)
def table(folder: Path | None, into: Path | None) -> None:
    """Print the table of a comparison; also writes table.md and table.csv there.

    Example: sspcm-bench table runs/fisheye

    A text file marks a table by two comments, <!-- table of FOLDER --> and <!-- end of table -->.

    Example: sspcm-bench table --into README.md
    """
    from benchmarks.readme import update_tables

    if (folder is None) == (into is None):
        raise click.UsageError("give either a comparison's FOLDER or --into FILE")
    if into is not None:
        click.echo(f"{into}: {update_tables(into)} tables")
    elif folder is not None:
        _print_table(folder)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
def plot(folder: Path) -> None:
    """Draw the learning curves of a comparison into FOLDER/plots (PNG and PDF).

    Example: sspcm-bench plot runs/fisheye
    """
    from benchmarks.plots import learning_curves
    from benchmarks.results import read_results

    _, groups = read_results(folder)
    for path in learning_curves(groups, folder / "plots"):
        click.echo(path)


def _print_table(folder: Path) -> None:
    from benchmarks.results import read_results
    from benchmarks.tables import csv_text, markdown
    from wepdtof_pose.files import replacing

    preset, groups = read_results(folder)
    text = markdown(preset, groups)
    for name, content in (("table.md", text), ("table.csv", csv_text(preset, groups))):
        with replacing(folder / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
    click.echo(text)
