"""Frames for measurements: pictures with the spectrum of photographs, and boxes of people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from wepdtof_pose.dataset import AREA_PER_BOX, PoseDataset
from wepdtof_pose.files import write_json
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.keypoints import get_keypoint_set


@dataclass(frozen=True)
class FrameKind:
    """Frames of one kind, in pixels; `box` is (width, height) of each person's box."""

    name: str
    width: int
    height: int
    people: int
    box: tuple[int, int]


PHOTOGRAPHS = FrameKind("640 x 480 photographs, 1 person each", 640, 480, 1, (150, 320))
FISHEYE = FrameKind("1500 px fisheye frames, 8 people each", 1500, 1500, 8, (170, 260))
SMALL = FrameKind("160 x 120 frames, 8 people each", 160, 120, 8, (24, 40))

ANNOTATIONS = "annotations/people.json"


def make_frames(
    kind: FrameKind,
    people: int,
    folder: Path,
    *,
    random: np.random.Generator,
    distinct: bool = False,
) -> PoseDataset:
    """Return a data set of so many people, with frames as JPEG files in `folder/images`.

    The pictures are noise with power 1 / frequency squared, like photographs, so their files are
    about as large and as slow to decode. All frames are links to a few pictures. With `distinct`
    each shows a picture of its own, since training leaves out pictures of tested people.
    """
    count = -(-people // kind.people)
    images = folder / "images"
    images.mkdir(parents=True)
    names = [f"{row:06d}.jpg" for row in range(count)]
    pictures = [_picture(kind, random) for _ in range(min(count, 4))]
    for row, name in enumerate(names):
        turn, which = divmod(row, len(pictures))
        if turn and not distinct:
            (images / name).hardlink_to(images / names[which])
        elif turn:
            # The waves go on over the edges: a picture moved along is as good as a new one.
            moved = np.roll(pictures[which], (37 * turn, 53 * turn), axis=(0, 1))
            (images / name).write_bytes(_encoded(moved))
        else:
            (images / name).write_bytes(_encoded(pictures[which]))
    write_json(folder / ANNOTATIONS, _content(kind, people, names, random))
    return next(iter(load_dataset(folder).values()))


def _encoded(picture: np.ndarray) -> bytes:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
    return data.tobytes()


def _picture(kind: FrameKind, random: np.random.Generator) -> np.ndarray:
    rows, columns = np.fft.fftfreq(kind.height)[:, None], np.fft.rfftfreq(kind.width)
    frequency = np.hypot(rows, columns)
    frequency[0, 0] = 1.0
    shape = (3, *frequency.shape)
    spectrum = (random.normal(size=shape) + 1j * random.normal(size=shape)) / frequency
    waves = np.fft.irfft2(spectrum, s=(kind.height, kind.width), axes=(1, 2))
    # Colours in photographs vary together: mostly grey, with a little of each colour.
    waves = waves[:1] + 0.25 * waves
    levels = 128 + 45 * waves / waves.std(axis=(1, 2), keepdims=True)
    return levels.clip(0, 255).astype(np.uint8).transpose(1, 2, 0)


def _content(
    kind: FrameKind, people: int, names: list[str], random: np.random.Generator
) -> dict[str, Any]:
    """Return the content of a COCO keypoint file: all joints are visible, at random in the box."""
    joints = get_keypoint_set("wepdtof-pose-14").joints
    box = np.array(kind.box, dtype=np.float64)
    corners = random.uniform(0, np.array([kind.width, kind.height]) - box, size=(people, 2))
    points = corners[:, None] + random.uniform(0.1, 0.9, (people, len(joints), 2)) * box
    points = np.concatenate([points, np.full((people, len(joints), 1), 2.0)], axis=2).round(2)
    size = {"width": kind.width, "height": kind.height}
    return {
        "images": [{"id": row, "file_name": name} | size for row, name in enumerate(names)],
        "categories": [{"id": 1, "name": "person", "keypoints": list(joints), "skeleton": []}],
        "annotations": [
            {
                "id": person,
                "image_id": person // kind.people,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [*corners[person].round(2).tolist(), *kind.box],
                "area": AREA_PER_BOX * float(box.prod()),
                "num_keypoints": len(joints),
                "keypoints": points[person].ravel().tolist(),
            }
            for person in range(people)
        ],
    }
