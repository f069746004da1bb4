"""MPII as released: the struct `RELEASE` of `mpii_human_pose_v1_u12_1.mat`.

`annolist` has an entry for each image: its name, the video that it is from, and people with a
scale, a position (`objpos`) and points (`x`, `y`, `id` of the joint, `is_visible`). The people of
the test list have no points.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.datasets.matlab import read_variable
from wepdtof_pose.formats.fields import LARGEST, require_file_name

JOINTS = 16
_HEAD = ("x1", "y1", "x2", "y2")


def read_release(path: Path) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return people as entries of `mpii.from_entries`, and counts of what was left out, and why.

    Raises:
        InputError: the file is not such a file; the message names the image.
    """
    release = read_variable(path, "RELEASE")
    if not isinstance(release, list) or not release or "annolist" not in release[0]:
        raise InputError(f"{path}: has no struct 'RELEASE' with 'annolist': is it MPII's file?")
    images = release[0]["annolist"]
    if not isinstance(images, list):
        raise InputError(f"{path}: 'annolist' is no list of images")
    entries = []
    left_out: Counter[str] = Counter()
    for number, image in enumerate(images, start=1):
        where = f"{path}: image {number}"
        if not isinstance(image, dict):
            raise InputError(f"{where}: is no struct")
        name = _only(image.get("image")).get("name")
        require_file_name(name, where, key="name")
        scene = _number(image.get("vididx"), f"{where}: 'vididx'")
        rects = image.get("annorect")
        for rect in rects if isinstance(rects, list) else []:
            reason, entry = _person(rect if isinstance(rect, dict) else {}, f"{where} ({name})")
            if entry is None:
                left_out[reason] += 1
                continue
            entries.append({"image": name, **entry, "scene": None if scene is None else int(scene)})
    return entries, dict(left_out)


def _person(rect: dict[str, Any], where: str) -> tuple[str, dict[str, Any] | None]:
    """Return a person's joints, visibility, centre and scale, or why there are none."""
    points = _only(rect.get("annopoints")).get("point")
    if not isinstance(points, list) or not points:
        return "people without joints", None
    scale = _number(rect.get("scale"), f"{where}: 'scale'")
    position = _only(rect.get("objpos"))
    center = [_number(position.get(key), f"{where}: 'objpos'") for key in "xy"]
    if scale is None or None in center:
        return "people without a scale or position", None
    joints = np.full((JOINTS, 2), -1.0)
    visibility = np.zeros(JOINTS, dtype=int)
    for point in points:
        x, y, joint = (_number(point.get(key), f"{where}: {key!r}") for key in ("x", "y", "id"))
        if x is None or y is None or joint is None or joint not in range(JOINTS):
            raise InputError(f"{where}: a point has no 'x', 'y' or 'id' from 0 to {JOINTS - 1}")
        joints[int(joint)] = x, y
        # Left empty for some joints that are seen, above all of the head.
        seen = _number(point.get("is_visible"), f"{where}: 'is_visible'")
        visibility[int(joint)] = 1 if seen == 0 else 2
    head = [_number(rect.get(key), f"{where}: {key!r}") for key in _HEAD]
    return "", {
        "joints": joints.tolist(),
        "visibility": visibility.tolist(),
        "center": center,
        "scale": scale,
        **({} if None in head else {"head": head}),
    }


def _only(value: Any) -> dict[str, Any]:
    """Return the one element of a struct array; an empty dict where it is none."""
    return value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else {}


def _number(value: Any, what: str) -> float | None:
    """Return the number that a field holds, be it as a text; None where it is empty."""
    if isinstance(value, str):
        text = value.strip()
        if text.lstrip("-").replace(".", "", 1).isdecimal():
            return float(text)
        value = None if not text else [text]
    if isinstance(value, (int, float)) and abs(value) < LARGEST:
        return float(value)
    if value is None or (isinstance(value, np.ndarray) and not value.size):
        return None
    raise InputError(f"{what} is no finite number")
