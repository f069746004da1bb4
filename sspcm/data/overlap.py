"""Which images of one data set are images of another: by place, and by content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from wepdtof_pose.dataset import PoseDataset


class KnownImages:
    """Images to look others up in.

    Two images are the same where they are one file, or where their files hold the same bytes. Only
    files of one size whose last bytes agree are read whole, so that a large data set is looked
    through in the time that its files take to be found. Images that are not there are no image's
    copy.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._places: dict[str, Path] = {}
        self._by_size: dict[int, list[Path]] = {}
        self._digests: dict[Path, str] = {}
        for path in paths:
            self._places.setdefault(os.path.realpath(path), path)
            size = _size(path)
            if size:
                self._by_size.setdefault(size, []).append(path)

    def same_as(self, path: Path) -> Path | None:
        """Return the known image that this one is; None where it is none of them."""
        found = self._places.get(os.path.realpath(path))
        if found is not None:
            return found
        candidates = self._by_size.get(_size(path), ())
        if not candidates:
            return None
        own = _end(path)
        alike = [candidate for candidate in candidates if _end(candidate) == own]
        if not alike:
            return None
        digest = self._digest(path)
        return next((candidate for candidate in alike if self._digest(candidate) == digest), None)

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._digests[path]


def people_on(dataset: PoseDataset, known: KnownImages) -> tuple[np.ndarray, dict[str, Path]]:
    """Return who of a data set is on images that are known.

    Returns:
        Mask (people,), and the known image by the file name of each such frame.
    """
    rows = dataset.frame_rows
    names = dataset.frames["file_name"].tolist()
    shared = np.zeros(len(names), dtype=bool)
    found = {}
    for row in np.unique(rows).tolist():
        other = known.same_as(dataset.root / names[row])
        if other is not None:
            shared[row] = True
            found[names[row]] = other
    return shared[rows], found


def images_of(dataset: PoseDataset) -> list[Path]:
    """Return the images with people."""
    names = dataset.frames["file_name"].to_numpy()
    return [dataset.root / name for name in names[np.unique(dataset.frame_rows)]]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _end(path: Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(max(0, _size(path) - _END))
        return stream.read(_END)


_END = 4096
