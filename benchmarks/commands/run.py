"""The command `sspcm-bench run`. Heavy imports live inside it, so that --help is quick."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from wepdtof_pose.commands.shared import PATH, names_of, output_option
from wepdtof_pose.errors import InputError, echo

if TYPE_CHECKING:
    from benchmarks.grid.grid import Cell
    from benchmarks.layout import ComparisonFolder
    from sspcm.data.sets import Splits


@click.command()
@click.option(
    "--grid", "grid_file", type=PATH, help="YAML file of a grid; other options overrule it."
)
@click.option(
    "--labels",
    "--ratio",
    "ratios",
    metavar="BUDGET",
    multiple=True,
    help="Label budget: 1k, 5k, 10k, all, a count or a percentage. May be repeated.  [default: 1k]",
)
@click.option(
    "--methods", metavar="NAMES", help="Methods, separated by commas.  [default: supervised,sspcm]"
)
@click.option(
    "--seeds", type=click.IntRange(min=1), help="Number of seeds, starting at 0.  [default: 1]"
)
@click.option(
    "--subsets",
    type=click.IntRange(min=1),
    help="Number of random labelled subsets, seeds starting at 0.  [default: 1]",
)
@click.option(
    "--network",
    "networks",
    metavar="NAME",
    multiple=True,
    help="Network, for example resnet50. May be repeated.  [default: the preset's]",
)
@click.option(
    "--data",
    metavar="PATH",
    help="COCO keypoint JSON or data set folder; by default a procedural fisheye set.",
)
@click.option("--preset", metavar="NAME", help="quick, small, gpu or paper.  [default: small]")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Overrule a configuration key in every cell. May be repeated.",
)
@click.option("--device", help="auto, cpu, cuda or cuda:N.  [default: auto]")
@click.option("--dry-run", is_flag=True, help="Print what would be run and how long it may take.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Cells to train at a time.  [default: 1; on a cluster as many as it takes]",
)
@click.option(
    "--launcher",
    type=click.Choice(["local", "slurm", "ray"]),
    default="local",
    help="Where cells run: in processes here, a Slurm job array (submitit) or a Ray cluster.",
)
@click.option(
    "--launcher-set",
    "launcher_settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Parameter of submitit (slurm_partition=gpu, timeout_min=120, cpus_per_task=8, mem_gb=32) "
    "or of Ray (address=auto, num_cpus=4).",
)
@output_option("Folder of the comparison.", default="runs/comparison")
def run(
    grid_file: Path | None,
    ratios: tuple[str, ...],
    methods: str | None,
    seeds: int | None,
    subsets: int | None,
    networks: tuple[str, ...],
    data: str | None,
    preset: str | None,
    settings: tuple[str, ...],
    device: str | None,
    dry_run: bool,
    jobs: int | None,
    launcher: str,
    launcher_settings: tuple[str, ...],
    output: Path,
) -> None:
    """Train every method at every label budget, and print the table.

    Everything that can be checked is checked before the first cell starts. Crops are turned head up
    where the data are seen from a ceiling.

    Run it again to continue: finished cells stay, an interrupted one resumes from its checkpoint, a
    failed one is tried again, and one that another process is running is left alone. Run it with
    more methods, budgets, seeds, subsets or networks to extend the comparison.

    A Slurm task may take 24 hours (timeout_min) and requests one GPU: give --device cpu if there is
    none.

    \b
    Example:
      sspcm-bench run --labels 300 --methods supervised,sspcm --seeds 2 -o runs/fisheye
      sspcm-bench run --grid grid.yaml --jobs 2 -o runs/fisheye --dry-run
      sspcm-bench run --grid grid.yaml --launcher slurm --launcher-set slurm_partition=gpu
    """
    from benchmarks.grid.grid_file import overrule, read_grid_file
    from benchmarks.layout import ComparisonFolder
    from benchmarks.running.launching import get_launcher
    from benchmarks.running.runner import make_fisheye, require_budgets, run_cells, unfinished
    from sspcm.config_io import parse_override, parse_overrides
    from sspcm.data.crop_places import TURNED
    from sspcm.hardware import choose_hardware

    given: dict[str, Any] = {
        "labels": list(ratios) or None,
        "methods": None if methods is None else names_of(methods, option="--methods"),
        "seeds": seeds,
        "subsets": subsets,
        "networks": list(networks) or None,
        "data": data,
        "preset": preset,
    }
    given = {key: value for key, value in given.items() if value is not None}
    overrides = parse_overrides(settings)
    if device is not None:
        overrides["device"] = device
    options = dict(parse_override(text, option="--launcher-set") for text in launcher_settings)
    launch = get_launcher(launcher, options)
    content = read_grid_file(grid_file) if grid_file is not None else {}
    place = ComparisonFolder(output)
    named = partial(_file_named, grid_file, content, place)
    with named():
        plan = _planned(overrule(content, given), overrides, place)
    cells, preset = plan.cells, plan.preset
    if launcher == "local":
        choose_hardware(
            cells[0].config.device,
            cells[0].config.precision,
            by="--device, or device in the grid or preset",
        )
    missing = unfinished(cells, output, preset=preset, splits=plan.splits)
    if plan.drawn or dry_run or plan.turned:
        with named():
            require_budgets(missing, place, plan.splits, people=plan.drawn)
    if plan.turned and not plan.drawn:
        echo(TURNED)
    if dry_run:
        from benchmarks.running.estimate import estimate, estimate_lines

        for line in estimate_lines(estimate(cells, place), jobs=jobs or 1):
            echo(line)
        return

    if plan.drawn:
        make_fisheye(output, preset=preset)
    with named():
        outcome = run_cells(
            cells,
            output,
            preset=preset,
            splits=plan.splits,
            launcher=launch,
            jobs=jobs or 0,
            options=options,
        )
    if len(outcome.failed + outcome.busy + outcome.queued) < len(cells):
        from benchmarks.commands.results import print_tables

        print_tables(output, baseline=None, score="AP", style="markdown")
    for title, names in (
        ("in the cluster's queue", outcome.queued),
        ("run by another process", outcome.busy),
        ("failed", outcome.failed),
    ):
        if names:
            echo(f"{title}: {', '.join(names)}", err=True)
    if outcome.failed:
        sys.exit(1)


class _Plan(NamedTuple):
    """The cells of a grid, its preset, how many people are to be drawn for it (None: it has data of
    its own), the splits of the data, and whether crops are turned for what they show."""

    cells: list[Cell]
    preset: str
    drawn: int | None
    splits: Callable[[], Splits]
    turned: bool


def _planned(content: dict[str, Any], overrides: dict[str, Any], place: ComparisonFolder) -> _Plan:
    """Return what a grid asks for, whose settings are overruled by `overrides`."""
    from benchmarks.grid.grid import make_cells, turned
    from benchmarks.grid.grid_file import make_grid
    from sspcm.data.crop_places import from_ceiling
    from sspcm.data.sets import splits_of
    from sspcm.presets import get_preset

    grid = make_grid(content)
    grid = replace(grid, settings={**grid.settings, **overrides})
    drawn = get_preset(grid.preset).people if grid.data is None else None
    path = place.fisheye(drawn) if drawn else Path(str(grid.data))
    cells = make_cells(grid, data=path, cache=place.crops)
    # All cells have the same splits: one read of the data is enough.
    splits = cache(partial(splits_of, cells[0].config.data))
    upright = "data.upright" not in grid.settings and bool(drawn or from_ceiling(splits().train))
    return _Plan(turned(cells) if upright else cells, grid.preset, drawn, splits, upright)


@contextmanager
def _file_named(
    file: Path | None, content: dict[str, Any], place: ComparisonFolder
) -> Iterator[None]:
    """Put the name of the grid file before an error that its content has without any option."""
    from benchmarks.running.runner import require_budgets

    try:
        yield
    except InputError as error:
        if file is not None and not str(error).startswith(str(file)):
            try:
                plan = _planned(content, {}, place)
                require_budgets(plan.cells, place, plan.splits, people=plan.drawn)
            except InputError as own:
                if str(own) == str(error):
                    raise InputError(f"{file}: {error}") from None
        raise
