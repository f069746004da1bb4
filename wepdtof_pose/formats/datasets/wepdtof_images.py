"""Where the frames of WEPDTOF, CEPDOF and their relatives lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wepdtof_pose.errors import InputError
from wepdtof_pose.formats.fields import shown
from wepdtof_pose.formats.layout import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from wepdtof_pose.formats.datasets.wepdtof import Sequence


def find_images(
    base: Path, images: Path | None, sequences: Iterable[Sequence]
) -> tuple[Path, dict[Any, str]]:
    """The folder of the images, and each image's name under it, by frame id.

    `base` is the folder of the annotations, or that above `annotations/`. WEPDTOF has
    `frames/<sequence>/<name>`, CEPDOF `<sequence>/<name>`; others have `images/`, or the images
    beside the annotations.

    Raises:
        InputError: two sequences have a frame of the same id.
    """
    roots = [images] if images else [base / "frames", base / "images", base]
    listings = _Listings()
    found: dict[Any, str] = {}
    used = None
    for sequence in sequences:
        for frame in sequence.frames:
            if frame["id"] in found:
                raise InputError(f"{base}: two sequences have a frame of id {shown(frame['id'])}")
            name = None
            for root in [used] if used else roots:
                name = _name_under(root, sequence.name, frame, listings)
                if name is not None:
                    used = root
                    break
            found[frame["id"]] = name or _expected_name(sequence.name, frame)
    return used or roots[0], found


class _Listings:
    """The names in each folder, listed once: a sequence has thousands of frames."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], frozenset[str]] = {}

    def has(self, root: Path, folder: str, name: str) -> bool:
        if "/" in name:
            return (root / folder / name).is_file()
        key = (str(root), folder)
        if key not in self._names:
            place = root / folder
            there = place.iterdir() if place.is_dir() else ()
            self._names[key] = frozenset(entry.name for entry in there)
        return name in self._names[key]


def _name_under(
    root: Path, sequence: str, frame: dict[str, Any], listings: _Listings
) -> str | None:
    for name in _names(frame):
        for folder in (f"{sequence}/", ""):
            if listings.has(root, folder, name):
                return folder + name
    return None


def _expected_name(sequence: str, frame: dict[str, Any]) -> str:
    return f"{sequence}/{next(_names(frame))}"


def _names(frame: dict[str, Any]) -> Iterator[str]:
    if frame["file_name"] is not None:
        return iter([frame["file_name"]])
    return (frame["stem"] + suffix for suffix in IMAGE_SUFFIXES)
