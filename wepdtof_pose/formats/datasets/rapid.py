"""Detections of RAPiD and programs like it: rotated boxes with scores on overhead-fisheye frames.

The file is a list of `{image_id, bbox: [cx, cy, w, h, angle], score}`, in pixels and degrees
clockwise, as `detect_imgSeq` of RAPiD returns it. An image without a detection is not in it, and so
is not in the data set. Scores are kept as a field of people; nothing is left out for a low one.
Where there are several categories, people are those of the first (of category 0 where there is one,
else of category 1), or what `category` names. What becomes of boxes is said in `boxed_people`.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.formats.boxed_people import BoxedPerson, Frame, Sequence, reading_of
from wepdtof_pose.formats.fields import (
    other_fields,
    require_file_name,
    require_id,
    require_numbers,
    rows,
)
from wepdtof_pose.formats.layout import IMAGE_SUFFIXES, Reading, files_in

_FIELDS = frozenset({"image_id", "bbox", "segmentation", "category_id", "id"})


def read(path: Path, *, images: Path | None = None, category: str | None = None) -> Reading:
    """Return the people of a file of detections, or of the only one of a folder.

    Images lie in `images/` beside the file, in a folder of its name, or beside it.

    Raises:
        InputError: the file is missing or not usable.
    """
    if path.is_dir():
        found = files_in(path, ".json")
        if len(found) != 1:
            raise InputError(f"{path}: has {len(found)} JSON files: give that of the detections")
        (path,) = found
    sequence = from_list(read_json(path), path.stem, str(path))
    base = path.parent
    roots = [base / "images", base / "frames", base]
    return reading_of(
        [sequence], [path], roots=roots, images=images, source=str(path), category=category
    )


def from_list(content: Any, name: str, source: str) -> Sequence:
    """Return the frames that have detections, in the order in which they come, and their boxes."""
    frames: dict[int | str, Frame] = {}
    people = []
    entries = rows(content, source, "detections with image_id and bbox")
    labels = _labels_of(entries)
    for position, entry in enumerate(entries):
        where = f"{source}: [{position}]"
        identity: Any = entry.get("image_id")
        require_id(identity, f"{where}: 'image_id'")
        require_file_name(str(identity), where, key="image_id")
        require_numbers(entry.get("bbox"), 5, f"{where}: 'bbox' (cx, cy, w, h, angle)")
        require_numbers([entry.get("score")], 1, f"{where}: 'score'")
        if identity not in frames:
            named = PurePosixPath(str(identity)).suffix.lower() in IMAGE_SUFFIXES
            frames[identity] = Frame(identity, str(identity) if named else None, str(identity))
        people.append(
            BoxedPerson(
                identity,
                rotated=tuple(entry["bbox"]),
                label=labels.get(str(entry.get("category_id"))),
                extra=other_fields(entry, _FIELDS),
            )
        )
    return Sequence(name, source, list(frames.values()), people)


def _labels_of(entries: list[dict[str, Any]]) -> dict[str, str]:
    """Return the labels of the categories by id as text; none where there is only one.

    Detectors trained on COCO find several, of which the first is people: 1 as COCO counts its
    categories, and 0 as programs count their classes.
    """
    numbers = {str(entry["category_id"]) for entry in entries if "category_id" in entry}
    if len(numbers) < 2:
        return {}
    first = "0" if "0" in numbers else "1"
    return {number: "person" if number == first else f"category {number}" for number in numbers}
