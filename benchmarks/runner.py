"""Runs the cells of a comparison, one after the other; finished cells are not run again."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from benchmarks.grid import Cell
from benchmarks.presets import get_preset
from sspcm.run_folder import RunFolder
from sspcm.sets import make_sets
from sspcm.training import train
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import write_json
from wepdtof_pose.synthetic.generate import generate

CELLS = "cells"
"""Folder of the run folders in a comparison's folder."""


def fisheye_data(output: Path, *, preset: str) -> Path:
    """The procedural fisheye set of a preset, made under the comparison's folder if not there."""
    people = get_preset(preset).people
    folder = output / "data" / f"fisheye-{people}"
    return generate(folder, people=people, seed=0, workers=os.cpu_count() or 1)


def run_cells(cells: Sequence[Cell], output: Path, *, preset: str) -> list[str]:
    """Run what is missing; gives the names of cells that failed.

    A cell that fails leaves its traceback in `error.log` and does not stop the others.

    Raises:
        InputError: a label budget or the data cannot be used; nothing has been run then.
    """
    for labels in {cell.labels: cell for cell in cells}.values():
        make_sets(labels.config.data)
    write_json(output / "comparison.json", {"preset": preset}, indent=1)
    failed = []
    for number, cell in enumerate(cells, start=1):
        folder = output / CELLS / cell.name
        title = f"[{number}/{len(cells)}] {cell.name}"
        if RunFolder(folder).finished:
            RunFolder(folder).prepare(cell.config, resume=True)
            click.echo(f"{title}: already there")
            continue
        click.echo(title)
        log = folder / "error.log"
        try:
            train(cell.config, folder, resume=True)
            log.unlink(missing_ok=True)
        except InputError:
            raise
        except Exception:
            folder.mkdir(parents=True, exist_ok=True)
            log.write_text(traceback.format_exc(), encoding="utf-8")
            click.echo(f"{title}: failed, see {log}", err=True)
            failed.append(cell.name)
    return failed
