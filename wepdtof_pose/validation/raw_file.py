"""An annotation file as arrays, however broken it is: what the checks of `validate` look at.

Three forms are understood: COCO keypoint files; COCO-like files whose boxes have 5 numbers (WEPDTOF
and CEPDOF); and lists of frames with `img_name`, `bboxes` and `id` (boxes of WEPDTOF as others pass
them on). The last two have no keypoints, and of the structure only what they have is asked for.
Entries that do not have the form of the schema are counted as such and are in no array; nor are
annotations of listed categories other than the one that names the joints, which no reader takes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from wepdtof_pose.dataset import row_blocks
from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.coco_category import (
    ids_of_people,
    key_of,
    keypoint_category,
    keypoint_set_of,
)
from wepdtof_pose.formats.fields import LARGEST
from wepdtof_pose.formats.foreign import form_of, instead_of
from wepdtof_pose.keypoints import KeypointSet
from wepdtof_pose.validation.findings import Problem
from wepdtof_pose.validation.schema import Check, entry_check, wrong_categories

_PERSON_FIELDS = ("id", "category_id", "area", "iscrowd", "num_keypoints", "track_id")


@dataclass(frozen=True)
class RawFile:
    """The well-formed entries of an annotation file as arrays, one row an entry.

    Attributes:
        source: name of the file, for messages.
        images, annotations: the lists of the file.
        image_rows, rows: position of each well-formed entry in these lists, int64.
        other_rows: positions of the annotations of other categories, int64.
        sizes: (images, 2) width and height in pixels; NaN where a box file gives none.
        image_of: (people,) index into `image_rows`, -1 for images that are not listed.
        boxes: (people, 4) x, y, w, h in pixels, NaN where there is none.
        rotated: (people, 5) cx, cy, w, h, degrees, NaN where not known.
        keypoints: (people, joints, 3); zero for people with a wrong number of numbers.
        keypoint_numbers: (people,) how many numbers the file has, 0 where none.
        fields: (people) other fields as they are in the file, None where missing.
        keypoint_set: the joints, or None where the file does not say or has none.
        categories: the list of the file.
        members: what the file has beside its images and annotations.
        boxes_only: the file is of a form without keypoints.
        problems: what was wrong with the form.
    """

    source: str
    images: list[Any]
    annotations: list[Any]
    image_rows: np.ndarray
    rows: np.ndarray
    other_rows: np.ndarray
    sizes: np.ndarray
    image_of: np.ndarray
    boxes: np.ndarray
    rotated: np.ndarray
    keypoints: np.ndarray
    keypoint_numbers: np.ndarray
    fields: dict[str, np.ndarray]
    keypoint_set: KeypointSet | None
    categories: list[Any]
    members: dict[str, Any]
    boxes_only: bool
    problems: list[Problem] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def crowds(self) -> np.ndarray:
        """Mask (people,) of crowd regions, which are exempt from most checks."""
        return np.array([bool(value) for value in self.fields["iscrowd"]], dtype=bool)

    @cached_property
    def labelled(self) -> np.ndarray:
        """Mask (people, joints) of the joints that are labelled and have finite coordinates."""
        return np.isfinite(self.keypoints).all(axis=2) & (self.keypoints[..., 2] > 0)

    @cached_property
    def without_box(self) -> np.ndarray:
        """Mask (people,) of those without a box: it is missing, null or empty."""
        return np.array([not self.annotations[row].get("bbox") for row in self.rows], dtype=bool)

    @cached_property
    def sizes_of_people(self) -> np.ndarray:
        """Width and height (people, 2) of each person's image, NaN where not known."""
        return np.concatenate([self.sizes, [[np.nan, np.nan]]])[self.image_of]

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names of the joints, or numbers where the file does not name them."""
        if self.keypoint_set is not None:
            return self.keypoint_set.joints
        return tuple(f"joint {number}" for number in range(self.keypoints.shape[1]))

    def image_column(self, name: str) -> np.ndarray:
        """Return a field (images,) of the well-formed images."""
        return _column([self.images[row][name] for row in self.image_rows])

    def where(self, table: str, row: int) -> str:
        """Return a place in the file, for a finding."""
        entries = getattr(self, table) if table in ("images", "annotations") else None
        return place(self.source, table, row, entries[row] if entries else None)


def place(source: str, table: str, row: int, entry: Any) -> str:
    """Return the words for an entry of a list of a file, or for the file where `table` is empty."""
    if not table:
        return source
    named = isinstance(entry, dict) and isinstance(entry.get("id"), (int, str))
    text = str(entry["id"])[:60] if named else ""
    name = f" (id {text if text.isprintable() else repr(text)})" if text else ""
    return f"{source}: {table}[{row}]{name}"


def read_raw(content: Any, *, source: str, category: str | None = None) -> RawFile:
    """Return the arrays of a parsed annotation file.

    Raises:
        InputError: it is nothing like an annotation file: there is no list of annotations.
    """
    if isinstance(content, list):
        content = from_list_of_frames(content, source)
    if not isinstance(content, dict):
        raise InputError(f"{source}: expected a JSON object with 'images' and 'annotations'")
    for name in ("images", "annotations"):
        if not isinstance(content.get(name), list):
            otherwise = f"{name!r} is missing or is not a list"
            form = otherwise if name in content else instead_of(content, otherwise)
            raise InputError(f"{source}: {form}")
    problems: list[Problem] = []
    boxes_only = has_rotated_bboxes(content)
    image_rows, wrong = _well_formed(
        enumerate(content["images"]), entry_check("image", boxes_only=boxes_only)
    )
    problems += wrong.as_problems("images")
    of_people, keypoint_set = None, None
    if not boxes_only:
        of_people, keypoint_set, category_problems = _keypoint_set(content, category)
        problems += category_problems
    own, others = split_by_category(content, of_people, category)
    rows, wrong = _well_formed(own, entry_check("annotation", boxes_only=boxes_only))
    problems += wrong.as_problems("annotations")
    lists = (image_rows, rows, np.array(others, dtype=np.int64))
    return _as_arrays(content, source, lists, keypoint_set, boxes_only, problems)


def has_rotated_bboxes(content: dict[str, Any]) -> bool:
    """Tell a file of rotated boxes: most boxes have 5 numbers and nobody has joints."""
    sample = [a for a in content["annotations"][:1000] if isinstance(a, dict)]
    lengths = Counter(len(a["bbox"]) for a in sample if isinstance(a.get("bbox"), list))
    return lengths[5] > len(sample) / 2 and not any("keypoints" in a for a in sample)


def category_of_people(content: dict[str, Any], name: str | None = None) -> dict[str, Any] | None:
    """Return the category that readers take people from: of several with joints the one in use.

    `name` is what the user says is people.

    Raises:
        InputError: there is none, or nothing says which it is.
    """

    def used() -> Counter[Any]:
        rows = (row for row in content["annotations"] if isinstance(row, dict))
        return Counter(key_of(row["category_id"]) for row in rows if "category_id" in row)

    return keypoint_category(content, "the file", required=True, name=name, used=used)


def joints_of_file(
    content: dict[str, Any], name: str | None = None
) -> tuple[dict[str, Any] | None, int | None]:
    """Return the category that names the joints and their number, or None where none is clear.

    `name` is the category that the user says is people.
    """
    if wrong_categories(content.get("categories")):
        return None, None
    try:
        category = category_of_people(content, name)
    except InputError:
        return None, None
    return category, len(category["keypoints"]) if category else None


def split_by_category(
    content: dict[str, Any], category: dict[str, Any] | None, name: str | None = None
) -> tuple[list[tuple[int, Any]], list[int]]:
    """Return the annotations to read with their positions, and the positions of the others.

    The others are of a category that the file lists and that is not `category`, nor alike, nor
    among those that `name` names.
    """
    annotations = list(enumerate(content["annotations"]))
    if category is None:
        return annotations, []
    own = ids_of_people(content, category, name)
    listed = {c["id"] for c in content["categories"] if isinstance(c.get("id"), (int, str))}
    listed -= set(own)
    if not listed:
        return annotations, []

    def is_other(annotation: Any) -> bool:
        number = annotation.get("category_id") if isinstance(annotation, dict) else None
        return isinstance(number, (int, str)) and number in listed

    others = [row for row, annotation in annotations if is_other(annotation)]
    left = set(others)
    return [(row, one) for row, one in annotations if row not in left], others


def from_list_of_frames(frames: list[Any], source: str) -> dict[str, Any]:
    """Return the COCO-like content of a list of frames with `img_name`, `bboxes` and `id`.

    Raises:
        InputError: an entry is no such frame.
    """
    images, annotations = [], []
    for position, frame in enumerate(frames):
        if not isinstance(frame, dict) or not {"img_name", "bboxes", "id"} <= set(frame):
            otherwise = (
                f"is a list, and entry {position} is no frame with 'img_name', 'bboxes' and 'id': "
                "expected an object with 'images' and 'annotations'"
            )
            raise InputError(f"{source}: {(not position and form_of(frames)) or otherwise}")
        name, boxes, tracks = frame["img_name"], frame["bboxes"], frame["id"]
        images.append({"id": name, "file_name": name})
        if not (isinstance(boxes, list) and isinstance(tracks, list) and len(boxes) == len(tracks)):
            raise InputError(f"{source}: entry {position} has not one id for each of its boxes")
        annotations += [
            {"image_id": name, "bbox": box, "person_id": track}
            for box, track in zip(boxes, tracks, strict=True)
        ]
    return {"images": images, "annotations": annotations}


def _as_arrays(
    content: dict[str, Any],
    source: str,
    lists: tuple[np.ndarray, np.ndarray, np.ndarray],
    keypoint_set: KeypointSet | None,
    boxes_only: bool,
    problems: list[Problem],
) -> RawFile:
    image_rows, rows, other_rows = lists
    images = [content["images"][row] for row in image_rows]
    people = [content["annotations"][row] for row in rows]
    first = {image["id"]: i for i, image in reversed(list(enumerate(images)))}
    rotated_name = "bbox" if boxes_only else "rotated_box"
    rotated = [a.get(rotated_name) or [np.nan] * 5 for a in people]
    nothing = [np.nan] * 4
    boxes = [nothing if boxes_only else a.get("bbox") or nothing for a in people]
    fields = {name: _column([a.get(name) for a in people]) for name in _PERSON_FIELDS}
    if boxes_only:
        tracks = [a.get("person_id", a.get("track_id")) for a in people]
        fields["track_id"] = _column([t if isinstance(t, int) else None for t in tracks])
    keypoints, numbers = _keypoints(people, len(keypoint_set) if keypoint_set else None)
    return RawFile(
        source=source,
        images=content["images"],
        annotations=content["annotations"],
        image_rows=image_rows,
        rows=rows,
        other_rows=other_rows,
        sizes=_floats([[i.get("width", np.nan), i.get("height", np.nan)] for i in images], 2),
        image_of=np.array([first.get(a["image_id"], -1) for a in people], dtype=np.int64),
        boxes=_floats(boxes, 4),
        rotated=_floats(rotated, 5),
        keypoints=keypoints,
        keypoint_numbers=numbers,
        fields=fields,
        keypoint_set=keypoint_set,
        categories=content.get("categories") or [],
        members={k: v for k, v in content.items() if k not in ("images", "annotations")},
        boxes_only=boxes_only,
        problems=problems,
    )


@dataclass
class _Wrong:
    rows: list[int]
    messages: list[str]

    def as_problems(self, table: str) -> list[Problem]:
        messages = self.messages
        return [Problem("structure", table, self.rows, lambda i: messages[i])] if messages else []


def _well_formed(entries: Iterable[tuple[int, Any]], check: Check) -> tuple[np.ndarray, _Wrong]:
    """Return the positions (n,) int64 of the entries that pass, and the others."""
    good, wrong = [], _Wrong([], [])
    for position, entry in entries:
        error = check(entry)
        if error is None:
            good.append(position)
        else:
            wrong.rows.append(position)
            wrong.messages.append(error.message)
    return np.array(good, dtype=np.int64), wrong


def _keypoint_set(
    content: dict[str, Any], name: str | None
) -> tuple[dict[str, Any] | None, KeypointSet | None, list[Problem]]:
    """Return the category that names the joints and these, or what is wrong."""

    def refuse(message: str) -> tuple[None, None, list[Problem]]:
        return None, None, [Problem("category", "", [0], lambda _: message)]

    message = wrong_categories(content["categories"]) if "categories" in content else "are missing"
    if message:
        return refuse(f"'categories' {message}")
    try:
        category = category_of_people(content, name)
        return category, (keypoint_set_of(category, "the file") if category else None), []
    except InputError as error:
        return refuse(str(error))


def _keypoints(people: list[dict[str, Any]], joints: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return keypoints (people, joints, 3), and how many numbers each has, (people,) int64."""
    nothing: list[float] = []
    values = [a.get("keypoints") or nothing for a in people]
    numbers = np.fromiter(map(len, values), dtype=np.int64, count=len(values))
    if joints is None:
        usual = Counter(numbers[numbers > 0].tolist()).most_common(1)
        joints = usual[0][0] // 3 if usual else 0
    width = 3 * joints
    keypoints = np.zeros((len(people), width))
    right = np.flatnonzero(numbers == width) if width else np.zeros(0, dtype=np.int64)
    # In blocks, so that no second copy of all numbers is made.
    for block in row_blocks(len(right)):
        keypoints[right[block]] = _floats([values[row] for row in right[block]], width)
    return keypoints.reshape(len(people), joints, 3), numbers


def _floats(rows: list[Any], width: int) -> np.ndarray:
    """Return rows of numbers as (n, width) float64; what does not fit becomes infinite."""
    try:
        flat = np.fromiter(
            chain.from_iterable(rows), dtype=np.float64, count=len(rows) * width
        ).reshape(-1, width)
    except OverflowError:
        flat = np.array([[_float(v) for v in row] for row in rows], dtype=np.float64)
    return np.where(np.abs(flat) < LARGEST, flat, np.where(np.isnan(flat), np.nan, np.inf))


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _column(values: list[Any]) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def numbers_of(column: np.ndarray) -> np.ndarray:
    """Return a column of numbers and None as float64, NaN for None, infinite for what fits not."""
    return _floats([[np.nan if value is None else value] for value in column], 1)[:, 0]


def codes_of(column: np.ndarray) -> np.ndarray:
    """Return whole numbers for the ids of a column, -1 for None; 1 and "1" are different ids."""
    return pd.factorize(column)[0].astype(np.int64)
