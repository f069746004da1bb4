"""How far predicted joints are from annotated ones, and the lengths to hold that against.

A prediction belongs to a person because it was made on that person's box, or because it was matched
by OKS. Distances are in image pixels.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.scores.oks import oks_matrix
from wepdtof_pose.scores.predictions import Predictions


def joint_distances(
    dataset: PoseDataset, predictions: Predictions
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distances in pixels between annotated and predicted joints.

    Returns:
        Distances (people, joints), infinite for people without a prediction; a mask (people,
        joints) of joints that count (labelled, person no crowd); the prediction (people,) of each
        person, -1 where there is none.
    """
    matched = match_people(dataset, predictions)
    labelled = countable_joints(dataset)
    distances = np.full(labelled.shape, np.inf)
    found = matched >= 0
    offsets = (
        predictions.keypoints[matched[found], :, :2].astype(np.float64)
        - dataset.keypoints[found, :, :2]
    )
    distances[found] = np.linalg.norm(offsets, axis=2)
    return distances, labelled, matched


def countable_joints(dataset: PoseDataset) -> np.ndarray:
    """Mask (people, joints) of the joints that count: labelled, and the person is no crowd."""
    return (dataset.keypoints[..., 2] > 0) & _countable(dataset)[:, None]


def match_people(dataset: PoseDataset, predictions: Predictions) -> np.ndarray:
    """Prediction (people,) int64 of each annotated person, -1 where there is none.

    Predictions that name their person go to it (the best-scored where several do). Others are
    matched frame by frame, the pair with the highest OKS first, each pose and person once.
    """
    matched = np.full(len(dataset), -1, dtype=np.int64)
    if predictions.people is not None:
        order = np.argsort(np.asarray(predictions.scores), kind="stable")
        matched[predictions.people[order]] = order
        return matched
    frame_of_prediction = pd.Index(dataset.frames["id"]).get_indexer(
        pd.Index(predictions.frame_ids)
    )
    frame_of_person = dataset.frame_rows
    sigmas = dataset.keypoint_set.require_sigmas()
    areas = dataset.people["area"].to_numpy(dtype=np.float64)
    boxes, countable = dataset.boxes, _countable(dataset)
    for frame in np.unique(frame_of_prediction):
        rows = np.flatnonzero(frame_of_prediction == frame)
        people = np.flatnonzero((frame_of_person == frame) & countable)
        similarity = oks_matrix(
            predictions.keypoints[rows],
            dataset.keypoints[people],
            areas[people],
            boxes[people],
            sigmas,
        )
        for _ in range(min(similarity.shape)):
            row, person = np.unravel_index(similarity.argmax(), similarity.shape)
            matched[people[person]] = rows[row]
            similarity[row], similarity[:, person] = -1, -1
    return matched


def head_sizes(dataset: PoseDataset) -> np.ndarray:
    """Head lengths (people,) in pixels from head top to (upper) neck; NaN where not annotated.

    MPII's own PCKh takes 0.6 of the diagonal of a rectangle around the head instead.
    """
    joints = dataset.keypoint_set.joints
    neck = "upper_neck" if "upper_neck" in joints else "neck"
    if "head_top" not in joints or neck not in joints:
        return np.full(len(dataset), np.nan)
    ends = dataset.keypoints[:, [joints.index("head_top"), joints.index(neck)]].astype(np.float64)
    length = np.linalg.norm(ends[:, 0, :2] - ends[:, 1, :2], axis=1)
    return np.where((ends[..., 2] > 0).all(axis=1), length, np.nan)


def relative_radius(centers: np.ndarray, frame_sizes: np.ndarray) -> np.ndarray:
    """Distances (n,) of points (n, 2) from their image centres, over half the shorter side.

    On a full overhead-fisheye image 0 is below the camera and 1 is the rim.
    """
    frame_sizes = np.asarray(frame_sizes, dtype=np.float64)
    offset = np.asarray(centers, dtype=np.float64) - (frame_sizes - 1) / 2
    return np.linalg.norm(offset, axis=1) / (frame_sizes.min(axis=1) / 2)


def _countable(dataset: PoseDataset) -> np.ndarray:
    return (dataset.people["iscrowd"] == 0).to_numpy()
