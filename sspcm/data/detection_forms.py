"""Boxes in another form than ours, which only the whole file shows: each is refused by its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wepdtof_pose.errors import InputError
from wepdtof_pose.fisheye.angles import are_radians, other_angles
from wepdtof_pose.formats.coco import angle_beside
from wepdtof_pose.formats.fields import are_shares
from wepdtof_pose.geometry import enclosing_boxes
from wepdtof_pose.validation.units import are_corners

_SCORES = ("confidence", "conf", "scores", "prob", "probability")
"""What results call a score that is no COCO result's."""

_SAY_SO = (
    "--angles radians, or --angles degrees, says what they are (in a configuration, "
    "data.unlabelled_angles)"
)


def require_pixels(boxes: np.ndarray, source: str) -> None:
    """Refuse boxes (n, 4) all of which are shares of the image; `source` names them in errors."""
    if are_shares(boxes):
        raise InputError(
            f"{source}: all boxes lie between 0 and 1: they are shares of the image, not pixels; "
            "multiply x and width by the width of the image, y and height by its height"
        )


def require_angles(boxes: np.ndarray, source: str) -> None:
    """Refuse boxes (n, 5) all of which are two corners and a score."""
    corners = (boxes[:, 2:4] > boxes[:, :2]).all()
    if len(boxes) and corners and ((boxes[:, 4] > 0) & (boxes[:, 4] <= 1)).all():
        raise InputError(
            f"{source}: all boxes have five numbers, the last of them between 0 and 1: are these "
            "x1, y1, x2, y2, score? Give x, y, width, height as 'bbox' and the score as 'score' "
            f"(five numbers are cx, cy, w, h and an angle, clockwise from up: {_SAY_SO})"
        )


def require_degrees(rotated: np.ndarray, upright: np.ndarray, source: str) -> None:
    """Refuse rotated boxes (n, 5) with angles in radians, or with scores in their place.

    They are degrees where the boxes `upright` (n, 4) are their extent, turned by so many; NaN where
    these are not known, or may have been made of the angles.
    """
    if are_radians(rotated[:, 4]) and not _are_extents(upright, rotated):
        raise InputError(
            f"{source}: all {len(rotated)} angles of rotated boxes lie within "
            f"+-{np.abs(rotated[:, 4]).max():.3g}: are they radians, or scores? {_SAY_SO}; "
            "a score is to be called 'score'"
        )


def require_angles_in_boxes(entries: Sequence[dict[str, Any]], source: str) -> None:
    """Refuse boxes of four numbers with an angle beside them, which nothing reads."""
    for number, row in enumerate(entries):
        rotated = any(row.get(key) is not None for key in ("rotated_box", "rbox", "poly"))
        upright = not rotated and len(row.get("bbox") or ()) == 4
        if upright and (key := angle_beside(row)) is not None:
            raise InputError(
                f"{source}: box {number + 1} has an angle of its own ({key!r}) beside four "
                "numbers: write [cx, cy, w, h, angle] as 'bbox', or, where the boxes are upright "
                f"ones around the people, take {key!r} out"
            )


def require_radians(angles: np.ndarray, source: str) -> None:
    """Refuse angles (n,) that are said to be radians where one is larger than a whole turn."""
    if (largest := np.abs(angles).max()) > 2 * np.pi + 0.01:
        raise InputError(
            f"{source}: an angle of {largest:.4g} is more than a whole turn in radians: leave out "
            "--angles radians if they are degrees (in a configuration, data.unlabelled_angles)"
        )


def require_clockwise(rotated: np.ndarray, sizes: np.ndarray, source: str) -> None:
    """Refuse rotated boxes (n, 5) on images (n, 2) all over which they stand across the radius.

    As people below a ceiling camera do not, their angles count counter-clockwise, or otherwise.
    Boxes all of which have the angle 0 are upright ones in the form of rotated ones.
    """
    if rotated[:, 4].any() and (found := other_angles(rotated, sizes, quadrants=3)):
        raise InputError(
            f"{source}: {found}: --angles counter-clockwise says that angles count so (in degrees, "
            "as LOAF's), --angles degrees that they are as they should be (in a configuration, "
            "data.unlabelled_angles)"
        )


def require_scores(entries: Sequence[dict[str, Any]], source: str, *, annotations: bool) -> None:
    """Refuse boxes of which only some have a score, and results that call it otherwise."""
    without = [row for row in entries if "score" not in row]
    if 0 < len(without) < len(entries):
        raise InputError(
            f"{source}: {len(without)} of {len(entries)} boxes have no 'score': give it to all of "
            "them, or to none"
        )
    other = next((key for key in _SCORES if not annotations and without and key in without[0]), "")
    if other:
        raise InputError(f"{source}: its boxes have {other!r} and no 'score': name it 'score'")


def require_sides(boxes: np.ndarray, rotated: np.ndarray, sizes: np.ndarray, source: str) -> None:
    """Refuse boxes (n, 4), not those rotated (n, 5), that are two corners of images (n, 2).

    Raises:
        InputError: they fit their images as corners, and many do not as x, y, w, h.
    """
    plain = np.isnan(rotated).any(axis=1)
    if are_corners(boxes[plain], sizes[plain]):
        raise InputError(
            f"{source}: the boxes fit their images as corners x1, y1, x2, y2, and as x, y, width, "
            "height many do not: give x2 - x1 and y2 - y1 as width and height"
        )


def _are_extents(upright: np.ndarray, rotated: np.ndarray) -> bool:
    """Whether upright boxes (n, 4) fit boxes (n, 5) as turned, and worse as they were before."""
    known = np.isfinite(upright).all(axis=1)
    if not known.any():
        return False
    given, unturned = upright[known], rotated[known] * [1, 1, 1, 1, 0]
    off, before = (
        np.median(np.abs(enclosing_boxes(boxes) - given).max(axis=1))
        for boxes in (rotated[known], unturned)
    )
    return bool(off <= 1 and off < before / 2)
