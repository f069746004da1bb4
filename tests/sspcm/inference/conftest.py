"""Frames that poses are predicted on."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from wepdtof_pose.dataset import PoseDataset


@pytest.fixture
def images(test_people: PoseDataset) -> list[Path]:
    return [test_people.root / name for name in test_people.frames["file_name"]]


@pytest.fixture
def write_video(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str = "clip.mp4", frames: int = 5, size: tuple[int, int] = (96, 64)) -> Path:
        path = tmp_path / name
        code = cv2.VideoWriter.fourcc(*("mp4v" if path.suffix == ".mp4" else "MJPG"))
        writer = cv2.VideoWriter(str(path), code, 10, size)
        for number in range(frames):
            image = np.full((size[1], size[0], 3), 40 + 20 * (number % 8), dtype=np.uint8)
            cv2.circle(image, (20 + number % 40, 30), 12, (200, 120, 60), -1)
            writer.write(image)
        writer.release()
        return path

    return write
