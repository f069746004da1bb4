"""What stays together in a split: the frame or the scene that each person belongs to.

Frames of one scene are near copies of one another. Frames of one file name are one frame, and so
are copies that were made of one picture (see `source_picture`); a frame without a scene is a scene
of its own.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.layout import source_picture

Unit = Literal["person", "frame", "scene"]


def group_numbers(dataset: PoseDataset, by: Unit) -> np.ndarray:
    """Return which person, frame or scene each person belongs to, (people,) int64.

    Groups are numbered in file order.

    Raises:
        InputError: scenes are asked for, and none is known.
    """
    if by == "person":
        return np.arange(len(dataset), dtype=np.int64)
    frames = _frame_numbers(dataset)
    if by == "frame":
        return frames
    scenes = _scene_numbers(dataset)
    if len(scenes) and not (scenes >= 0).any():
        raise InputError(
            "no scenes are known in this data set: take them from the images (--scene-from folder "
            "or name, --scene-field FIELD), or use frames instead, of which neighbours may then be "
            "in both splits (--by frame)"
        )
    return pd.factorize(_scenes_or_frames(scenes, frames))[0].astype(np.int64)


def widest_groups(
    dataset: PoseDataset, usable: np.ndarray
) -> tuple[np.ndarray, Literal["scene", "frame"]]:
    """Return the scenes (people,) int64 if usable people are in two or more, else the frames.

    Known scenes are numbered before the frames that have none: the choice of `hold_out`, and so its
    hashes, stand on these numbers.

    Args:
        dataset: the people.
        usable: (people,) mask of those who count.
    """
    frames, scenes = _frame_numbers(dataset), _scene_numbers(dataset)
    together = np.unique(_scenes_or_frames(scenes, frames), return_inverse=True)[1].reshape(-1)
    if (scenes >= 0).any() and len(np.unique(together[usable])) > 1:
        return together, "scene"
    return frames, "frame"


def _frame_numbers(dataset: PoseDataset) -> np.ndarray:
    names = dataset.frames["file_name"].map(source_picture)
    return _numbers(dataset, names)


def _scene_numbers(dataset: PoseDataset) -> np.ndarray:
    """Return the numbers (people,) of the scenes; -1 where none is known."""
    return _numbers(dataset, dataset.frames["scene"])


def _numbers(dataset: PoseDataset, of_frames: pd.Series) -> np.ndarray:
    values = of_frames.to_numpy(dtype=object)[dataset.frame_rows]
    return pd.factorize(values)[0].astype(np.int64)


def _scenes_or_frames(scenes: np.ndarray, frames: np.ndarray) -> np.ndarray:
    return np.where(scenes < 0, frames + scenes.max(initial=-1) + 1, scenes)
