"""One truth about single people: the prediction of each, its distances, its OKS, its right joints.

A prediction belongs to a person because it was made on that person's box, or because it was matched
by OKS. Distances are in image pixels. `evaluate`, `browse`, tables and plots all stand on
`people_scores`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from wepdtof_pose.dataset import PoseDataset, rows_of_groups
from wepdtof_pose.scores.oks import joint_similarity, oks_matrix
from wepdtof_pose.scores.predictions import Predictions


@dataclass(frozen=True)
class PeopleScores:
    """How well each annotated person of a data set was predicted.

    Attributes:
        matched: (people,) int64 the prediction of each person, -1 where there is none.
        labelled: (people, joints) mask of the joints that count: labelled, and no crowd's.
        distances: (people, joints) pixels from annotated to predicted joints, infinite for people
            without a prediction.
        similarity: (people, joints) the joints' terms of OKS, 0 for people without a prediction.
        sizes: (people,) square root of the area of the annotated box in pixels, by which PCK
            measures; what reaches over the edge of the frame counts.
    """

    matched: np.ndarray
    labelled: np.ndarray
    distances: np.ndarray
    similarity: np.ndarray
    sizes: np.ndarray

    @property
    def oks(self) -> np.ndarray:
        """OKS (people,) of each person's own prediction; NaN where no joint counts."""
        counts = self.labelled.sum(axis=1)
        total = np.where(self.labelled, self.similarity, 0).sum(axis=1)
        return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)

    @property
    def relative_distances(self) -> np.ndarray:
        """Distances (people, joints) over the square root of the box area."""
        return self.distances / self.sizes[:, None]

    def right(self, threshold: float) -> np.ndarray:
        """Return which joints (people, joints) are within `threshold` roots of the box area."""
        return self.distances <= threshold * self.sizes[:, None]


def people_scores(dataset: PoseDataset, predictions: Predictions) -> PeopleScores:
    """Match the predictions to the people once, and measure every joint.

    Annotated joints enter as the decimals of their file (`PoseDataset` holds them in float32).

    Raises:
        InputError: the keypoint set has no sigmas.
    """
    sigmas = dataset.keypoint_set.require_sigmas()
    matched = match_people(dataset, predictions)
    found = matched >= 0
    squared = np.full(dataset.keypoints.shape[:2], np.inf)
    poses = predictions.keypoints[matched[found], :, :2].astype(np.float64)
    squared[found] = ((poses - exact_keypoints(dataset)[found, :, :2]) ** 2).sum(axis=2)
    areas = dataset.people["area"].to_numpy(dtype=np.float64)
    return PeopleScores(
        matched=matched,
        labelled=countable_joints(dataset),
        distances=np.sqrt(squared),
        similarity=joint_similarity(squared, areas, sigmas),
        sizes=np.sqrt(np.maximum(dataset.boxes[:, 2] * dataset.boxes[:, 3], 0)),
    )


def match_people(dataset: PoseDataset, predictions: Predictions) -> np.ndarray:
    """Return the prediction (people,) int64 of each annotated person, -1 where there is none.

    Predictions that name their person go to it (the best-scored where several do). Others are
    matched frame by frame, the pair with the highest OKS first, each pose and person once.
    """
    matched = np.full(len(dataset), -1, dtype=np.int64)
    if predictions.people is not None:
        order = np.argsort(np.asarray(predictions.scores), kind="stable")
        matched[predictions.people[order]] = order
        return matched
    frames = pd.Index(dataset.frames["id"])
    poses_of = rows_of_groups(frames.get_indexer(pd.Index(predictions.frame_ids)))
    countable = np.flatnonzero(_countable(dataset))
    people_of = rows_of_groups(dataset.frame_rows[countable])
    sigmas = dataset.keypoint_set.require_sigmas()
    areas = dataset.people["area"].to_numpy(dtype=np.float64)
    boxes = dataset.boxes
    for frame in poses_of.keys() & people_of.keys():
        rows, people = poses_of[frame], countable[people_of[frame]]
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


def countable_joints(dataset: PoseDataset) -> np.ndarray:
    """Return which joints (people, joints) count: labelled ones of people who are no crowd."""
    return (dataset.keypoints[..., 2] > 0) & _countable(dataset)[:, None]


def exact_keypoints(dataset: PoseDataset) -> np.ndarray:
    """Return keypoints (people, joints, 3) float64: the shortest decimals of the float32 values.

    These are the numbers of the data set's file.
    """
    return dataset.keypoints.astype(str).astype(np.float64)


def head_sizes(dataset: PoseDataset) -> np.ndarray:
    """Return head lengths (people,) in pixels, head top to (upper) neck; NaN where not annotated.

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
    """Return distances (n,) of points (n, 2) from their image centres, over half the shorter side.

    On a full overhead-fisheye image 0 is below the camera and 1 is the rim.
    """
    frame_sizes = np.asarray(frame_sizes, dtype=np.float64)
    offset = np.asarray(centers, dtype=np.float64) - (frame_sizes - 1) / 2
    return np.linalg.norm(offset, axis=1) / (frame_sizes.min(axis=1) / 2)


def _countable(dataset: PoseDataset) -> np.ndarray:
    return (dataset.people["iscrowd"] == 0).to_numpy()
