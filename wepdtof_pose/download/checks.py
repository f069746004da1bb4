"""Whether an unpacked folder is the data set it should be: whether its own reader reads it."""

from __future__ import annotations

import itertools
from contextlib import suppress
from pathlib import Path

from wepdtof_pose.errors import InputError, counted
from wepdtof_pose.files import read_json
from wepdtof_pose.formats.datasets import wepdtof, wepdtof_pose

SEQUENCES = (
    *("call_center", "convenience_store", "empty_store", "exhibition", "exhibition_setup"),
    *("it_office", "jewelry_store", "jewelry_store_2", "kindergarten", "large_office"),
    *("large_office_2", "printing_store", "repair_store", "street_grocery", "tech_store"),
    "warehouse",
)
"""The 16 sequences of WEPDTOF."""
_READERS = {"wepdtof": wepdtof.read, "wepdtof-pose": wepdtof_pose.read}


def check_content(kind: str | None, folder: Path) -> list[str]:
    """Return what the folder holds, one line each, if it is the data set of that kind.

    Single missing images are reported, not refused.
    """
    if kind is None:
        return []
    annotations = sorted(folder.rglob("annotations"), key=lambda path: len(path.parts))
    reading = _READERS[kind](annotations[0].parent if annotations else folder)
    notes = []
    for split, dataset in reading.datasets.items():
        frames = dataset.frames
        lacking = sorted({*SEQUENCES} - {*frames["scene"]}) if kind == "wepdtof" else []
        if lacking:
            raise InputError(f"is not all of WEPDTOF: annotations/ lacks {', '.join(lacking)}")
        parts = list(frames["scene"]) if kind == "wepdtof" else [split] * len(frames)
        places = [dataset.root / name for name in frames["file_name"]]
        found = [reading.renamed.get(place, place).is_file() for place in places]
        having = set(itertools.compress(parts, found))
        if bare := [part for part in parts if part not in having]:
            raise InputError(
                f"none of the images of {bare[0]} is there: give the archives with the frames, too "
                "(--archive FILE --archive FILE)"
            )
        people = counted(len(dataset.people), "person", "people")
        notes.append(f"{split}: {people} on {counted(len(frames), 'frame')}")
        if not all(found):
            notes.append(f"{split}: {found.count(False)} of {len(frames)} images are missing")
    return notes


def image_names(folder: Path) -> frozenset[str]:
    """Return the image names in all annotation files below a folder, with "/" as separator."""
    names: set[str] = set()
    for file in folder.rglob("*.json"):
        with suppress(InputError, AttributeError, KeyError, TypeError):  # another kind of file
            content = read_json(file, encodings=("utf-8-sig", "gb18030"))
            names.update(image["file_name"].replace("\\", "/") for image in content["images"])
    return frozenset(names)
