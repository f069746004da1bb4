"""What plots need beyond a cell's result, measured once on a finished cell and kept beside it.

`joint_ap.json` needs the cell's predictions and data, `pseudo_labels.json` its last checkpoint and
data. Both are small: they stay where those are not kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.results import CellResult, Comparison
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json, write_json

JOINT_AP = "joint_ap.json"
PSEUDO_LABELS = "pseudo_labels.json"


@dataclass
class Analyses:
    """Measurements by a cell's folder; `reasons` says why others are missing."""

    joint_ap: dict[Path, dict[str, float | None]] = field(default_factory=dict)
    pseudo_labels: dict[Path, dict[str, Any]] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)


def analyse(comparison: Comparison) -> Analyses:
    """All measurements that are kept or can be made."""
    found = Analyses()
    for cell in tqdm(comparison.cells, desc="cells", leave=False, disable=None):
        _collect(cell, JOINT_AP, found.joint_ap, found.reasons, _measure_joints)
        if cell.result["method"] != "supervised":
            _collect(cell, PSEUDO_LABELS, found.pseudo_labels, found.reasons, _measure_labels)
    return found


def _collect(
    cell: CellResult,
    name: str,
    into: dict[Path, Any],
    reasons: list[str],
    measure: Callable[[CellResult], dict[str, Any]],
) -> None:
    file = cell.folder / name
    try:
        if not file.is_file():
            write_json(file, measure(cell), indent=1)
        into[cell.folder] = read_json(file)
    except InputError as error:
        if str(error) not in reasons:
            reasons.append(str(error))


def _measure_joints(cell: CellResult) -> dict[str, Any]:
    from benchmarks.joint_ap import measure_joint_ap

    return measure_joint_ap(cell)


def _measure_labels(cell: CellResult) -> dict[str, Any]:
    from benchmarks.pseudo_label_quality import measure_pseudo_labels

    return measure_pseudo_labels(cell)
