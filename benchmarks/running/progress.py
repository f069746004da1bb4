"""The progress of a comparison's cells, wherever they run, read from their run folders."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread

import click
from tqdm import tqdm

from benchmarks.grid.grid import Cell
from benchmarks.layout import ComparisonFolder
from sspcm.runs.folder import RunFolder

_INTERVAL = 2.0


@contextmanager
def progress_bar(cells: Sequence[Cell], place: ComparisonFolder) -> Iterator[Callable[[str], None]]:
    """Show a bar of epochs on a terminal, nothing in a pipe; give a function to print a line."""
    if not sys.stderr.isatty():
        yield click.echo
        return
    total = sum(cell.config.optimisation.epochs for cell in cells)
    stop = Event()
    with tqdm(total=total, unit="epoch", initial=epochs_done(cells, place)) as bar:

        def follow() -> None:
            while not stop.wait(_INTERVAL):
                bar.update(epochs_done(cells, place) - bar.n)

        thread = Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield lambda text: bar.write(text)
        finally:
            stop.set()
            thread.join()
            bar.update(epochs_done(cells, place) - bar.n)


def epochs_done(cells: Sequence[Cell], place: ComparisonFolder) -> int:
    """Return the total number of epochs that the cells have finished."""
    return sum(len(RunFolder(place.cell(cell.name)).read_metrics()) for cell in cells)
