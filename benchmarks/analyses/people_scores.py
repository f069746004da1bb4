"""Scores of single test people, from the predictions and data of a finished cell."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.analyses.joint_ap import cell_predictions
from benchmarks.results.results import CellResult
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.scores.people import people_scores

THRESHOLD = 0.2
"""Largest error of a correct joint, relative to the square root of the box area (PCK@0.2)."""

CURVE = tuple(round(0.0125 * step, 4) for step in range(1, 41))
"""Thresholds of `pck_curve`, up to half the square root of the box area."""

Groups = tuple[str, np.ndarray]
"""What people share, "scene" or "frame", and the one that each person (people,) belongs to."""


def right_joints(cell: CellResult) -> tuple[np.ndarray, np.ndarray, Groups]:
    """Return counts of correct and labelled joints, (people,), and groups of the test people."""
    test, predictions = cell_predictions(cell)
    people = people_scores(test, predictions)
    right = people.right(THRESHOLD) & people.labelled
    counts = right.sum(axis=1).astype(float), people.labelled.sum(axis=1).astype(float)
    return *counts, people_groups(test)


def pck_curve(cell: CellResult) -> dict[str, list[float]]:
    """Return the PCK of the reported network's last checkpoint at every threshold of `CURVE`.

    Keys: "thresholds" (shares of the square root of the box area) and "PCK" (0 to 1).
    """
    people = people_scores(*cell_predictions(cell))
    distances = people.relative_distances[people.labelled]
    return {"thresholds": list(CURVE), "PCK": [float((distances <= t).mean()) for t in CURVE]}


def people_groups(people: PoseDataset) -> Groups:
    """Return the scenes of people if all are known, else their frames: units of dependence."""
    scenes = people.frames["scene"]
    if scenes.notna().all():
        return "scene", pd.factorize(scenes)[0][people.frame_rows]
    return "frame", people.frame_rows
