"""Results of a comparison: its finished cells, grouped over seeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.runner import CELLS
from sspcm.config import TrainConfig
from sspcm.run_folder import RunFolder
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json


@dataclass(frozen=True)
class CellResult:
    """A finished cell: its configuration, result and learning curve."""

    config: TrainConfig
    result: dict[str, Any]
    metrics: list[dict[str, Any]]


@dataclass(frozen=True)
class Group:
    """The cells of one method at one label budget, one a seed."""

    method: str
    labels: str
    cells: tuple[CellResult, ...]

    @property
    def reported(self) -> str:
        """The network that the method is judged by."""
        return self.cells[0].result["reported"]

    def values(self, score: str, *, network: str | None = None, which: str = "last") -> np.ndarray:
        """A score (seeds,) of a network (the reported one by default); NaN where undefined."""
        name = network or self.reported
        found = [cell.result[which][name][score] for cell in self.cells]
        return np.array([np.nan if value is None else value for value in found])


def read_results(output: Path) -> tuple[str, list[Group]]:
    """The preset and the groups of a comparison's folder, in the order of budget and method.

    Raises:
        InputError: no comparison there, no finished cell, or cells of different data or splits.
    """
    if not (output / "comparison.json").is_file():
        raise InputError(f"{output}: holds no comparison (run: sspcm-bench run -o {output})")
    preset = read_json(output / "comparison.json")["preset"]
    cells = list(_finished(output))
    if not cells:
        raise InputError(f"{output}: no cell is finished yet")
    for key in ("data_hash", "split_hash", "recipe"):
        kinds = {cell.result[key] for cell in cells}
        if len(kinds) > 1:
            raise InputError(f"{output}: its cells differ in {key}: {', '.join(sorted(kinds))}")
    order = sorted(cells, key=lambda c: (c.result["people_labelled"], c.result["seed"]))
    groups: dict[tuple[str, str], list[CellResult]] = {}
    for cell in order:
        groups.setdefault((cell.result["labels"], cell.result["method"]), []).append(cell)
    return preset, [
        Group(method=method, labels=labels, cells=tuple(found))
        for (labels, method), found in groups.items()
    ]


def _finished(output: Path) -> Iterator[CellResult]:
    for folder in sorted((output / CELLS).glob("*")):
        run = RunFolder(folder)
        if run.finished:
            yield CellResult(run.load_config(), run.read_result(), run.read_metrics())
