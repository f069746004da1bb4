"""Run the unfinished cells of a comparison through a launcher."""

from __future__ import annotations

import dataclasses
import math
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from benchmarks.grid.grid import Cell
from benchmarks.layout import ComparisonFolder
from benchmarks.results.results import read_cell
from benchmarks.running.launching import Event, Launcher, make_task
from sspcm.assembly import open_stores
from sspcm.config import DataConfig, MethodConfig, TrainConfig
from sspcm.config_io import to_yaml
from sspcm.data.sets import Splits, make_sets
from sspcm.presets import get_preset
from sspcm.runs.folder import RunFolder, same_data_path
from sspcm.runs.records import DataRecord
from wepdtof_pose.cores import usable_cores
from wepdtof_pose.errors import InputError, echo
from wepdtof_pose.files import sweep
from wepdtof_pose.locks import exclusive
from wepdtof_pose.outputs import require_place
from wepdtof_pose.splits.hold_out import label_budget
from wepdtof_pose.synthetic.generate import generate

DAY = 24 * 3600.0


@dataclass(frozen=True)
class Outcome:
    """Names of the cells that failed, are run by another process, or wait in a queue."""

    failed: tuple[str, ...]
    busy: tuple[str, ...]
    queued: tuple[str, ...]


def make_fisheye(output: Path, *, preset: str) -> None:
    """Make the procedural fisheye set of a preset in the comparison's folder, if missing."""
    people = get_preset(preset).people
    place = ComparisonFolder(output)
    waiting = "waiting for another process that makes the fisheye set"
    with exclusive(place.lock("data"), patience=math.inf, waiting=waiting):
        generate(place.fisheye(people), people=people, seed=0, workers=usable_cores())


def unfinished(
    cells: Sequence[Cell], output: Path, *, preset: str, splits: Callable[[], Splits]
) -> list[Cell]:
    """Return the cells that are still to be run, after checking the folder.

    `splits` are those of the cells' data.

    Raises:
        InputError: nothing may be written to the folder, or it holds a comparison with another
            preset, other data, splits or recipe, or a cell with another configuration, or files
            where a cell is to be.
    """
    place = ComparisonFolder(output)
    require_place(place.record_file)
    place.check_preset(preset)
    config = cells[0].config
    for path in sorted(place.cells.glob("*")):
        if RunFolder(path).finished:
            _require_one_table(path, config, splits)
    missing = []
    for cell in cells:
        run = RunFolder(place.cell(cell.name))
        if run.config_file.is_file():
            run.prepare(cell.config, resume=True)
        else:
            require_place(run.config_file)
            run.require_new()
        if not run.finished:
            missing.append(cell)
    return missing


def require_budgets(
    cells: Sequence[Cell],
    place: ComparisonFolder,
    splits: Callable[[], Splits],
    *,
    people: int | None,
) -> None:
    """Check the data of cells, or, where these are yet to be made of so many people, the budgets.

    Raises:
        InputError: they cannot be used, or the folder holds cells of other data.
    """
    for data, config in _budgets(cells).items():
        if people is None:
            sets = make_sets(data, released=config.released, splits=splits())
            _require_same_data(place, data.labels, sets.record)
        elif not data.labels_file:
            label_budget(data.labels, people)


def run_cells(
    cells: Sequence[Cell],
    output: Path,
    *,
    preset: str,
    splits: Callable[[], Splits],
    launcher: Launcher,
    jobs: int = 0,
    options: Mapping[str, Any] | None = None,
) -> Outcome:
    """Run the missing cells.

    A cell that fails leaves its output, including the traceback, in `logs/` and does not stop the
    others.

    Args:
        cells: of the grid.
        output: folder of the comparison.
        preset: its name, for the record.
        splits: those of the cells' data.
        launcher: runs the cells.
        jobs: cells at a time; 0 uses the launcher's default.
        options: of the launcher.

    Raises:
        InputError: a label budget or the data cannot be used, or the folder holds other cells; no
            cell has been run in this case.
    """
    place = ComparisonFolder(output)
    missing = unfinished(cells, output, preset=preset, splits=splits)
    _prepare_data(missing, place, splits)
    place.write_preset(preset)
    for number, cell in enumerate(cells, start=1):
        if cell not in missing:
            echo(f"[{number}/{len(cells)}] {cell.name}: already there")
    numbers = {cell.name: f"[{n}/{len(cells)}]" for n, cell in enumerate(cells, start=1)}
    states: dict[str, str] = {}
    if missing:
        if jobs != 1:
            missing = burn_ins_first(missing)
        tasks = [make_task(cell, output) for cell in missing]
        with progress_bar(missing, place) as say:
            device = cells[0].config.device
            # Of all cells, not only the missing ones: how many are left must not change a run.
            at_once = min(jobs, len(cells))
            for event in launcher(tasks, jobs=at_once, device=device, options=options or {}):
                states[event.name] = event.state
                say(f"{numbers[event.name]} {_line(event, place)}")
    return Outcome(
        *(
            tuple(name for name, state in states.items() if state == wanted)
            for wanted in ("failed", "busy", "submitted")
        )
    )


