"""Measurements that plots need beyond a cell's result, made once and kept in the cell's folder.

`joint_ap.json` and `pck_curve.json` need the cell's predictions and data,
`pseudo_label_quality.json` its last checkpoint and data. The files are small and remain when those
are deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from tqdm import tqdm

from benchmarks.analyses.people_scores import CURVE, measure_joint_ap, pck_curve
from benchmarks.analyses.pseudo_label_quality import SHARES, measure_pseudo_labels
from benchmarks.results.records import JointAP, LabelQuality, PckCurve
from benchmarks.results.results import CellResult, Comparison, Group
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json
from wepdtof_pose.records import converted

T = TypeVar("T")


@dataclass
class Measured(Generic[T]):
    """One measurement by cell folder; `missing` says why other cells do not have it."""

    found: dict[Path, T] = field(default_factory=dict)
    missing: dict[Path, str] = field(default_factory=dict)

    def split(self, groups: Iterable[Group]) -> tuple[list[Group], list[str]]:
        """Return the groups whose cells all have the measurement, and why others do not."""
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
    """All measurements of a comparison."""

    joint_ap: Measured[JointAP] = field(default_factory=Measured)
    pck_curve: Measured[PckCurve] = field(default_factory=Measured)
    pseudo_labels: Measured[LabelQuality] = field(default_factory=Measured)


def analyse(comparison: Comparison) -> Analyses:
    """Return all measurements that exist or can be made.

    Raises:
        InputError: an existing file is not such a measurement.
    """
    result = Analyses()
    for cell in tqdm(comparison.cells, desc="cells", leave=False, disable=None):
        _collect(cell, "joint_ap.json", result.joint_ap, measure_joint_ap, _read_joints)
        _collect(cell, "pck_curve.json", result.pck_curve, pck_curve, _read_curve)
        if cell.result.method != "supervised":
            file = "pseudo_label_quality.json"
            _collect(cell, file, result.pseudo_labels, measure_pseudo_labels, _read_labels)
    return result


def _collect(
    cell: CellResult,
    name: str,
    into: Measured[T],
    measure: Callable[[CellResult], dict[str, Any]],
    read: Callable[[CellResult, Path], T],
) -> None:
    file = cell.folder / name
    if not file.is_file():
        try:
            write_json(file, measure(cell), indent=1)
        except InputError as error:
            into.missing[cell.folder] = str(error)
            return
    into.found[cell.folder] = read(cell, file)


def _read_joints(cell: CellResult, file: Path) -> JointAP:
    found = converted(read_json(file), JointAP, source=str(file), what=_MEASURED)
    if found.keys() != cell.scores()["per_joint"].keys():
        raise InputError(f"{file}: its joints are not those of the run: delete it")
    return found


def _read_curve(cell: CellResult, file: Path) -> PckCurve:
    found = converted(read_json(file), PckCurve, source=str(file), what=_MEASURED)
    if found.thresholds != list(CURVE) or len(found.PCK) != len(CURVE):
        raise InputError(f"{file}: its thresholds are not those that are drawn: delete it")
    return found


def _read_labels(cell: CellResult, file: Path) -> LabelQuality:
    found = converted(read_json(file), LabelQuality, source=str(file), what=_MEASURED)
    for name, signal in found.by.items():
        kept = signal.kept
        if kept.shares != list(SHARES) or len(kept.accuracy) != len(SHARES):
            raise InputError(
                f"{file}: its shares of kept labels by {name!r} are not those that are drawn: "
                "delete it"
            )
    return found


_MEASURED = "what was measured (delete it to measure again)"
