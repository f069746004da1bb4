"""Results of a comparison: its finished cells, grouped over seeds and labelled subsets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.grid.backbones import backbone_names, backbone_of
from benchmarks.layout import ComparisonFolder
from benchmarks.results.published import METHOD_ORDER
from benchmarks.results.records import require_scores
from benchmarks.results.statistics import Difference, paired_difference
from sspcm.config import TrainConfig
from sspcm.runs.folder import RunFolder
from sspcm.runs.records import RunResult
from wepdtof_pose.errors import InputError


@dataclass(frozen=True)
class CellResult:
    """A finished cell: its configuration, result, learning curve and environment."""

    folder: Path
    config: TrainConfig
    result: RunResult
    metrics: list[dict[str, Any]]
    environment: dict[str, Any]

    @property
    def pair(self) -> tuple[int, int]:
        """Seed and labelled subset, by which runs of two methods are paired."""
        return self.config.seed, self.config.data.subset_seed

    def scores(self, *, network: str | None = None, which: str = "last") -> dict[str, Any]:
        """Return all scores of a network, by default the reported one.

        `which` is the `last` or `best` checkpoint, or `burn-in` for the end of that.
        """
        of_networks = self.result.best if which == "best" else self.result.last
        if which == "burn-in":
            assert self.result.burn_in is not None
            of_networks = self.result.burn_in.scores
        return of_networks[network or self.result.reported]


@dataclass(frozen=True)
class Group:
    """The cells of one method, backbone and label budget: one per seed and subset."""

    method: str
    labels: str
    backbone: str
    cells: tuple[CellResult, ...]

    @property
    def reported(self) -> str:
        """The network whose scores count for the method."""
        return self.cells[0].result.reported

    @property
    def is_upper_bound(self) -> bool:
        """Whether it is supervised training with everybody's labels, so an upper bound."""
        result = self.cells[0].result
        return self.method == "supervised" and result.people_labelled == result.people_train

    @property
    def has_burn_in(self) -> bool:
        """Whether the reported network was burnt in, in every cell."""
        return all(
            cell.result.burn_in is not None and self.reported in cell.result.burn_in.scores
            for cell in self.cells
        )

    def values(self, score: str, *, network: str | None = None, which: str = "last") -> np.ndarray:
        """Return a score (cells,) of a network, by default the reported one; NaN if undefined."""
        return numbers(cell.scores(network=network, which=which)[score] for cell in self.cells)

    def facts(self, key: str) -> np.ndarray:
        """Return a number (cells,) of the results, such as `steps`; NaN if not recorded."""
        return numbers(getattr(cell.result, key) for cell in self.cells)


@dataclass(frozen=True)
class Comparison:
    """The finished cells of a comparison, in the order of backbone, budget and method.

    Attributes:
        folder: of the comparison.
        preset: of its settings.
        groups: its finished cells.
        unfinished: names of cells that have no result.
    """

    folder: Path
    preset: str
    groups: tuple[Group, ...]
    unfinished: tuple[str, ...] = ()

    @property
    def left_out(self) -> str:
        """Which cells have no result, in words; "" if all have one."""
        if not self.unfinished:
            return ""
        return f"without a result and left out: {', '.join(self.unfinished)}"

    @property
    def cells(self) -> list[CellResult]:
        """All cells."""
        return [cell for group in self.groups for cell in group.cells]

    @property
    def backbones(self) -> list[str]:
        """Names of the compared networks."""
        return list(dict.fromkeys(group.backbone for group in self.groups))

    @property
    def budgets(self) -> list[str]:
        """Label budgets, smallest first."""
        by_size = sorted(self.groups, key=lambda g: g.cells[0].result.people_labelled)
        return list(dict.fromkeys(group.labels for group in by_size))

    @property
    def methods(self) -> list[str]:
        """Methods, in the published order."""
        return sorted({group.method for group in self.groups}, key=_method_order)

    @property
    def first_groups(self) -> list[Group]:
        """The methods on the first backbone at its smallest label budget."""
        first = self.groups[0]
        return [
            group
            for group in self.groups
            if (group.labels, group.backbone) == (first.labels, first.backbone)
        ]

    def place(self, group: Group) -> str:
        """Return the label budget of a group, and its backbone if there are several."""
        several = len(self.backbones) > 1
        return f"{group.labels} labels" + (f", {group.backbone}" if several else "")

    def find(self, method: str, labels: str, backbone: str) -> Group | None:
        """Return the group of this method, budget and backbone; None if there is none."""
        for group in self.groups:
            if (group.method, group.labels, group.backbone) == (method, labels, backbone):
                return group
        return None


