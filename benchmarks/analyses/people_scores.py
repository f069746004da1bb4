"""Scores of single test people of a finished cell, from its predictions and data."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.analyses.joint_ap import cell_predictions
from benchmarks.results.results import CellResult
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.scores.people import people_scores

THRESHOLD = 0.2
"""A joint is right within this share of the square root of the box area (PCK@0.2)."""

CURVE = tuple(round(0.0125 * step, 4) for step in range(1, 41))
"""Thresholds of `pck_curve`, up to half of the square root of the box area."""

Groups = tuple[str, np.ndarray]
"""What people share, a scene or a frame, and which one (people,) each person is of."""


def right_joints(cell: CellResult) -> tuple[np.ndarray, np.ndarray, Groups]:
    """Right joints (people,), labelled joints (people,) and groups of the test people.

    Raises:
        InputError: the predictions or the data are not there, or have changed.
    """
    test, predictions = cell_predictions(cell)
    people = people_scores(test, predictions)
    right = people.right(THRESHOLD) & people.labelled
    counts = right.sum(axis=1).astype(float), people.labelled.sum(axis=1).astype(float)
    return *counts, people_groups(test)


def pck_curve(cell: CellResult) -> dict[str, list[float]]:
    """PCK of the reported network, last checkpoint, at every threshold of `CURVE`.

    Keys: "thresholds" (shares of the square root of the box area) and "PCK" (0 to 1).

    Raises:
        InputError: the predictions or the data are not there, or have changed.
    """
    people = people_scores(*cell_predictions(cell))
    distances = people.relative_distances[people.labelled]
    return {"thresholds": list(CURVE), "PCK": [float((distances <= t).mean()) for t in CURVE]}


def people_groups(people: PoseDataset) -> Groups:
    """Scenes of people where they are known for all, else frames: those of one depend."""
    scenes = people.frames["scene"]
    if scenes.notna().all():
        return "scene", pd.factorize(scenes)[0][people.frame_rows]
    return "frame", people.frame_rows
