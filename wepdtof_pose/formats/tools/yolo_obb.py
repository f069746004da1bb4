"""YOLO OBB: people in rotated boxes, in `data.yaml`, `images/<split>/` and `labels/<split>/`.

A line is `class x1 y1 x2 y2 x3 y3 x4 y4`, the corners of a box over the image's width and height; a
line of the upright form `class cx cy w h` is taken too. Four points that are no rectangle, as are
drawn by hand or cut at the border, become the smallest rectangle around them. What becomes of boxes
is said in `boxed_people`; data.yaml says which class is people, as for `yolo`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_text
from wepdtof_pose.formats.boxed_people import (
    BoxedPerson,
    Frame,
    Sequence,
    each_once,
    scenes_by_folder,
    to_dataset,
    upright,
)
from wepdtof_pose.formats.fields import parse_number, shown
from wepdtof_pose.formats.layout import Reading, add_counts
from wepdtof_pose.formats.tools.yolo import (
    TOLERANCE,
    hint_of_count,
    reading_of_splits,
    require_shares,
    split_labels,
)
from wepdtof_pose.formats.tools.yolo_yaml import DataFile, read_data_file
from wepdtof_pose.images import image_file, image_size

BEYOND = 0.5
"""How far outside the image, in shares of it, a corner may lie: turned boxes reach over edges."""

SKEW = 1.0
"""Pixels by which a corner may lie off a rectangle that is taken as drawn."""


def read(path: Path, *, images: Path | None = None, category: str | None = None) -> Reading:
    """Return the people of a `data.yaml`, or of the folder that holds it; see `yolo.read`.

    Raises:
        InputError: a file is missing or not usable, or no image has a label file; labels are named
            by file and line.
    """
    data = read_data_file(path, category=category, pose=False)
    splits, left_out = split_labels(data, images)
    datasets, counts = {}, [left_out]
    for split, (folder, labels) in splits.items():
        frames, people = [], []
        others: Counter[str] = Counter()
        for name, file in labels.items():
            size = image_size(image_file(folder, name))
            frames.append(Frame(name, name, size=size))
            people += parse(file, name, size, data, others)
        people, again = each_once(people)
        others.update(again)
        sequence = Sequence("", str(folder), frames, people)
        dataset = to_dataset([sequence], {name: name for name in labels}, folder)
        ids = dict(zip(labels, range(1, len(labels) + 1), strict=True))
        datasets[split] = replace(
            dataset,
            frames=dataset.frames.assign(id=list(ids.values()), scene=scenes_by_folder(labels)),
            people=dataset.people.assign(frame_id=dataset.people["frame_id"].map(ids)),
        )
        counts.append(dict(others))
    return reading_of_splits(data, datasets, splits, add_counts(*counts))


def parse(
    file: Path, frame: str, size: tuple[int, int], data: DataFile, others: Counter[str]
) -> list[BoxedPerson]:
    """Return the people of a label file; `others` counts what is none, and what was changed.

    An empty file, or none, is an image without people.

    Raises:
        InputError: a line is not of the form; the message names it.
    """
    if not file.is_file() or not file.read_bytes().strip():
        return []
    people = []
    scale = np.array(size, dtype=np.float64)
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        where = f"{file}: line {number}"
        values = [parse_number(word, where) for word in line.split()]
        if not values:
            continue
        if len(values) not in (5, 9):
            angle = ": with an angle? Give the corners" if len(values) == 6 else ""
            raise InputError(
                f"{where} has {len(values)} numbers instead of 9 (a class and 4 corners)"
                + (angle or hint_of_count(line, 9))
            )
        require_shares(values[1:], where, tolerance=TOLERANCE if len(values) == 5 else BEYOND)
        if values[0] not in data.classes:
            others[f"objects of class {shown(data.class_name(values[0]))}"] += 1
            continue
        if len(values) == 5:
            cx, cy, w, h = (np.array(values[1:]) * np.tile(scale, 2)).tolist()
            people.append(BoxedPerson(frame, box=(cx - w / 2, cy - h / 2, w, h)))
            continue
        corners = np.array(values[1:]).reshape(4, 2) * scale
        rotated, off = rectangle_of(corners)
        kind = "boxes whose corners are no rectangle (the smallest around them is taken)"
        others[kind] += off > SKEW
        people.append(BoxedPerson(frame, rotated=rotated))
    return people


def rectangle_of(corners: np.ndarray) -> tuple[tuple[float, ...], float]:
    """Return the rotated box of four corners in order, and how far off a rectangle they are.

    Where that is more than SKEW pixels, the box is the smallest rectangle around them.

    >>> rectangle_of(np.array([[0.0, 0], [2, 0], [2, 4], [0, 4]]))
    ((1.0, 2.0, 2.0, 4.0, 0.0), 0.0)
    """
    import cv2

    middle = corners.mean(axis=0)
    across = (corners[1] - corners[0] + corners[2] - corners[3]) / 2
    down = (corners[2] - corners[1] + corners[3] - corners[0]) / 2
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
    w, h = np.hypot(*across), np.hypot(*down)
    along = across / w if w > 0 else np.array([1.0, 0.0])
    # The second side at a right angle to the first, on the side on which it lies.
    turned = np.array([-along[1], along[0]])
    turned = turned if turned @ down >= 0 else -turned
    ideal = middle + signs[:, :1] * along * w + signs[:, 1:] * turned * h
    off = float(np.abs(ideal - corners).max())
    if off > SKEW:
        (cx, cy), (w, h), degrees = cv2.minAreaRect(corners.astype(np.float32))
        return (cx, cy, *upright(w, h, degrees)), off
    degrees = float(np.degrees(np.arctan2(along[1], along[0])))
    return (*middle.tolist(), *upright(float(w), float(h), degrees)), off