def read_results(output: Path, *, data: Path | None = None) -> Comparison:
    """Return the finished cells of a comparison's folder; `data` is the new place of their data.

    Raises:
        InputError: there is no comparison or no finished cell, the cells have different data,
            splits, joints or networks, or two cells would be the same run of a table.
    """
    place = ComparisonFolder(output)
    preset = place.read_preset()
    begun = [path for path in sorted(place.cells.glob("*")) if path.is_dir()]
    finished = [path for path in begun if RunFolder(path).finished]
    cells = [read_cell(path, data=data) for path in finished]
    if not cells:
        raise InputError(f"{output}: no cell is finished yet")
    for key in ("data_hash", "split_hash", "recipe"):
        kinds = {str(getattr(cell.result, key)) for cell in cells}
        if len(kinds) > 1:
            raise InputError(f"{output}: its cells differ in {key}: {', '.join(sorted(kinds))}")
    _require_same_parts(cells)
    unfinished = tuple(path.name for path in begun if path not in finished)
    return Comparison(output, preset, tuple(_groups(cells)), unfinished)


def read_cell(folder: Path, *, data: Path | None = None) -> CellResult:
    """Return a finished run folder as a cell; `data` is the new place of its data, if moved.

    Raises:
        InputError: it is no finished run, or a file does not have the form that a run writes.
    """
    run = RunFolder(folder)
    config = run.load_config()
    if data is not None:
        config = replace(config, data=replace(config.data, path=str(data)))
    if not run.finished:
        raise InputError(f"{folder}: the run is not finished")
    result = run.read_result()
    if not result.people_test:
        raise InputError(f"{folder}: the run was not evaluated: data.test_fraction is 0")
    require_scores(result.last, "last", file=run.result_file)
    require_scores(result.best, "best", file=run.result_file)
    metrics = run.read_metrics()
    for row in metrics:
        if result.reported not in row.get("scores", {result.reported: {}}):
            raise InputError(
                f"{run.metrics_file}: line {row['epoch']}: has no scores of the reported network "
                f"{result.reported!r}"
            )
    return CellResult(folder, config, result, metrics, run.read_environment())


def numbers(values: Iterable[float | None]) -> np.ndarray:
    """Return the values as float64, with NaN for None."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def difference(group: Group, baseline: Group | None, score: str) -> Difference | None:
    """Return a score's difference to the baseline, over the seeds and subsets of both."""
    if baseline is None or baseline is group:
        return None
    of_group = {cell.pair: row for row, cell in enumerate(group.cells)}
    of_baseline = {cell.pair: row for row, cell in enumerate(baseline.cells)}
    common = sorted(of_group.keys() & of_baseline.keys())
    return paired_difference(
        baseline.values(score)[[of_baseline[pair] for pair in common]],
        group.values(score)[[of_group[pair] for pair in common]],
    )


def _require_same_parts(cells: Sequence[CellResult]) -> None:
    """Check that the scores of all networks have the same joints and ranges of distance."""
    expected: tuple[list[str], list[float]] | None = None
    for cell in cells:
        for which in ("last", "best"):
            for network in getattr(cell.result, which):
                scores = cell.scores(network=network, which=which)
                parts = list(scores["per_joint"]), [b["from"] for b in scores.get("by_radius", ())]
                expected = expected or parts
                if parts != expected:
                    raise InputError(
                        f"{cell.folder}: the scores of network {network!r} in {which!r} are of "
                        f"other joints or distances than those of {cells[0].folder}"
                    )


def _require_same_networks(cells: Sequence[CellResult]) -> None:
    """Check that the runs of one table row have the same networks."""
    first = cells[0].result
    for cell in cells:
        result = cell.result
        for networks in (result.last, result.best):
            if networks.keys() != first.last.keys() or result.reported != first.reported:
                raise InputError(
                    f"{cell.folder}: its networks are not those of {cells[0].folder}, a run of the "
                    "same method"
                )


def _groups(cells: Sequence[CellResult]) -> list[Group]:
    names = backbone_names(backbone_of(cell.config) for cell in cells)
    found: dict[tuple[str, int, str, str], list[CellResult]] = {}
    for cell in cells:
        key = (
            names[backbone_of(cell.config)],
            cell.result.people_labelled,
            cell.result.labels,
            cell.result.method,
        )
        found.setdefault(key, []).append(cell)
    groups = []
    for key in sorted(found, key=lambda key: (*key[:3], _method_order(key[3]))):
        members = sorted(found[key], key=lambda cell: cell.pair)
        for first, second in pairwise(members):
            if first.pair == second.pair:
                raise InputError(
                    f"{first.folder} and {second.folder} have the same method, budget, seed, "
                    "subset and networks: a table cannot tell them apart"
                )
        _require_same_networks(members)
        groups.append(Group(key[3], key[2], key[0], tuple(members)))
    return groups


def _method_order(method: str) -> tuple[int, str]:
    return (METHOD_ORDER.index(method) if method in METHOD_ORDER else len(METHOD_ORDER), method)
