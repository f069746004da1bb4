"""Detected boxes from a COCO results file, found by image id or by file name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.formats.fields import require_id, rows, shown
from wepdtof_pose.scores.frame_lookup import VIDEO_SUFFIXES

PERSON = 1
"""Category of people in COCO."""


@dataclass(frozen=True)
class Detections:
    """Boxes of people on images.

    Attributes:
        image_ids: (n,) image ids, whole numbers or texts; None where only a file name is known.
        file_names: (n,) file names; None where only an id is known.
        boxes: (n, 4) float64 x, y, w, h in pixels.
        scores: (n,) float64.
    """

    image_ids: list[Any]
    file_names: list[str | None]
    boxes: np.ndarray
    scores: np.ndarray
    _rows: dict[str, list[int]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for row, (image_id, name) in enumerate(zip(self.image_ids, self.file_names, strict=True)):
            # A video's name says nothing about the frame.
            by_id = name is None or Path(name).suffix.lower() in VIDEO_SUFFIXES
            self._rows.setdefault(str(image_id) if by_id else str(name), []).append(row)

    def __len__(self) -> int:
        return len(self.boxes)

    def rows_of(self, keys: Iterable[str]) -> np.ndarray:
        """Rows, in file order, of the boxes whose file name is one of the texts.

        Boxes without an image's file name are found by their image id.
        """
        found = {row for key in keys for row in self._rows.get(key, ())}
        return np.array(sorted(found), dtype=np.int64)


def read_detections(path: Path, *, category_id: Any = PERSON) -> Detections:
    """The people of a COCO results file, or the boxes of a COCO data set's annotations.

    A results file is a list of `{image_id, category_id, bbox, score}`; `file_name` may stand in for
    the image id, and a missing category counts as a person. Boxes of annotations score 1.

    Args:
        path: the JSON file.
        category_id: category of people, where the file has no `categories`; where it has, it is the
            one called `person`, or else the only one with keypoints, or else the only one.

    Raises:
        InputError: it is no such file, holds nobody, does not say which category is a person's, or
            a field is missing or no number.
    """
    content = read_json(path)
    names: dict[Any, str] = {}
    if isinstance(content, dict):
        entries, images = content.get("annotations"), content.get("images", [])
        if content.get("categories"):
            category_id = _person_category(content["categories"], str(path))
        names = {
            image["id"]: image["file_name"]
            for image in images
            if isinstance(image, dict)
            and isinstance(image.get("id"), (int, str))
            and isinstance(image.get("file_name"), str)
        }
    else:
        entries = content
    if not isinstance(entries, list) or not all(isinstance(row, dict) for row in entries):
        raise InputError(
            f"{path}: neither a COCO results file (a list of objects with image_id, bbox and "
            "score) nor a COCO data set"
        )
    people = [
        (number, row)
        for number, row in enumerate(entries)
        if row.get("category_id", category_id) == category_id and not row.get("iscrowd")
    ]
    if not people:
        raise InputError(f"{path}: holds no box of a person (category {category_id})")
    for number, row in people:
        where = f"{path}: entry {number}"
        if not isinstance(row.get("image_id", row.get("file_name")), (int, str)):
            raise InputError(f"{where}: has neither an image_id nor a file_name")
        if not isinstance(row.get("file_name", ""), str):
            raise InputError(f"{where}: 'file_name' is no text")
        box = row.get("bbox")
        if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
            raise InputError(f"{where}: 'bbox' is not a list of 4 numbers")
        if not _is_number(row.get("score", 1.0)):
            raise InputError(f"{where}: 'score' is not a number")
    chosen = [row for _, row in people]
    return Detections(
        image_ids=[row.get("image_id") for row in chosen],
        file_names=[row.get("file_name", names.get(row.get("image_id"))) for row in chosen],
        boxes=np.array([row["bbox"] for row in chosen], dtype=np.float64),
        scores=np.array([row.get("score", 1.0) for row in chosen], dtype=np.float64),
    )


def _person_category(categories: Any, source: str) -> Any:
    """The id of the category of people."""
    described = rows(categories, f"{source}: 'categories'", "categories")
    named = [row for row in described if str(row.get("name")).lower() == "person"]
    jointed = [row for row in described if row.get("keypoints")]
    for found in (named, jointed, described):
        if len(found) == 1:
            require_id(found[0].get("id"), f"{source}: the 'id' of a category")
            return found[0]["id"]
    listed = ", ".join(shown(row.get("name")) for row in described)
    raise InputError(f"{source}: which of its categories are people? ({listed}): call one 'person'")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < float("inf")
