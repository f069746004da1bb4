"""Data sets that come as a zip: exports of CVAT, Label Studio and Roboflow, released archives.

Every format is read out of a zip as out of the folder that is in it. It is unpacked safely and in
constant memory into a folder that the caller gives and removes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wepdtof_pose.errors import InputError

_PARTS_OF_DATA_SETS = frozenset(
    {"annotations", "annot", "images", "labels", "frames", "data", "train", "valid", "val", "test"}
)
"""Folders that are a part of a data set, and not the data set that was packed as a whole."""


def is_zip(path: Path) -> bool:
    """Return whether a path is a zip file, whatever its name."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


@contextmanager
def unpacked(path: Path, place: Path) -> Iterator[Path]:
    """Give what a reader takes: the path itself, or the data set of a zip, unpacked into `place`.

    Errors in the block name the zip and not the place. `place` must not exist; whoever gave it
    removes it.

    Raises:
        InputError: the zip is damaged, not safe or too large for the disk, or has no files.
    """
    if not is_zip(path):
        yield path
        return
    from wepdtof_pose.download.archives import unpack

    place.mkdir()
    if not unpack(path, place):
        raise InputError(f"{path}: has no files")
    folder = _data_set_in(place)
    if is_zip(folder):
        raise InputError(f"{path}: holds nothing but a zip: unpack it, and name the one inside")
    try:
        yield folder
    except InputError as error:
        # The only file of a zip is named, too: it may be none of data.
        inside = path / folder.relative_to(place) if folder.is_file() else path
        text = str(error).replace(str(folder), str(inside)).replace(str(place), str(path))
        # What lies inside cannot be named as it is.
        raise InputError(re.sub("name one of those$", r"unpack it, and \g<0>", text)) from None


def _data_set_in(folder: Path) -> Path:
    """Return the folder that was packed: the only one there is, or the only file."""
    while True:
        entries = list(folder.iterdir())
        if len(entries) != 1 or entries[0].name.lower() in _PARTS_OF_DATA_SETS:
            return folder
        folder = entries[0]
        if not folder.is_dir():
            return folder
