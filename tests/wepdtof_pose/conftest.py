"""A small data set with defaults, in memory or as a folder with images."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from wepdtof_pose.dataset import PoseDataset, make_frames, make_people
from wepdtof_pose.formats import coco
from wepdtof_pose.keypoints import get_keypoint_set

SIZE = (120, 90)


def _build(
    people_per_frame: Sequence[int] = (2, 1, 3),
    *,
    scenes: Sequence[str | None] | None = None,
    keypoint_set: str = "wepdtof-pose-14",
    root: Path = Path("nowhere"),
    seed: int = 0,
    **columns: Any,
) -> PoseDataset:
    joints = get_keypoint_set(keypoint_set)
    rng = np.random.default_rng(seed)
    frame_ids = np.arange(len(people_per_frame)) * 10 + 5
    people = int(np.sum(people_per_frame))
    keypoints = np.full((people, len(joints), 3), 2, dtype=np.float32)
    keypoints[..., :2] = rng.uniform(20, 70, keypoints[..., :2].shape).round(2)
    keypoints[:, 1, 2] = 1
    keypoints[:, 2] = 0
    return PoseDataset(
        frames=make_frames(
            id=frame_ids,
            file_name=[f"{number}.png" for number in frame_ids],
            width=[SIZE[0]] * len(frame_ids),
            height=[SIZE[1]] * len(frame_ids),
            **({} if scenes is None else {"scene": list(scenes)}),
        ),
        people=make_people(
            **{
                "id": np.arange(people) + 100,
                "frame_id": np.repeat(frame_ids, people_per_frame),
                "x": [20.0] * people,
                "y": [20.0] * people,
                "w": [50.0] * people,
                "h": [50.5] * people,
                **columns,
            }
        ),
        keypoints=keypoints,
        keypoint_set=joints,
        root=root,
    )


@pytest.fixture(scope="session")
def make_dataset() -> Callable[..., PoseDataset]:
    return _build


@pytest.fixture(scope="session")
def write_folder() -> Callable[..., Path]:
    """Write data sets by annotation file name, and grey images, as a folder."""

    def write(folder: Path, **datasets: PoseDataset) -> Path:
        for name, dataset in datasets.items():
            coco.write(dataset, folder / "annotations" / f"{name}.json")
            for file_name in dataset.frames["file_name"]:
                image = np.full((SIZE[1], SIZE[0], 3), 127, dtype=np.uint8)
                (folder / "images").mkdir(exist_ok=True)
                (folder / "images" / file_name).write_bytes(cv2.imencode(".png", image)[1])
        return folder

    return write


@pytest.fixture
def data(make_dataset: Callable, write_folder: Callable, tmp_path: Path) -> Path:
    return write_folder(tmp_path / "my data ä", person_keypoints=make_dataset())


@pytest.fixture
def heard_interrupts() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, also where a shell started the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
