"""Sizes that the picture gives, and labels that move along with a picture that was changed.

Where width and height of the file are those of the picture before it was resized, or before its
EXIF orientation was applied, the labels are of that picture, too: they are moved along, or, where
it is not clear of which picture they are, nothing is touched. The size alone is never exchanged
under labels.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wepdtof_pose.formats.layout import decimal
from wepdtof_pose.images import ImageHeader
from wepdtof_pose.validation.edits import Edits
from wepdtof_pose.validation.images import image_root, look_at_header
from wepdtof_pose.validation.label_counts import is_box, is_labelled, joints_in
from wepdtof_pose.validation.schema import entry_check

_SLACK = 1.02
"""How far over the edge of its picture a label may reach, as a factor."""

_PLACES = frozenset({"bbox", "keypoints", "rotated_box", "segmentation"})
"""Fields of people whose places are known to us."""


@dataclass(frozen=True)
class Move:
    """How the points of a picture move: p -> linear p + offset, with offset = away * size.

    Attributes:
        linear: (2, 2).
        away: (2,) 1 where an axis is turned over: its points count from the other edge.
        size: (2,) width and height of the picture afterwards.
        words: what happened to it.
    """

    linear: np.ndarray
    away: np.ndarray
    size: tuple[int, int]
    words: str

    def points(self, points: Any, *, centres: bool) -> np.ndarray:
        """Move points (n, 2): pixel centres (0..W-1), or places counted from the corner (0..W)."""
        extent = np.array(self.size) - (1 if centres else 0)
        return np.asarray(points, dtype=np.float64) @ self.linear.T + self.away * extent


def resized(before: tuple[int, int], size: tuple[int, int]) -> Move:
    """Return the move of a picture that was resized to `size`."""
    scale = np.array(size) / np.array(before)
    words = f"resized from {before[0]} x {before[1]} to {size[0]} x {size[1]}"
    return Move(np.diag(scale), np.zeros(2), size, words)


def turned(orientation: int, size: tuple[int, int]) -> Move:
    """Return the move from a picture as stored to the same as shown, of `size`.

    >>> turned(6, (120, 160)).points([[62, 67]], centres=True).tolist()
    [[52.0, 62.0]]
    """
    linear = np.eye(2)[::-1] if orientation >= 5 else np.eye(2)
    away = np.array([orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8)], dtype=float)
    linear = (1 - 2 * away)[:, None] * linear
    return Move(linear, away, size, f"turned by its EXIF orientation {orientation}")


def fill_sizes(edits: Edits, file: Path) -> None:
    """Take the sizes that the file does not say from the pictures."""
    check = entry_check("image")
    rows = [
        row
        for row, image in edits.entries("images")
        if (error := check(image)) is not None
        and (error.field in ("width", "height") or _lacks_size(image))
    ]
    if not rows:
        return
    root = _root(edits, file)
    for row in rows:
        image = edits.entry("images", row)
        header = look_at_header(root, image.get("file_name"))
        if header is None:
            continue
        sizes = dict(zip(("width", "height"), header.size, strict=True))
        wrong = [name for name in sizes if not _is_size(image.get(name))]
        # A side that is there and is not the picture's says that the picture was changed.
        if any(image[name] != sizes[name] for name in sizes if name not in wrong):
            continue
        for name in wrong:
            edits.set("structure", "images", row, name, sizes[name], ", of the picture")


def move_along(edits: Edits, file: Path) -> frozenset[str]:
    """Move the labels of pictures that were resized or turned after they were annotated.

    Returns:
        The ids, as `repr` writes them, of the images whose size stays another than the picture's.
    """
    root, people = _root(edits, file), _people_of_images(edits)
    changed: dict[Any, list[tuple[int, Move]]] = defaultdict(list)
    unsettled: set[str] = set()
    for row, image in edits.entries("images"):
        if entry_check("image")(image) is not None:
            continue
        header, stated = look_at_header(root, image["file_name"]), (image["width"], image["height"])
        if header is None or header.size == stated:
            continue
        move = _move(header, stated)
        if not people.get(repr(image["id"])) and "fisheye" not in image:
            _resize(edits, row, header.size, "nobody is on it")
            continue
        unsettled.add(repr(image["id"]))
        if move is not None:
            scale = round(header.size[0] / stated[0], 2)
            changed[(move.words[:6], scale)].append((row, move))
    for (kind, scale), moves in changed.items():
        reach = max(_reach(edits, row, people) for row, _ in moves)
        shown = max(_reach(edits, row, people, move.size) for row, move in moves)
        # Labels that fit the picture as it is are not known to be of the one before: some exports
        # state the size as stored under labels of the picture as shown.
        clear = shown > _SLACK if kind == "turned" or scale < 1 else reach > 0.5
        if reach > _SLACK or not clear:
            continue
        for row, move in moves:
            rows = people.get(repr(edits.entry("images", row)["id"]), [])
            if all(_is_movable(edits.entry("annotations", r)) for r in rows):
                _apply(edits, row, rows, move)
                unsettled.discard(repr(edits.entry("images", row)["id"]))
    return frozenset(unsettled)


def _move(header: ImageHeader, stated: tuple[int, int]) -> Move | None:
    stored = header.size[::-1] if header.orientation >= 5 else header.size
    if header.orientation >= 5 and stated == stored and header.format != "TIFF":
        return turned(header.orientation, header.size)
    (width, height), (before, high) = header.size, stated
    # Sides are rounded to whole pixels.
    same_shape = abs(width * high - height * before) <= max(before, high)
    return resized(stated, header.size) if same_shape else None


def _reach(
    edits: Edits, row: int, people: dict[str, list[int]], size: tuple[int, int] | None = None
) -> float:
    """Return how far the labels of an image reach, 1 at the edge of a size, or the stated one."""
    image = edits.entry("images", row)
    sides = np.array(size or (image["width"], image["height"]))
    far = [np.zeros(2)]
    for person in people.get(repr(image["id"]), []):
        entry = edits.entry("annotations", person)
        if isinstance(entry.get("keypoints"), list):
            joints = joints_in(entry["keypoints"], pairs=False)
            far += [np.array(joint[:2]) / sides for joint in joints if is_labelled(joint)]
        if is_box(entry.get("bbox")):
            x, y, w, h = entry["bbox"]
            far.append(np.array([x + w, y + h]) / sides)
    return float(np.max(far))


def _is_movable(person: dict[str, Any]) -> bool:
    """Return whether all places of a person are in fields that are known, and of a known form."""
    if entry_check("annotation")(person) is not None:
        return False
    outline = person.get("segmentation")
    polygons = outline is None or (
        isinstance(outline, list)
        and all(
            isinstance(part, list)
            and len(part) % 2 == 0
            and all(isinstance(number, (int, float)) for number in part)
            for part in outline
        )
    )
    others = [value for name, value in person.items() if name not in _PLACES]
    numbers = any(
        isinstance(value, list) and len(value) > 1 and isinstance(value[0], (int, float, list))
        for value in others
    )
    return polygons and not numbers and len(person.get("keypoints") or []) % 3 == 0


def _apply(edits: Edits, row: int, people: list[int], move: Move) -> None:
    for number in people:
        person = edits.edit("annotations", number)
        if person.get("keypoints"):
            person["keypoints"] = _moved_joints(person["keypoints"], move)
        if person.get("bbox"):
            person["bbox"] = _moved_box(person["bbox"], move)
        if person.get("rotated_box"):
            person["rotated_box"] = _moved_rotated_box(person["rotated_box"], move)
        if person.get("segmentation"):
            person["segmentation"] = [
                _numbers(move.points(np.reshape(part, (-1, 2)), centres=False).ravel())
                for part in person["segmentation"]
            ]
        if isinstance(person.get("area"), (int, float)) and "resized" in move.words:
            person["area"] = _numbers([person["area"] * abs(np.linalg.det(move.linear))])[0]
        edits.note("image-size", "annotations", number, f"moved along: {move.words}")
    image = edits.edit("images", row)
    if isinstance(image.get("fisheye"), dict):
        image["fisheye"] = _moved_lens(image["fisheye"], move)
    _resize(edits, row, move.size, f"{len(people)} people moved along: {move.words}")


def _resize(edits: Edits, row: int, size: tuple[int, int], why: str) -> None:
    image = edits.edit("images", row)
    before = f"{image['width']} x {image['height']}"
    image["width"], image["height"] = size
    edits.note("image-size", "images", row, f"{before} -> {size[0]} x {size[1]}, {why}")


def _moved_joints(keypoints: list[Any], move: Move) -> list[Any]:
    """Move the joints that have a place; 0, 0 of joints that are not labelled is none."""
    moved = list(keypoints)
    for at in range(0, len(keypoints), 3):
        x, y, visibility = keypoints[at : at + 3]
        if visibility or x or y:
            moved[at : at + 2] = _numbers(move.points([[x, y]], centres=True)[0])
    return moved


def _moved_box(box: list[Any], move: Move) -> list[Any]:
    x, y, w, h = box
    corners = move.points([[x, y], [x + w, y + h]], centres=False)
    near = corners.min(axis=0)
    return _numbers([*near, *(corners.max(axis=0) - near)])


def _moved_rotated_box(box: list[Any], move: Move) -> list[Any]:
    cx, cy, w, h, angle = box
    ((x, y),) = move.points([[cx, cy]], centres=False)
    scale = np.sqrt(abs(np.linalg.det(move.linear)))
    up = np.deg2rad(angle)
    across, down = move.linear @ [np.sin(up), -np.cos(up)]
    turned_angle = np.rad2deg(np.arctan2(across, -down))
    if np.allclose(move.linear, np.diag(np.diag(move.linear))) and move.linear[0, 0] > 0:
        turned_angle = angle if move.linear[1, 1] > 0 else turned_angle
    # The axis is the same half a turn on.
    turned_angle = turned_angle if turned_angle == angle else (turned_angle + 90) % 180 - 90
    return _numbers([x, y, w * scale, h * scale, np.round(turned_angle, 9)])


def _moved_lens(lens: dict[str, Any], move: Move) -> dict[str, Any]:
    scale = np.sqrt(abs(np.linalg.det(move.linear)))
    ((x, y),) = move.points([[lens["cx"], lens["cy"]]], centres=True)
    moved = {"cx": x, "cy": y}
    moved |= {name: lens[name] * scale for name in ("focal", "radius") if name in lens}
    return {**lens, **{name: _numbers([value])[0] for name, value in moved.items()}}


def _numbers(values: Any) -> list[Any]:
    """Return numbers for JSON; what is not finite stays so."""
    return [decimal(v) if np.isfinite(v) else float(v) for v in map(float, values)]


def _people_of_images(edits: Edits) -> dict[str, list[int]]:
    people: dict[str, list[int]] = defaultdict(list)
    for row, person in edits.entries("annotations"):
        people[repr(person.get("image_id"))].append(row)
    return people


def _root(edits: Edits, file: Path) -> Path:
    names = [image.get("file_name") for _, image in edits.entries("images")]
    return image_root(file, [name for name in names if isinstance(name, str) and name])


def _lacks_size(image: dict[str, Any]) -> bool:
    return not (_is_size(image.get("width")) and _is_size(image.get("height")))


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 < value < 2**31
