"""Predicted poses as labels to correct: a data set in the format of a labelling tool."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wepdtof_pose.conversion.convert import place
from wepdtof_pose.conversion.registry import WRITERS
from wepdtof_pose.dataset import PoseDataset, make_frames, make_people
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import replacing_folder
from wepdtof_pose.formats.layout import WHOLE
from wepdtof_pose.keypoints import KeypointSet

DRAFT_FORMATS = ("coco", "cvat", "label_studio")
"""Formats of drafts; FiftyOne's App (`wepdtof-pose browse`) takes COCO."""


@dataclass(frozen=True)
class DraftFrame:
    """An image of this (width, height), and the poses on it as entries of a COCO results file."""

    path: Path
    size: tuple[int, int]
    poses: Sequence[dict[str, Any]]


def draft_dataset(
    frames: Sequence[DraftFrame], keypoint_set: KeypointSet, *, threshold: float
) -> PoseDataset:
    """Return predicted poses as a data set, images with the least certain poses first.

    Images without people come before all others: somebody may have been missed.

    Args:
        frames: the images and their poses.
        keypoint_set: the joints.
        threshold: joints with a lower score are left unlabelled; others become visible.

    Raises:
        InputError: there is no image.
    """
    if not frames:
        raise InputError("drafts are made of images, and there is none")
    order = sorted(frames, key=lambda f: min((pose["score"] for pose in f.poses), default=-1.0))
    paths = [frame.path.resolve() for frame in order]
    root = Path(os.path.commonpath([path.parent for path in paths]))
    people = [(number, pose) for number, f in enumerate(order, start=1) for pose in f.poses]
    keypoints = np.array([pose["keypoints"] for _, pose in people], dtype=np.float32)
    keypoints = keypoints.reshape(len(people), len(keypoint_set), 3)
    sure = keypoints[..., 2:] >= threshold
    labels = np.where(sure, np.concatenate([keypoints[..., :2], 2 * sure], axis=2), 0)
    boxes = np.array([pose["bbox"] for _, pose in people], dtype=np.float64).reshape(-1, 4)
    unknown = [np.nan] * 5
    rotated = np.array(
        [pose.get("rotated_box", unknown) for _, pose in people], dtype=np.float64
    ).reshape(-1, 5)
    tracks = [pose.get("track_id") for _, pose in people]
    return PoseDataset(
        frames=make_frames(
            id=np.arange(1, len(order) + 1),
            file_name=[path.relative_to(root).as_posix() for path in paths],
            sizes=[frame.size for frame in order],
        ),
        people=make_people(
            id=np.arange(1, len(people) + 1),
            frame_id=np.array([number for number, _ in people], dtype=np.int64),
            boxes=boxes,
            rotated=rotated,
            track_id=tracks,
        ),
        keypoints=labels.astype(np.float32),
        keypoint_set=keypoint_set,
        root=root,
    )


def write_drafts(dataset: PoseDataset, out: Path, form: str) -> None:
    """Write annotations and images for a labelling tool; a folder `out` that exists is replaced."""
    with replacing_folder(out) as folder:
        place(WRITERS[form]({WHOLE: dataset}), folder, {})
