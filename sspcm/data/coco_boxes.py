"""Boxes of people in COCO's JSON: results with upright or rotated boxes, and annotations.

Results of Ultralytics (`rbox`, `poly`) and of RAPiD (five numbers as `bbox`) are among them, and
the annotations of CEPDOF and WEPDTOF.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sspcm.data.crop_places import has_sides
from sspcm.data.detection_forms import (
    require_angles,
    require_angles_in_boxes,
    require_clockwise,
    require_degrees,
    require_pixels,
    require_radians,
    require_scores,
)
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.formats.fields import repeated, require_id, rows, shown
from wepdtof_pose.formats.layout import count_in_words
from wepdtof_pose.geometry import enclosing_boxes, rotated_boxes_of_corners
from wepdtof_pose.records import LARGEST

_OTHERS = "boxes of other categories"
_ROTATED = ("rotated_box", "rbox")
"""What results call a rotated box beside the plain one; Ultralytics has `rbox`, and its corners as
`poly`."""
_BOXES = ("bbox", *_ROTATED, "poly")


@dataclass(frozen=True)
class PeopleBoxes:
    """The boxes of people in a file, an entry each: in pixels as in COCO's files, or by `corners`.

    Attributes:
        image_ids: of the images, whole numbers or texts; None where only a file name is known.
        file_names: of the images; None where only an id is known.
        boxes: (n, 4) x, y, w, h in pixels, around the rotated box where there is no other.
        scores: (n,), 1 for annotations.
        rotated: (n, 5) cx, cy, w, h, and degrees clockwise from up; NaN where there is none.
        corners: (n, 4, 2) corners relative to the width and height of the image, as in YOLO's
            files, where boxes and rotated ones are NaN; NaN otherwise.
        oriented: (n,) bool, whether the corners are those of a rotated box.
        stated: (n, 2) width and height that the file gives for the image; NaN where it does not.
        left_out: how many entries are no boxes of people, by reason.
    """

    image_ids: list[Any]
    file_names: list[str | None]
    boxes: np.ndarray
    scores: np.ndarray
    rotated: np.ndarray
    corners: np.ndarray
    oriented: np.ndarray
    stated: np.ndarray
    left_out: dict[str, int]


def read_coco_boxes(
    path: Path, *, category: Any, person_id: Any, angles: str | None = None
) -> PeopleBoxes:
    """Return the boxes of people in a COCO results file or data set.

    Args:
        path: the file.
        category: id or name of the category of people; None finds it in the file's categories.
        person_id: id of people in a file that does not name its categories.
        angles: what its angles are; see `sspcm.data.detections.read_detections`.

    Raises:
        InputError: it is no such file, holds no people, does not tell which category is that of
            people, or a field is missing or not a number.
    """
    content = read_json(path)
    whole = isinstance(content, dict)
    entries = content.get("annotations") if whole else content
    names, sizes = _images_of(content, path) if whole else ({}, {})
    category_id = as_id(category, person_id)
    if whole and content.get("categories"):
        category_id = _person_category(content["categories"], category, str(path))
    listed = entries if isinstance(entries, list) else []
    others = [row for row in listed if not isinstance(row, dict)]
    if 0 < len(others) < len(listed):
        raise InputError(f"{path}: lists {shown(others[0])}, which is no JSON object: take it out")
    if not isinstance(entries, list) or others:
        raise InputError(
            f"{path}: neither a COCO results file (a list of objects with image_id, bbox and "
            "score) nor a COCO data set"
        )
    people, left_out = _people_of(entries, category_id, path, boxless=whole)
    given = [row.get("bbox") for _, row in people]
    for count, require in ((4, require_pixels), (5, require_angles)):
        numbers = [box for box in given if _numbers(box, count)]
        if count == 4 or angles is None:
            require(np.array(numbers, dtype=np.float64).reshape(-1, count), str(path))
    for number, row in people:
        _check_entry(row, f"{path}: entry {number}")
    _require_one_form(people, path)
    chosen = [row for _, row in people]
    require_scores(chosen, str(path), annotations=whole)
    require_angles_in_boxes(chosen, str(path))
    unknown = (np.nan, np.nan)
    stated = np.array([sizes.get(row.get("image_id"), unknown) for row in chosen], dtype=float)
    boxes = np.array([_plain(row) for row in chosen], dtype=np.float64)
    # Readers of annotations make upright boxes of rotated ones, whatever the angles are.
    around = np.full_like(boxes, np.nan) if whole else boxes
    turned = _turned_clockwise(chosen, around, stated, angles, path)
    five = np.isnan(boxes).any(axis=1)
    boxes[five] = enclosing_boxes(turned[five])
    empty = ~five & ~np.isnan(turned).any(axis=1) & ~has_sides(turned)
    turned[empty] = np.nan
    if empty.any():
        left_out["rotated boxes without sides, for which the plain box is used"] = int(empty.sum())
    return PeopleBoxes(
        image_ids=[row.get("image_id") for row in chosen],
        file_names=[row.get("file_name") or names.get(row.get("image_id")) for row in chosen],
        boxes=boxes,
        scores=np.array([row.get("score", 1.0) for row in chosen], dtype=np.float64),
        rotated=turned,
        corners=np.full((len(chosen), 4, 2), np.nan),
        oriented=np.zeros(len(chosen), dtype=bool),
        stated=stated,
        left_out=left_out,
    )


def as_id(category: Any, default: Any) -> Any:
    """Return a category as a number if it is one, else unchanged; the default if it is None."""
    if category is None:
        return default
    text = str(category)
    return int(text) if text.isascii() and text.isdigit() else category


def _images_of(
    content: dict[str, Any], path: Path
) -> tuple[dict[Any, str], dict[Any, tuple[float, float]]]:
    """Return the file names of the images of a COCO data set, and their sizes, by id."""
    images = [
        image
        for image in rows(content.get("images") or [], f"{path}: 'images'", "images")
        if type(image.get("id")) in (int, str)
    ]
    named = {
        (image["id"], image["file_name"])
        for image in images
        if isinstance(image.get("file_name"), str)
    }
    if twice := repeated(number for number, _ in named):
        raise InputError(f"{path}: 'images' has the id {shown(twice[0])} for several files")
    names = dict(named)
    sizes = {
        image["id"]: (image["width"], image["height"])
        for image in images
        if all(type(image.get(key)) is int and image[key] > 0 for key in ("width", "height"))
        and max(image["width"], image["height"]) < LARGEST
    }
    return names, sizes


def _people_of(
    entries: list[dict[str, Any]], category_id: Any, path: Path, *, boxless: bool
) -> tuple[list[tuple[int, dict[str, Any]]], dict[str, int]]:
    """Return the entries of people with their numbers, and how many others there are, by reason.

    Args:
        entries: of the file.
        category_id: of people.
        path: of the file.
        boxless: people may be without a box, and are left out then.

    Raises:
        InputError: there are no people.
    """
    left_out: Counter[str] = Counter()
    people = []
    others: Counter[str] = Counter()
    for number, row in enumerate(entries):
        own = row.get("category_id")
        if own is not None and str(own) != str(category_id):
            left_out[_OTHERS] += 1
            others[shown(own)] += 1
        elif _is_crowd(row, f"{path}: entry {number}"):
            left_out["crowds"] += 1
        elif boxless and not any(map(row.get, _BOXES)):
            left_out["people without a box"] += 1
        else:
            people.append((number, row))
    if not people:
        listed = ", ".join(f"{count} of category {one}" for one, count in others.most_common(10))
        hint = f", but {listed}: name that of people with --category" if listed else ""
        rest = ", ".join(count_in_words(n, what) for what, n in left_out.items() if what != _OTHERS)
        hint += f" (left out: {rest})" if rest else ""
        raise InputError(f"{path}: holds no box of a person (category {category_id}){hint}")
    return people, dict(left_out)


def _turned_clockwise(
    people: list[dict[str, Any]],
    around: np.ndarray,
    stated: np.ndarray,
    angles: str | None,
    path: Path,
) -> np.ndarray:
    """Return the rotated boxes (n, 5) of entries, degrees clockwise; NaN where there is none.

    Args:
        people: the entries.
        around: (n, 4) the detector's own upright boxes, NaN where there is none.
        stated: (n, 2) sizes of the images, NaN where unknown.
        angles: what the file's angles are; None checks that they are degrees clockwise.
        path: of the file.

    Raises:
        InputError: the angles look like others, are too large for what they are said to be, or
            there are none to be told the unit of.
    """
    turned = np.array([_turned(row) for row in people], dtype=np.float64)
    corners = np.array([_corners(row) for row in people], dtype=np.float64).reshape(-1, 4, 2)
    by_corners = ~np.isnan(corners).any(axis=(1, 2))
    turned[by_corners] = np.nan
    known = ~np.isnan(turned).any(axis=1)
    if angles is None:
        require_degrees(turned[known], around[known], str(path))
        require_clockwise(turned[known], stated[known], str(path))
    elif not known.any():
        raise InputError(f"{path}: its boxes have no angles: leave out their unit ({angles})")
    elif angles == "radians":
        require_radians(turned[known, 4], str(path))
        turned[:, 4] = np.rad2deg(turned[:, 4])
    elif angles == "counter-clockwise":
        turned[:, 4] *= -1
    turned[by_corners] = rotated_boxes_of_corners(corners[by_corners])
    return turned


def _check_entry(row: dict[str, Any], where: str) -> None:
    """Refuse an entry without an image or without a usable box."""
    image_id, name = row.get("image_id"), row.get("file_name")
    if image_id is None and name is None:
        raise InputError(f"{where}: has neither an image_id nor a file_name")
    if image_id is not None:
        require_id(image_id, f"{where}: 'image_id'")
    if name is not None and not isinstance(name, str):
        raise InputError(f"{where}: 'file_name' is not text")
    turned = [key for key in _ROTATED if row.get(key) is not None]
    for key in turned:
        if not _numbers(row[key], 5):
            raise InputError(f"{where}: {key!r} is not a list of 5 numbers (cx, cy, w, h, angle)")
    if row.get("poly") is not None and not _numbers(row["poly"], 8):
        raise InputError(f"{where}: 'poly' is not a list of 8 numbers (x, y of 4 corners)")
    box = row.get("bbox")
    other = turned or _numbers(row.get("poly"), 8)
    if not (_numbers(box, 4) or _numbers(box, 5) or (box is None and other)):
        raise InputError(
            f"{where}: 'bbox' is not a list of 4 numbers (x, y, w, h) or 5 (cx, cy, w, h, angle)"
        )
    if not _is_number(row.get("score", 1.0)):
        raise InputError(f"{where}: 'score' is not a number")


def _require_one_form(people: list[tuple[int, dict[str, Any]]], path: Path) -> None:
    """Refuse a file in which some boxes start at their corner and others at their centre."""
    first: dict[int, int] = {}
    for number, row in people:
        first.setdefault(len(row.get("bbox") or ()), number)
    if 4 in first and 5 in first:
        raise InputError(
            f"{path}: 'bbox' of entry {first[4]} has 4 numbers, as x, y, w, h are, and "
            f"that of entry {first[5]} has 5, as cx, cy, w, h, angle: give all of them in one way, "
            "or the rotated boxes as 'rotated_box'"
        )


def _is_crowd(row: dict[str, Any], where: str) -> bool:
    mark = row.get("iscrowd") or 0
    if mark not in (0, 1):  # the text "0" says no crowd, and counts as true
        raise InputError(f"{where}: 'iscrowd' is {shown(mark)}, not 0 or 1")
    return bool(mark)


def _plain(row: dict[str, Any]) -> list[float]:
    box: list[float] = row.get("bbox") or []
    return box if len(box) == 4 else [np.nan] * 4


def _turned(row: dict[str, Any]) -> list[float]:
    box: list[float] = next((row[key] for key in (*_ROTATED, "bbox") if row.get(key)), [])
    return box if len(box) == 5 else [np.nan] * 5


def _corners(row: dict[str, Any]) -> list[float]:
    """Return the corners of an oriented box in pixels: they leave no doubt about its angle."""
    own: Any = row.get("poly") if row.get("rotated_box") is None else None
    return list(own) if _numbers(own, 8) else [np.nan] * 8


def _person_category(categories: Any, wanted: Any, source: str) -> Any:
    """Return the id of the category of people."""
    described = rows(categories, f"{source}: 'categories'", "categories")
    named = [row for row in described if str(row.get("name")).lower() == "person"]
    jointed = [row for row in described if row.get("keypoints")]
    if wanted is not None:
        text = str(wanted)
        asked = [row for row in described if text in (str(row.get("id")), str(row.get("name")))]
        named, jointed, described = asked, asked, asked or described
    for found in (named, jointed, described if wanted is None else []):
        if len(found) == 1:
            require_id(found[0].get("id"), f"{source}: the 'id' of a category")
            return found[0]["id"]
    listed = ", ".join(shown(row.get("name")) for row in described)
    raise InputError(
        f"{source}: which of its categories are people? ({listed}): name one with --category"
    )


def _numbers(value: Any, count: int) -> bool:
    return isinstance(value, list) and len(value) == count and all(map(_is_number, value))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < LARGEST
