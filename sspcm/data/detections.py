"""Boxes of people from other detectors, upright or rotated: read from files or objects.

Supported are COCO results (boxes of 4 numbers, or of 5 as in RAPiD's files), COCO annotations
(including those of CEPDOF and WEPDTOF), YOLO text files (oriented or plain boxes), arrays, and
objects like `supervision.Detections`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np

from sspcm.choices import Angles
from sspcm.data.coco_boxes import PeopleBoxes, as_id, read_coco_boxes
from sspcm.data.crop_places import has_sides
from sspcm.data.yolo_boxes import read_yolo_boxes
from wepdtof_pose.errors import InputError, counted
from wepdtof_pose.files import leads_out
from wepdtof_pose.formats.fields import shown
from wepdtof_pose.formats.layout import count_in_words, longest_ends
from wepdtof_pose.geometry import clip_boxes, enclosing_boxes, rotated_boxes_of_corners
from wepdtof_pose.scores.frame_lookup import VIDEO_SUFFIXES

PERSON = 1
"""Category id of people in COCO."""
YOLO_PERSON = 0
"""Class of people in YOLO's files, as in its models trained on COCO."""


@dataclass(frozen=True)
class FrameBoxes:
    """Boxes of the people on one frame.

    Attributes:
        boxes: (people, 4) float64 x, y, w, h in pixels.
        scores: (people,) float64.
        rotated: (people, 5) float64 cx, cy, w, h in pixels and the angle in degrees, clockwise from
            up; NaN if only the box is known.
    """

    boxes: np.ndarray
    scores: np.ndarray
    rotated: np.ndarray

    def __len__(self) -> int:
        return len(self.boxes)

    def select(self, rows: np.ndarray) -> FrameBoxes:
        """Return the boxes of these rows (a mask or indices)."""
        return FrameBoxes(self.boxes[rows], self.scores[rows], self.rotated[rows])

    def on_frame(self, size: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return a mask (people,) of boxes that lie at least partly on a frame (width, height).

        One size serves all boxes, or each has its own (people, 2). Rotated boxes without sides lie
        on none, whatever holds them.
        """
        flat = ~np.isnan(self.rotated).any(axis=1) & ~has_sides(self.rotated)
        return clip_boxes(self.boxes, np.asarray(size))[1] & ~flat


def frame_boxes(value: Any) -> FrameBoxes:
    """Return the boxes of one frame, given in any common form.

    Args:
        value: an array (people, 4) of x, y, w, h; (people, 5) of cx, cy, w, h, angle; (people, 6)
            with an additional score; an object like `supervision.Detections` or the boxes of
            Ultralytics' results; or `FrameBoxes`. Tensors of torch may be on any device.

    Raises:
        InputError: it is none of these, or holds numbers that are not finite.

    >>> frame_boxes([[50, 40, 10, 20, 90]]).boxes.round(6).tolist()
    [[40.0, 35.0, 20.0, 10.0]]
    """
    if isinstance(value, FrameBoxes):
        return value
    if hasattr(value, "xyxy"):
        return _of_supervision(value)
    try:
        given = np.asarray(plain(value))
        if given.dtype.kind == "c":
            raise TypeError
        numbers = given.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError("boxes must be an array of numbers, one row per person") from None
    if not numbers.size:
        numbers = np.zeros((0, 4))
    if numbers.ndim != 2 or numbers.shape[1] not in (4, 5, 6):
        raise InputError(
            f"boxes have shape {numbers.shape}: expected (people, 4) x, y, w, h, (people, 5) cx, "
            "cy, w, h, angle, or (people, 6) with a score at the end"
        )
    if not np.isfinite(numbers).all():
        raise InputError("boxes hold numbers that are not finite")
    scores = numbers[:, 5] if numbers.shape[1] == 6 else np.ones(len(numbers))
    if numbers.shape[1] == 4:
        return FrameBoxes(numbers, scores, np.full((len(numbers), 5), np.nan))
    return FrameBoxes(enclosing_boxes(numbers[:, :5]), scores, numbers[:, :5])


def plain(value: Any) -> Any:
    """Return a tensor of torch as an array, from whatever device; anything else as it is."""
    if not (hasattr(value, "detach") and hasattr(value, "cpu")):  # streams have the first, too
        return value
    value = value.detach().cpu()
    # NumPy has no bfloat16.
    return (value.float() if "bfloat16" in str(value.dtype) else value).numpy()


TWICE = "boxes given twice for their frame, of which one is used"
"""What `repeated` finds, as counts call it."""


def repeated(frames: np.ndarray, found: FrameBoxes) -> np.ndarray:
    """Return a mask (people,) of boxes that are on their frame already, with the same numbers.

    Of boxes that are the same, the first of those with the highest score is not repeated.

    Args:
        frames: (people,) number of the frame that each box lies on.
        found: the boxes.

    >>> same = frame_boxes([[9, 9, 4, 4, 0, 0.5], [9, 9, 4, 4, 0, 0.7], [9, 9, 4, 4, 90, 0.5]])
    >>> repeated(np.zeros(3), same).tolist()
    [True, False, False]
    """
    numbers = np.column_stack([frames, found.boxes, np.nan_to_num(found.rotated, nan=np.inf)])
    best_first = np.argsort(-found.scores, kind="stable")
    _, kept = np.unique(numbers[best_first], axis=0, return_index=True)
    mask = np.ones(len(found), dtype=bool)
    mask[best_first[kept]] = False
    return mask


@dataclass(frozen=True)
class Detections(PeopleBoxes):
    """Boxes of people, which are looked up by image; `source` names the file in errors."""

    source: str
    _rows: dict[str, list[int]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for row, (image_id, name) in enumerate(zip(self.image_ids, self.file_names, strict=True)):
            # A video's name does not identify a frame.
            by_id = name is None or Path(name).suffix.lower() in VIDEO_SUFFIXES
            self._rows.setdefault(str(image_id) if by_id else str(name), []).append(row)
        # A path on another machine stands for the ends of it that no other name has.
        far = [name for name in self._rows if "\\" in name or "://" in name or leads_out(name)]
        ends = {name: set(longest_ends(name)) for name in (self._rows if far else ())}
        names = Counter(end for own in ends.values() for end in own)
        for name in far:
            own = dict.fromkeys((end for end in ends[name] if names[end] == 1), self._rows[name])
            self._rows.update(own)

    def __len__(self) -> int:
        return len(self.boxes)

    def rows_of(self, keys: Iterable[str]) -> np.ndarray:
        """Return the rows, in file order, of the boxes whose file name is among `keys`.

        Boxes without the file name of an image are matched by their image id.
        """
        found = {row for key in keys for row in self._rows.get(key, ())}
        return np.array(sorted(found), dtype=np.int64)

    def of_rows(self, rows: np.ndarray, sizes: np.ndarray) -> FrameBoxes:
        """Return the boxes of these rows in pixels.

        Args:
            rows: (m,) rows.
            sizes: (m, 2) or (2,) width and height of the image that each lies on.

        Raises:
            InputError: according to the file an image has another size, so its boxes do not fit: it
                was resized, or turned by its EXIF orientation.
        """
        sizes = np.broadcast_to(sizes, (len(rows), 2))
        self._require_stated(rows, sizes)
        boxes, rotated = self.boxes[rows], self.rotated[rows]
        corners = self.corners[rows] * sizes[:, None]
        relative = ~np.isnan(corners).any(axis=(1, 2))
        turned = self.oriented[rows]
        near = corners.min(axis=1)
        enclosing = np.concatenate([near, corners.max(axis=1) - near], axis=1)
        return FrameBoxes(
            np.where(relative[:, None], enclosing, boxes),
            self.scores[rows],
            np.where(turned[:, None], rotated_boxes_of_corners(corners), rotated),
        )

    def _require_stated(self, rows: np.ndarray, sizes: np.ndarray) -> None:
        stated = self.stated[rows]
        other = np.flatnonzero((~np.isnan(stated) & (stated != sizes)).any(axis=1))
        if not len(other):
            return
        row, first = int(rows[other[0]]), other[0]
        name = self.file_names[row] or self.image_ids[row]
        (width, height), (real_width, real_height) = stated[first], sizes[first]
        turned = (width, height) == (real_height, real_width)
        why = "it is turned (by EXIF?)" if turned else "it was resized"
        raise InputError(
            f"boxes of {shown(name)}: their file says that the image is {width:g} x {height:g}, "
            f"but as it is shown it is {real_width:g} x {real_height:g}: {why}, and the boxes lie "
            "elsewhere on it; detect them again, or give the images they were made on"
        )


def read_detections(
    path: Path, *, category: Any = None, person_id: Any = PERSON, angles: str | None = None
) -> Detections:
    """Return the people in a file, or in a folder of YOLO's text files.

    A COCO results file is a list of `{image_id, category_id, bbox, score}`; `file_name` may replace
    the image id, and a missing category counts as a person. `bbox` is x, y, w, h, or cx, cy, w, h,
    angle; `rotated_box` (or `rbox`, and the corners `poly`, as Ultralytics writes them) may be
    given in addition or instead. Boxes of annotations have score 1. A YOLO text file has the name
    of its image (see `sspcm.data.yolo_boxes`).

    Args:
        path: a JSON file, a text file, or a folder of text files.
        category: id or name of the category of people. If None and the file has `categories`, the
            one called `person`, or else the only one with keypoints, or else the only one; without
            `categories`, `person_id` in COCO files and class 0 in YOLO files.
        person_id: id of people in a results file, which does not name its categories.
        angles: what the angles in a JSON file are: `degrees` or `radians`, clockwise from up, or
            degrees `counter-clockwise`. If None they are degrees, clockwise, and those that look
            otherwise are refused.

    Raises:
        InputError: it is no such file, holds no people, does not tell which category is that of
            people, or a field is missing or not a number; or `angles` is another word.
    """
    if angles is not None and angles not in get_args(Angles):
        raise InputError(f"angles is {angles!r}: choose one of {', '.join(get_args(Angles))}")
    if path.is_dir() or path.suffix.lower() == ".txt":
        if angles is not None:
            raise InputError(f"{path}: its boxes have no angles: leave out their unit ({angles})")
        return _read_yolo(path, category)
    found = read_coco_boxes(path, category=category, person_id=person_id, angles=angles)
    return Detections(**vars(found), source=str(path))


def coverage_line(counts: dict[str, int]) -> str:
    """Return a text that says how many detections were used, and why others were not."""
    text = (
        f"boxes on {counts['images_with_boxes']} of {counts['images']} images; "
        f"{counted(counts['on_no_image'], 'box', 'boxes')} on no image, "
        f"{counts['outside_their_frame']} outside their frame or without sides"
    )
    said = {"images", "images_with_boxes", "boxes", "on_no_image", "outside_their_frame", "rotated"}
    others = [count_in_words(n, what) for what, n in counts.items() if what not in said and n]
    return text + (f"; left out: {', '.join(others)}" if others else "")


def _read_yolo(path: Path, category: Any) -> Detections:
    wanted = as_id(category, YOLO_PERSON)
    if not isinstance(wanted, int):
        raise InputError(f"{path}: its classes are numbers, not {category!r}: name people's number")
    found = read_yolo_boxes(path, wanted)
    if not found.image_ids:
        raise InputError(
            f"{path}: holds no box of class {wanted}: name the class of people with --category"
        )
    return Detections(**vars(found), source=str(path))


def _of_supervision(value: Any) -> FrameBoxes:
    try:
        corners, scores, rotated = _people_of_supervision(value)
    except (TypeError, ValueError):
        raise InputError(
            f"{type(value).__name__}: its xyxy, scores and corners are not of the same people"
        ) from None
    if not np.isfinite(corners).all() or not np.isfinite(scores).all():
        raise InputError("boxes hold numbers that are not finite")
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    return FrameBoxes(boxes, scores, rotated)


def _people_of_supervision(value: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return corners (people, 4), scores and rotated boxes (people, 5)."""
    corners = np.asarray(plain(value.xyxy), dtype=np.float64).reshape(-1, 4)
    count = len(corners)
    # Boxes of Ultralytics call it conf, and have their numbers alone as `data`.
    confidence = getattr(value, "confidence", getattr(value, "conf", None))
    scores = np.ones(count)
    if confidence is not None:
        scores = np.asarray(plain(confidence), dtype=np.float64).reshape(count)
    data = getattr(value, "data", None)
    oriented = getattr(value, "xyxyxyxy", None)
    if isinstance(data, Mapping):
        oriented = data.get("xyxyxyxy", oriented)
    rotated = np.full((count, 5), np.nan)
    if oriented is not None:
        rotated = rotated_boxes_of_corners(
            np.asarray(plain(oriented), dtype=np.float64).reshape(count, 4, 2)
        )
    return corners, scores, rotated
