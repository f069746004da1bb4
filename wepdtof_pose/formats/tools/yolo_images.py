"""Which images the splits of a YOLO data set have: those of folders, or of lists in text files."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_text
from wepdtof_pose.formats.fields import shown
from wepdtof_pose.formats.layout import ASIDE, IMAGE_SUFFIXES, longest_ends
from wepdtof_pose.formats.tools.yolo_yaml import DataFile
from wepdtof_pose.images import require_own_file

_OTHER_SUFFIXES = (".gif", ".avif", ".heic", ".heif", ".jp2", ".dng", ".mpo", ".pfm", ".jfif")
"""Suffixes of images that loaders elsewhere take; here they are counted."""
_LABELS = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*[\d.]+\s|^\S+(?:[ \t,]+[-+.\de]+){4}", re.MULTILINE)
"""A number at the beginning, or a line of something with four numbers."""


class NoImagesError(InputError):
    """A split that the YAML names and whose images are not there."""


def image_folder(images: Path, split: str, data: DataFile) -> Path:
    """Return the images of a split that lie under `images` and not where the YAML says."""
    places = [images / data.splits[split].lstrip("/"), images / split]
    alone = [] if data.separate else [images]
    return next((place for place in (*places, *alone) if place.is_dir()), places[0])


def listed_names(
    folder: Path, split: str, data: DataFile
) -> tuple[list[str], list[str], list[str], list[str]]:
    """Return the images of a split that the YAML does not give as one folder.

    It names text files with an image a line, or several folders. A name with the path of another
    machine is found by the longest part of its end that is there.

    Args:
        folder: of the images; those that are returned are relative to it.
        split: the split's name.
        data: the YAML.

    Returns:
        The images that are read, those of kinds that are not, the names that no file has, and those
        of images that are named before.

    Raises:
        InputError: a text file or a folder is missing, or none of the images is there.
    """
    listed: list[str] = []
    missing: list[str] = []
    for place in data.listed[split]:
        if not place.endswith(".txt"):
            if PurePosixPath(place).is_absolute() or ".." in PurePosixPath(place).parts:
                raise InputError(
                    f"{data.file}: {split!r} lists {place!r}: where a split has several folders, "
                    f"name them as they lie below {data.root}"
                )
            for found in image_names(folder / place):
                listed += [(PurePosixPath(place) / name).as_posix() for name in found]
            continue
        file = data.root / place
        require_own_file(file, data.root, kind="a list of images")
        if not file.is_file():
            raise NoImagesError(
                f"{file}: no such list of images ({data.file.name} names it): write there where it "
                "lies, or name the folder of the images in its place"
            )
        for line in filter(None, map(str.strip, read_text(file).splitlines())):
            ends = longest_ends(line) if len(line) < 4096 else []
            name = next((end for end in ends if (folder / end).is_file()), None)
            (listed if name else missing).append(name or line)
    read: dict[str, None] = {}
    others: dict[str, None] = {}
    repeated: list[str] = []
    for name in listed:
        names = read if name.lower().endswith(tuple(IMAGE_SUFFIXES)) else others
        if name in names:
            repeated.append(name)
        names[name] = None
    if missing and not read:
        raise NoImagesError(
            f"{data.file}: none of the images that {split!r} lists is below {folder}, such as "
            f"{shown(missing[0])}: put them there, or name their folder with --images"
        )
    return list(read), list(others), missing, repeated


def image_names(folder: Path) -> tuple[list[str], list[str]]:
    """Return the images under a folder, relative to it, in order; and those that are not read."""
    if not folder.is_dir():
        raise NoImagesError(
            f"{folder}: no such folder of images (data.yaml names it): write there where it lies, "
            "or name it with --images"
        )
    read: list[str] = []
    others: list[str] = []
    for path in sorted(folder.rglob("*")):
        suffix = path.suffix.lower()
        # Hidden files may be images of the set; those of a Mac's archives are not.
        aside = path.name.startswith("._") or not ASIDE.isdisjoint(path.relative_to(folder).parts)
        if not aside and suffix in (*IMAGE_SUFFIXES, *_OTHER_SUFFIXES):
            names = read if suffix in IMAGE_SUFFIXES else others
            names.append(path.relative_to(folder).as_posix())
    return read, others


def holds_labels(file: Path) -> bool:
    """Return whether a text file looks like labels, be they well written or not."""
    with file.open("rb") as stream:
        # Without its zeros, text of 16 bits reads as that of 8.
        return _LABELS.search(stream.read(512).replace(b"\0", b"")) is not None
