"""Pascal VOC XML and roLabelImg's extension of it: the boxes of one image a file.

An object has a name and a `bndbox` (xmin, ymin, xmax, ymax in pixels, in any order) or
roLabelImg's `robndbox` (cx, cy, w, h and an angle in radians, clockwise). A set that has x, y,
width and height in place of the corners is refused. The image has the name of the XML file:
`filename` in it is often outdated. What becomes of boxes is said in `boxed_people`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence as Many
from dataclasses import replace
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

import numpy as np

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.boxed_people import (
    BoxedPerson,
    Frame,
    Sequence,
    reading_of,
    upright,
)
from wepdtof_pose.formats.fields import parse_number, parse_size, require_file_name, shown
from wepdtof_pose.formats.layout import IMAGE_SUFFIXES, Reading, add_counts, files_in
from wepdtof_pose.formats.tools.xml_tree import read_xml
from wepdtof_pose.images import require_own_file

_MARKS = ("difficult", "truncated", "occluded")
_OUTLINES = ("polygon", "segmentation", "points", "keypoints")
_FOLDERS = ("Annotations", "annotations")
_SEVERAL = 3
"""Least number of boxes whose corners cross for which that is no chance."""


def read(path: Path, *, images: Path | None = None, category: str | None = None) -> Reading:
    """Return the people of an XML file, or of all under a folder; a folder is a sequence.

    Images lie beside the XML files, or in `JPEGImages/` or `images/` beside `Annotations/`.

    Raises:
        InputError: there is no such file, or one is not usable; the message names the object.
    """
    files = [path] if path.is_file() else xml_files(path)
    inner = next((path / name for name in _FOLDERS if (path / name).is_dir()), None)
    base = path.parent if path.is_file() else inner or path
    above = base.parent if base.name in _FOLDERS else base
    roots = [base, *(above / n for n in ("JPEGImages", "images", "frames"))]
    found = from_corners([read_file(file, base=base) for file in files], str(path))
    lists = len(list(above.glob("ImageSets/Main/*.txt"))) if path.is_dir() else 0
    reading = reading_of(
        found,
        files,
        roots=roots,
        images=images,
        source=str(path),
        category=category,
        one_each=path.is_dir(),
    )
    unread = {"lists of splits (all images are one split)": lists}
    return replace(reading, left_out=add_counts(reading.left_out, unread))


def xml_files(folder: Path) -> list[Path]:
    """Return the XML files under a folder, or under its `Annotations/`, in order.

    Raises:
        InputError: there is none, or one is a link out of the folder.
    """
    place = next((folder / name for name in _FOLDERS if (folder / name).is_dir()), folder)
    files = files_in(place, ".xml", deep=True)
    if not files:
        raise InputError(f"{folder}: has no XML files of Pascal VOC or roLabelImg")
    for file in files:
        require_own_file(file, folder, kind="an XML")
    return files


def from_corners(sequences: Many[Sequence], source: str) -> list[Sequence]:
    """Return the sequences of `read_file` with boxes of which no side is below 0.

    Raises:
        InputError: only as x, y, width, height do all boxes fit their images the right way round.
    """
    given = [
        (*person.box, *sequence.frames[0].size)
        for sequence in sequences
        for person in sequence.people
        if person.box is not None and sequence.frames[0].size is not None
    ]
    x, y, w, h, width, height = np.array(given, dtype=np.float64).reshape(-1, 6).T
    crossed = (w < 0) | (h < 0)
    fit = (np.minimum(x + w, y + h) > 0) & (2 * x + w <= width + 1) & (2 * y + h <= height + 1)
    if crossed.sum() >= _SEVERAL and crossed.mean() >= 0.25 and fit.mean() >= 0.95:
        raise InputError(
            f"{source}: in {crossed.sum()} of {len(given)} objects <xmax> is below <xmin>, or "
            "<ymax> below <ymin>, and as x, y, width, height nearly all fit their images: write "
            "x + width into <xmax> and y + height into <ymax>"
        )
    return [replace(s, people=[_right_way_round(p) for p in s.people]) for s in sequences]


def _right_way_round(person: BoxedPerson) -> BoxedPerson:
    if person.box is None:
        return person
    x, y, w, h = person.box
    return replace(person, box=(min(x, x + w), min(y, y + h), abs(w), abs(h)))


def read_file(file: Path, *, base: Path | None = None) -> Sequence:
    """Return the frame and the boxes of one file; its folder, below `base`, is its sequence.

    Sides of boxes are below 0 where the second corner comes first: see `from_corners`.

    Raises:
        InputError: the file is not usable.
    """
    root = read_xml(file)
    if root.tag != "annotation":
        raise InputError(f"{file}: starts with <{shown(root.tag)[1:-1]}>, not <annotation>")
    require_file_name(file.stem, str(file))
    people, others, outlines = [], 0, 0
    for number, item in enumerate(root.findall("object"), start=1):
        person = _person(item, file.stem, f"{file}: object {number}")
        others += len(item.findall("part"))
        outlines += sum(child.tag in _OUTLINES for child in item)
        if person is not None:
            people.append(person)
    left_out = {
        "objects without a box": len(root.findall("object")) - len(people),
        "parts of objects": others,
        "outlines and points of objects": outlines,
    }
    name = file.parent.resolve().name
    if base is not None and file.parent != base:
        name = file.parent.relative_to(base).as_posix()
    stated = PurePosixPath((root.findtext("filename") or "").strip().replace("\\", "/")).name
    if stated.lower().endswith(IMAGE_SUFFIXES):
        require_file_name(stated, str(file), key="filename")
    else:
        stated = ""
    frame = Frame(file.stem, None, file.stem, _size(root, str(file)), other_name=stated or None)
    return Sequence(name, str(file), [frame], people, left_out)


def _size(root: Element, source: str) -> tuple[int, int] | None:
    """Return the size that the file states; None where it states none, or 0 as some tools do."""
    sides = []
    for key in ("width", "height"):
        text = (root.findtext(f"size/{key}") or "").strip()
        if text in ("", "0"):
            return None
        sides.append(parse_size(text, f"{source}: <size>/<{key}>"))
    return sides[0], sides[1]


def _person(item: Element, frame: str, where: str) -> BoxedPerson | None:
    label = (_text(item, "name", where) or "").strip() or None
    marks = {key: (item.findtext(key) or "").strip() for key in _MARKS}
    extra = {key: text for key, text in marks.items() if text not in ("", "0")} or None
    turned, plain = _only(item, "robndbox", where), _only(item, "bndbox", where)
    if turned is not None:
        return BoxedPerson(frame, rotated=_rotated(turned, where), label=label, extra=extra)
    if plain is None:
        return None
    xmin, ymin, xmax, ymax = _numbers(plain, ("xmin", "ymin", "xmax", "ymax"), where)
    box = (xmin, ymin, xmax - xmin, ymax - ymin)
    return BoxedPerson(frame, box=box, label=label, extra=extra)


def _rotated(element: Element, where: str) -> tuple[float, ...]:
    """Return the rotated box with w <= h and degrees in [-90, 90), as WEPDTOF's JSON has them."""
    cx, cy, w, h, angle = _numbers(element, ("cx", "cy", "w", "h", "angle"), where)
    if abs(angle) > 2 * math.pi + 0.01:
        raise InputError(
            f"{where}: <angle> is {angle:g}, more than a whole turn: roLabelImg writes radians; "
            "are these degrees? Multiply them by pi / 180"
        )
    return (cx, cy, *upright(w, h, math.degrees(angle)))


def _numbers(element: Element, keys: tuple[str, ...], where: str) -> list[float]:
    return [parse_number(_text(element, key, where), f"{where}: <{key}>") for key in keys]


def _text(element: Element, key: str, where: str) -> str | None:
    found = _only(element, key, where)
    return None if found is None else found.text or ""


def _only(element: Element, key: str, where: str) -> Element | None:
    """Return the child of that name, None where there is none; refuse several that differ."""
    found = element.findall(key)
    if len({tuple((e.tag, (e.text or "").strip()) for e in child.iter()) for child in found}) > 1:
        raise InputError(f"{where}: has <{key}> {len(found)} times: each person is an <object>")
    return found[0] if found else None
