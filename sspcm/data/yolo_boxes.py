"""Boxes in YOLO's text files, as detectors write them: plain, oriented, or with joints behind them.

A line holds a class; eight numbers (the corners of an oriented box) or four (centre, width and
height), with joints behind these if it is a pose; and perhaps a score and the number of a track.
Coordinates are shares of the image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sspcm.data.coco_boxes import PeopleBoxes
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_text
from wepdtof_pose.formats.layout import files_in
from wepdtof_pose.images import require_own_file

_NOTES = frozenset({"classes.txt", "labels.txt", "readme.txt", "train.txt", "val.txt", "test.txt"})
"""Text files that lie beside those of boxes: names of classes, lists of images."""
_PLAIN, _ORIENTED = (5, 6), (9, 10)
"""Numbers of a line without and with a score; those of poses have others."""
_LAYOUTS = tuple((values, scored) for values in (3, 2) for scored in (0, 1))
"""How joints may be written: numbers of each, and whether a score of the box follows them."""
_NEAR = 0.75
"""Sides of the box from its centre within which the joints of its person lie."""
_NEARLY_ALL = 0.95


def read_yolo_boxes(path: Path, person: int) -> PeopleBoxes:
    """Return the boxes of class `person` in a text file, or in those of a folder.

    Raises:
        InputError: there is no such file, a line is none of boxes, or only some have a score; the
            message names the line.
    """
    files = files_in(path, ".txt", deep=True) if path.is_dir() else [path]
    notes = [file for file in files if path.is_dir() and file.name.lower() in _NOTES]
    files = [file for file in files if file not in notes]
    for file in files:
        require_own_file(file, path if path.is_dir() else path.parent, kind="a text")
    if not files:
        raise InputError(f"{path}: the folder holds no text file of boxes (name.txt for name.jpg)")
    left_out = Counter({"text files that hold no boxes": len(notes)} if notes else {})
    names: list[str] = []
    corners: list[list[float]] = []
    scores: list[float] = []
    turned: list[bool] = []
    poses: list[tuple[int, str, list[float]]] = []
    bare: list[str] = []
    for file in files:
        if not file.stat().st_size:  # nobody in the image
            continue
        stem = file.relative_to(path) if path.is_dir() else Path(file.name)
        for number, line in enumerate(read_text(file).splitlines(), start=1):
            if not line.strip():
                continue
            where = f"{file}: line {number}"
            numbers = _without_track(_numbers(line, where))
            if int(numbers[0]) != person:
                left_out["boxes of other classes"] += 1
                continue
            oriented = len(numbers) in _ORIENTED
            if not oriented and len(numbers) not in _PLAIN:
                poses.append((len(names), where, numbers))
            names.append(stem.with_suffix("").as_posix())
            turned.append(oriented)
            corners.append(numbers[1:9] if oriented else _corners_of_plain(numbers[1:5]))
            scored = len(numbers) in (_PLAIN[1], _ORIENTED[1])
            scores.append(numbers[-1] if scored else 1.0)
            if len(numbers) in (_PLAIN[0], _ORIENTED[0]):
                bare.append(where)
    if any(score > 1 and score.is_integer() for score in scores):
        # Numbers of tracks, which Ultralytics writes in place of scores, or behind them, and not
        # on frames where it follows nobody.
        scores = [1.0] * len(names)
    if bare and set(scores) != {1}:
        raise InputError(
            f"{bare[0]}: has a number less than others, which end with a score: give it to all of "
            "them, or to none"
        )
    if poses and _have_scores(poses):
        for row, _, numbers in poses:
            scores[row] = numbers[-1]
    count = len(names)
    return PeopleBoxes(
        image_ids=list(names),
        file_names=[None] * count,
        boxes=np.full((count, 4), np.nan),
        scores=np.array(scores),
        rotated=np.full((count, 5), np.nan),
        corners=np.array(corners, dtype=np.float64).reshape(count, 4, 2),
        oriented=np.array(turned, dtype=bool),
        stated=np.full((count, 2), np.nan),
        left_out=dict(left_out),
    )


def _numbers(line: str, where: str) -> list[float]:
    """Return the class, the coordinates, and what follows them."""
    try:
        # Python reads 1_0 as 10.
        numbers = [float(text) for text in line.replace("_", "?").split()]
    except ValueError:
        numbers = []
    count = len(numbers)
    if (count not in _PLAIN + _ORIENTED and count < 7) or not np.isfinite(numbers).all():
        other = " (numbers with commas, as MOT's files have them, are not read)" * ("," in line)
        raise InputError(
            f"{where}: expected a class and 8 coordinates of corners, or 4 of a box, and perhaps "
            f"joints and a score{other}"
        )
    if not numbers[0].is_integer():
        raise InputError(f"{where}: the class {numbers[0]:g} is not a whole number")
    if max(map(abs, numbers[1:9] if count in _ORIENTED else numbers[1:5])) > 2:
        raise InputError(
            f"{where}: coordinates are over the width and height of the image (0 to 1); these are "
            "pixels"
        )
    if count not in _ORIENTED and min(numbers[3:5]) < 0:
        raise InputError(f"{where}: the box has a negative width or height")
    return numbers


def _without_track(numbers: list[float]) -> list[float]:
    """Return a line of a plain box and its score without the number of the track behind them."""
    tracked = len(numbers) == 7 and 0 <= numbers[5] <= 1 and numbers[6].is_integer()
    return numbers[:6] if tracked else numbers


def _have_scores(poses: Sequence[tuple[int, str, list[float]]]) -> bool:
    """Return whether the lines of poses end with a score: read so, their joints lie at their boxes.

    Raises:
        InputError: joints lie there in neither reading, or in both.
    """
    lengths = {len(numbers) for _, _, numbers in poses}
    if len(lengths) == 1:
        table = np.array([numbers for _, _, numbers in poses])
        readings = {
            scored
            for values, scored in _LAYOUTS
            if not (table.shape[1] - 5 - scored) % values and _are_poses(table, values, scored)
        }
        if len(readings) == 1:
            return bool(readings.pop())
    raise InputError(
        f"{poses[0][1]}: has {len(poses[0][2])} numbers, which are neither a box nor one with "
        "joints behind it, as in every line of a pose: if the first five are class, centre, width "
        "and height, keep these alone (of outlines of people, write the boxes)"
    )


def _are_poses(table: np.ndarray, values: int, scored: int) -> bool:
    """Whether lines (n, numbers) are class, box, joints of so many values each, and a score."""
    if scored and ((table[:, -1] < 0) | (table[:, -1] > 1)).any():
        return False
    joints = table[:, 5 : table.shape[1] - scored].reshape(len(table), -1, values)
    seen = joints[..., 2] > 0 if values == 3 else (joints != 0).any(axis=2)
    if values == 3 and not (((joints[..., 2] >= 0) & (joints[..., 2] <= 2)).all() and seen.any()):
        return False
    near = np.abs(joints[..., :2] - table[:, None, 1:3]) <= _NEAR * table[:, None, 3:5]
    return bool(near.all(axis=2)[seen].mean() >= _NEARLY_ALL) if seen.any() else False


def _corners_of_plain(box: Sequence[float]) -> list[float]:
    cx, cy, w, h = box
    left, top, right, bottom = cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2
    return [left, top, right, top, right, bottom, left, bottom]