def burn_ins_first(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells, with those that burn in a network ahead of those that would wait for it."""
    seen: set[str] = set()
    first: list[Cell] = []
    rest: list[Cell] = []
    for cell in cells:
        shared = to_yaml(dataclasses.replace(cell.config, method=MethodConfig()))
        waits = shared in seen and cell.config.optimisation.burn_in_epochs > 0
        (rest if waits else first).append(cell)
        seen.add(shared)
    return first + rest


def _budgets(cells: Sequence[Cell]) -> dict[DataConfig, TrainConfig]:
    """Return the distinct data configurations of the cells, with a cell's configuration each."""
    return {
        dataclasses.replace(cell.config.data, sigma=None, subset_seed=0): cell.config
        for cell in cells
    }


def _require_one_table(folder: Path, config: TrainConfig, splits: Callable[[], Splits]) -> None:
    """Check that existing cells have the same data, splits and recipe as the new ones.

    Data of another name are the same where their hash is, which is asked for only then.
    """
    earlier = RunFolder(folder).load_config()
    if not same_data_path(earlier.data.path, config.data.path) and not (
        Path(config.data.path).exists() and read_cell(folder).result.data_hash == splits().data_hash
    ):
        raise _no_table(folder, "data.path", earlier.data.path, config.data.path)
    for key in ("data.test_fraction", "data.test_seed", "method.recipe"):
        before, now = (attrgetter(key)(one) for one in (earlier, config))
        if before != now:
            raise _no_table(folder, key, before, now)


def _require_same_data(place: ComparisonFolder, labels: str, record: DataRecord) -> None:
    """Check that data and lists of labelled people have not changed under their paths.

    The table would notice changed data only after all training; a changed list would mean two
    lists under one name.
    """
    for path in sorted(place.cells.glob("*")):
        if RunFolder(path).finished:
            result = read_cell(path).result
            own_list = ("labels_hash",) if result.labels == labels else ()
            for key in ("data_hash", "split_hash", *own_list):
                before, now = getattr(result, key), getattr(record, key)
                if before != now:
                    raise _no_table(path, key, before, now)


def _no_table(folder: Path, key: str, before: object, now: object) -> InputError:
    return InputError(
        f"{folder}: was made with {key} = {before!r}, not {now!r}, and would share a table; name "
        "another folder"
    )


def _prepare_data(
    cells: Sequence[Cell], place: ComparisonFolder, splits: Callable[[], Splits]
) -> None:
    """Check every label budget, and decode the crops that the cells share."""
    decoded = set()
    waiting = "waiting for another process that decodes crops"
    with exclusive(place.lock("crops"), patience=math.inf, waiting=waiting):
        sweep(place.crops, older_than=DAY)
        for data, config in _budgets(cells).items():
            sets = make_sets(data, released=config.released, splits=splits())
            _require_same_data(place, data.labels, sets.record)
            crops = (data.crop_size, data.upright, data.path, data.unlabelled, config.easy_view)
            if crops not in decoded:
                decoded.add(crops)
                open_stores(config, sets)


def _line(event: Event, place: ComparisonFolder) -> str:
    note = f" ({event.note})" if event.note else ""
    if event.state == "failed":
        return f"{event.name}: failed{note}, see {place.log(event.name)}"
    if event.state == "busy":
        return f"{event.name}: left to another process that runs it"
    return f"{event.name}: {event.state}{note}"


_INTERVAL = 2.0


@contextmanager
def progress_bar(cells: Sequence[Cell], place: ComparisonFolder) -> Iterator[Callable[[str], None]]:
    """Show a bar of epochs on a terminal, nothing in a pipe; give a function to print a line."""
    if not sys.stderr.isatty():
        yield click.echo
        return
    total = sum(cell.config.optimisation.epochs for cell in cells)
    stop = threading.Event()
    with tqdm(total=total, unit="epoch", initial=epochs_done(cells, place)) as bar:

        def follow() -> None:
            while not stop.wait(_INTERVAL):
                bar.update(epochs_done(cells, place) - bar.n)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield bar.write
        finally:
            stop.set()
            thread.join()
            bar.update(epochs_done(cells, place) - bar.n)


def epochs_done(cells: Sequence[Cell], place: ComparisonFolder) -> int:
    """Return the total number of epochs that the cells have finished."""
    return sum(len(RunFolder(place.cell(cell.name)).read_metrics()) for cell in cells)
