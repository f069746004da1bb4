"""What plots need beyond a cell's result, measured once on a finished cell and kept beside it.

`joint_ap.json` and `pck_curve.json` need the cell's predictions and data,
`pseudo_label_quality.json` its last checkpoint and data. All are small: they stay where those are
not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.results.results import CellResult, Comparison, Group
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json


@dataclass
class Measured:
    """One measurement by a cell's folder; `missing` says of other cells why it is not there."""

    found: dict[Path, dict[str, Any]] = field(default_factory=dict)
    missing: dict[Path, str] = field(default_factory=dict)

    def split(self, groups: Iterable[Group]) -> tuple[list[Group], list[str]]:
        """The groups whose cells all have it, and why others have not."""
        there, reasons = [], []
        for group in groups:
            lacking = [cell.folder for cell in group.cells if cell.folder not in self.found]
            if lacking:
                reasons.append(
                    f"{group.method} with {group.labels} labels, as {len(lacking)} of "
                    f"{len(group.cells)} runs cannot be measured: {self.missing[lacking[0]]}"
                )
            else:
                there.append(group)
        return there, reasons


@dataclass
class Analyses:
    """All that is measured."""

    joint_ap: Measured = field(default_factory=Measured)
    pck_curve: Measured = field(default_factory=Measured)
    pseudo_labels: Measured = field(default_factory=Measured)


def analyse(comparison: Comparison) -> Analyses:
    """All measurements that are kept or can be made."""
    result = Analyses()
    for cell in tqdm(comparison.cells, desc="cells", leave=False, disable=None):
        _collect(cell, "joint_ap.json", result.joint_ap, _measure_joints)
        _collect(cell, "pck_curve.json", result.pck_curve, _measure_curve)
        if cell.result.method != "supervised":
            _collect(cell, "pseudo_label_quality.json", result.pseudo_labels, _measure_labels)
    return result


def _collect(
    cell: CellResult, name: str, into: Measured, measure: Callable[[CellResult], dict[str, Any]]
) -> None:
    file = cell.folder / name
    try:
        if not file.is_file():
            write_json(file, measure(cell), indent=1)
        content = read_json(file)
        if not isinstance(content, dict):
            raise InputError(f"{file}: is not what was measured: delete it")
        into.found[cell.folder] = content
    except InputError as error:
        into.missing[cell.folder] = str(error)


def _measure_joints(cell: CellResult) -> dict[str, Any]:
    from benchmarks.analyses.joint_ap import measure_joint_ap

    return measure_joint_ap(cell)


def _measure_curve(cell: CellResult) -> dict[str, Any]:
    from benchmarks.analyses.people_scores import pck_curve

    return pck_curve(cell)


def _measure_labels(cell: CellResult) -> dict[str, Any]:
    from benchmarks.analyses.pseudo_label_quality import measure_pseudo_labels

    return measure_pseudo_labels(cell)
