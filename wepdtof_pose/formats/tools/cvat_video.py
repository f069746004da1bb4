"""CVAT for Video XML 1.1: tracks as the shapes of each frame.

A track has shapes at some frames, its keyframes among them; between two of them positions are
interpolated linearly, as CVAT shows them, and after the last one the shape stays. From a shape that
is `outside` to the next one the track is not there; a skeleton is outside when all its points are.

The file names no images: they are the frames of a video. Each is looked for by its number, under
the name that CVAT exports (`frame_000012.png`) or another that ends in the number.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.fields import parse_number, shown
from wepdtof_pose.formats.layout import IMAGE_SUFFIXES
from wepdtof_pose.formats.tools.xml_tree import is_set

MOST = 1_000_000
"""Frames, and shapes of all frames, that are taken: two keyframes may lie any distance apart."""

_SIDES = ("xtl", "ytl", "xbr", "ybr")


@dataclass(frozen=True)
class Track:
    """A track: its shapes in order, and the frame of each."""

    element: Element
    frames: list[int]
    shapes: list[Element]

    def at(self, frame: int, where: str) -> Element | None:
        """Return the shape at a frame, with the track's label, group and id; None where none is.

        Raises:
            InputError: coordinates between which to interpolate are not numbers.
        """
        before = bisect_right(self.frames, frame) - 1
        if before < 0 or _is_outside(self.shapes[before], where):
            return None
        shape = self.shapes[before]
        if self.frames[before] != frame and before + 1 < len(self.shapes):
            first, second = self.frames[before], self.frames[before + 1]
            share = (frame - first) / (second - first)
            shape = _between(shape, self.shapes[before + 1], share, where)
        found = Element(shape.tag, {**shape.attrib, "label": self.element.get("label", "")})
        found.set("group_id", self.element.get("group_id", shape.get("group_id", "0")))
        found.extend(shape)
        SubElement(found, "attribute", name="track_id").text = self.element.get("id", "")
        return found


def is_video(root: Element) -> bool:
    """Return whether a parsed file is CVAT for Video."""
    return root.find("track") is not None


def tracks(root: Element, source: str) -> list[Track]:
    """Return the tracks of a parsed file.

    Raises:
        InputError: a shape says no frame, or two shapes of a track say the same.
    """
    found = []
    for number, element in enumerate(root.findall("track"), start=1):
        where = f"{source}: track {number}"
        shapes = {}
        for shape in element:
            frame = _whole(shape.get("frame"), f"{where}: 'frame'")
            if frame in shapes:
                raise InputError(f"{where}: has two shapes at frame {frame}")
            shapes[frame] = shape
        order = sorted(shapes)
        found.append(Track(element, order, [shapes[frame] for frame in order]))
    return found


def frame_numbers(root: Element, found: list[Track], source: str) -> range:
    """Return the frames of the task or job: those that it says it has, at least those with shapes.

    Raises:
        InputError: there are more than MOST, or more shapes on all of them.
    """
    used = [frame for track in found for frame in track.frames]
    first, last = (min(used), max(used)) if used else (0, -1)
    task, job = root.find("meta/task"), root.find("meta/job")
    stated = range(0)
    if task is not None and task.findtext("size"):
        size = _whole(task.findtext("size"), f"{source}: <size>")
        begins = _whole(task.findtext("start_frame") or "0", f"{source}: <start_frame>")
        stated = range(begins, begins + size * _step(task), _step(task))
        first, last = 0, max(last, size - 1)
    elif job is not None and job.findtext("start_frame") and job.findtext("stop_frame"):
        begins = _whole(job.findtext("start_frame"), f"{source}: <start_frame>")
        ends = _whole(job.findtext("stop_frame"), f"{source}: <stop_frame>")
        stated = range(begins, ends + 1, _step(job))
        first, last = min(first, begins) if used else begins, max(last, ends)
    known = stated and all(frame in stated for frame in used)
    numbers = stated if known else range(first, last + 1)
    shapes = sum(len(numbers[numbers.index(track.frames[0]) :]) for track in found if track.frames)
    if max(len(numbers), shapes) > MOST:
        raise InputError(
            f"{source}: has more than {MOST} frames or shapes on them: export it in parts"
        )
    return numbers


def _step(about: Element) -> int:
    """Return how far apart in the film the frames of a task or job are."""
    found = re.fullmatch(r"step=([1-9]\d{0,5})", about.findtext("frame_filter") or "")
    return int(found.group(1)) if found else 1


def shapes_at(found: list[Track], frame: int, source: str) -> Iterator[Element]:
    """Yield the shapes of all tracks at a frame."""
    for number, track in enumerate(found, start=1):
        shape = track.at(frame, f"{source}: track {number}")
        if shape is not None:
            yield shape


def stated_size(root: Element) -> tuple[int, int] | None:
    """Return the width and height that the file says the video has; None where it does not."""
    texts = [root.findtext(f"meta//original_size/{key}", "") for key in ("width", "height")]
    if not all(text.isdecimal() and 0 < len(text) < 10 for text in texts):
        return None
    return int(texts[0]), int(texts[1])


def image_names(numbers: range, places: list[Path]) -> tuple[Path, list[str]]:
    """Return the folder of the frames' images and their names; where none is, CVAT's names.

    The first of the places decides that has an image whose name ends in the number of a frame.
    """
    for place in places:
        found: dict[int, str] = {}
        files = sorted(place.iterdir()) if place.is_dir() else []
        for file in files:
            digits = re.search(r"(\d{1,12})$", file.stem)
            if digits and file.suffix.lower() in IMAGE_SUFFIXES:
                found.setdefault(int(digits.group()), file.name)
        if any(number in found for number in numbers):
            return place, [found.get(number, _usual_name(number)) for number in numbers]
    return places[0], [_usual_name(number) for number in numbers]


def _usual_name(number: int) -> str:
    return f"frame_{number:06d}.PNG"


def _is_outside(shape: Element, where: str) -> bool:
    if shape.tag == "skeleton" and all(
        is_set(point, "outside", where) for point in shape.findall("points")
    ):
        return True
    return is_set(shape, "outside", where)


def _between(first: Element, second: Element, share: float, where: str) -> Element:
    """Return the first shape moved by a share of the way to the second."""
    moved = Element(first.tag, dict(first.attrib))
    if first.tag == "box":
        for key in _SIDES:
            moved.set(key, repr(_mixed(first.get(key), second.get(key), share, where)))
        start = parse_number(first.get("rotation", "0"), f"{where}: 'rotation'")
        turn = parse_number(second.get("rotation", "0"), f"{where}: 'rotation'") - start
        moved.set("rotation", repr(start + share * ((turn + 180) % 360 - 180)))
    elif first.get("points") and second.get("points"):
        moved.set("points", _mixed_points(first, second, share, where))
    others = {point.get("label"): point for point in second.findall("points")}
    for child in first:
        other = others.get(child.get("label")) if child.tag == "points" else None
        moved.append(child if other is None else _between(child, other, share, where))
    return moved


def _mixed_points(first: Element, second: Element, share: float, where: str) -> str:
    """Return the points text between two; the first where they have other numbers of points."""
    texts = [re.split("[,;]", shape.get("points", "")) for shape in (first, second)]
    if len(texts[0]) != len(texts[1]):
        return first.get("points", "")
    numbers = [repr(_mixed(a, b, share, where)) for a, b in zip(*texts, strict=True)]
    return ";".join(",".join(numbers[row : row + 2]) for row in range(0, len(numbers), 2))


def _mixed(first: Any, second: Any, share: float, where: str) -> float:
    start, end = (parse_number(text, f"{where}: a coordinate") for text in (first, second))
    return start + share * (end - start)


def _whole(text: str | None, what: str) -> int:
    if text is None or not text.isdecimal() or len(text) > 9:
        raise InputError(f"{what} is {shown(text)}, not the number of a frame")
    return int(text)
