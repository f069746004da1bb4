"""Scores of single test people of a finished cell, from its predictions and data."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.analyses.joint_ap import cell_predictions
from benchmarks.results.results import CellResult
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.scores.joint_errors import joint_distances
from wepdtof_pose.scores.oks import joint_similarity
from wepdtof_pose.scores.predictions import Predictions

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
    test, distances, labelled = _relative_distances(cell)
    right = (distances <= THRESHOLD) & labelled
    counts = right.sum(axis=1).astype(float), labelled.sum(axis=1).astype(float)
    return *counts, people_groups(test)


def pck_curve(cell: CellResult) -> dict[str, list[float]]:
    """PCK of the reported network, last checkpoint, at every threshold of `CURVE`.

    Keys: "thresholds" (shares of the square root of the box area) and "PCK" (0 to 1).

    Raises:
        InputError: the predictions or the data are not there, or have changed.
    """
    _, distances, labelled = _relative_distances(cell)
    shares = [float((distances[labelled] <= threshold).mean()) for threshold in CURVE]
    return {"thresholds": list(CURVE), "PCK": shares}


def _relative_distances(cell: CellResult) -> tuple[PoseDataset, np.ndarray, np.ndarray]:
    """The test people; distances (people, joints) over the root of the box area; a mask of joints
    that count."""
    test, predictions = cell_predictions(cell)
    distances, labelled, _ = joint_distances(test, predictions)
    return test, distances / np.sqrt(np.prod(test.boxes[:, 2:], axis=1))[:, None], labelled


def people_groups(people: PoseDataset) -> Groups:
    """Scenes of people where they are known for all, else frames: those of one depend."""
    scenes = people.frames["scene"]
    if scenes.notna().all():
        return "scene", pd.factorize(scenes)[0][people.frame_rows]
    return "frame", people.frame_rows


def person_oks(test: PoseDataset, predictions: Predictions) -> np.ndarray:
    """OKS (people,) of each test person's own pose; NaN for people without labelled joints."""
    distances, labelled, _ = joint_distances(test, predictions)
    areas = test.people["area"].to_numpy(dtype=np.float64)
    similarity = joint_similarity(distances**2, areas, test.keypoint_set.require_sigmas())
    counts = labelled.sum(axis=1)
    total = np.where(labelled, similarity, 0).sum(axis=1)
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)
