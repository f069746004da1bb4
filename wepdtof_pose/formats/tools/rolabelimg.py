"""roLabelImg XML: the rotated boxes of one image, as RAPiD's sample has them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.fields import parse_number, require_file_name, require_size
from wepdtof_pose.formats.tools.xml_tree import read_xml


def read(file: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The frame of a roLabelImg file, and its people.

    The image has the name of the XML file (`filename` in it may be outdated). Angles are radians
    there, clockwise; a box is the same half a turn and, sides exchanged, a quarter turn further, so
    it comes out with w <= h and an angle in [-90, 90) degrees, as in WEPDTOF's JSON.

    Raises:
        InputError: the file is not usable.
    """
    root = read_xml(file)
    frame: dict[str, Any] = {"id": file.stem, "file_name": None, "stem": file.stem}
    require_file_name(file.stem, str(file))
    for key in ("width", "height"):
        text = root.findtext(f"size/{key}", "").strip()
        frame[key] = int(text) if text.isdecimal() and len(text) < 12 else None
        require_size(frame[key], f"{file}: <size>/<{key}>")
    people = []
    for number, item in enumerate(root.findall("object"), start=1):
        box = item.find("robndbox")
        if box is None:
            raise InputError(f"{file}: object {number} has no <robndbox>")
        people.append({"image_id": file.stem, "bbox": _box(box, f"{file}: object {number}")})
    return frame, people


def _box(element: Element, where: str) -> list[float]:
    cx, cy, w, h, angle = (
        parse_number(element.findtext(key), f"{where}: <{key}>")
        for key in ("cx", "cy", "w", "h", "angle")
    )
    degrees = math.degrees(angle)
    if w > h:
        w, h, degrees = h, w, degrees + 90
    return [cx, cy, w, h, (degrees + 90) % 180 - 90]
