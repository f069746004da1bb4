"""Which images of one data set are images of another: by place, by content, and by what is seen."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sspcm.data.signatures import (
    SIGNATURE,
    read_cuts,
    read_signatures,
    same_in_light,
    same_pictures,
)
from wepdtof_pose.cores import usable_cores
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.files import file_sha256
from wepdtof_pose.formats.layout import source_picture


class SameImage(NamedTuple):
    """The known image that another is; `how` says in what way, after "is"."""

    path: Path
    how: str


class KnownImages:
    """Images to look others up in.

    Two images are the same where they are one file, where their files hold the same bytes, where
    their names say that both are copies of one picture (see `source_picture`), or where both show
    the same picture (see `sspcm.data.signatures`). Only files of one size whose last
    bytes agree are read whole; only images that are not found so are decoded, and only where there
    are any known ones. Images that are not there are no image's copy. An image of one person may
    also be a part of a known one: what the box of somebody there cuts out.
    """

    def __init__(
        self,
        paths: Iterable[Path],
        *,
        cache: Path,
        boxes: Mapping[Path, np.ndarray] | None = None,
    ) -> None:
        """Take the images `paths`.

        Args:
            paths: the known images.
            cache: the folder of crops, which keeps signatures, too.
            boxes: those of the people (n, 4) on the images, by their paths.
        """
        self._cache = cache
        self._boxes = boxes or {}
        self._cuts: tuple[np.ndarray, list[Path]] | None = None
        self._places: dict[str, Path] = {}
        self._by_size: dict[int, list[Path]] = {}
        self._sources: dict[str, Path] = {}
        self._digests: dict[Path, str] = {}
        self._signatures: np.ndarray | None = None
        for path in paths:
            place = os.path.realpath(path)
            self._places.setdefault(place, path)
            self._sources.setdefault(source_picture(place), path)
            size = _size(path)
            if size:
                self._by_size.setdefault(size, []).append(path)

    def find(
        self, paths: Sequence[Path], *, of_one: np.ndarray | None = None
    ) -> list[SameImage | None]:
        """Return for each image the known one that it is; None where it is none of them.

        Args:
            paths: the images.
            of_one: mask of those that show one person and may be parts of known ones; None: nobody
                knows, and none is looked at as a part.
        """
        found = [self._same_file(path) for path in paths]
        rest = [row for row, same in enumerate(found) if same is None]
        if not rest or not self._places:
            return found
        known = list(self._places.values())
        if self._signatures is None:
            self._signatures = read_signatures(known, cache=self._cache)
        others = read_signatures([paths[row] for row in rest], cache=self._cache)
        rows = same_pictures(self._signatures, others)
        changed = "encoded, sized, turned or lit anew"
        for row, same in zip(rest, rows.tolist(), strict=True):
            if same >= 0:
                how = f"the same picture as the tested {known[same]}, {changed}"
                found[row] = SameImage(known[same], how)
        left = (rows < 0) & (False if of_one is None else of_one[rest])
        if left.any():
            cuts, of = self._known_cuts()
            same_cuts = same_in_light(cuts, others[left]).tolist()
            for row, same in zip(np.array(rest)[left].tolist(), same_cuts, strict=True):
                if same >= 0:
                    how = f"cut out of the tested {of[same]}, by the box of a person"
                    found[row] = SameImage(of[same], how)
        return found

    def _known_cuts(self) -> tuple[np.ndarray, list[Path]]:
        """Return the signatures of what the boxes cut out, and the image of each."""
        if self._cuts is None:
            with ThreadPoolExecutor(usable_cores()) as pool:
                parts = list(pool.map(read_cuts, self._boxes.keys(), self._boxes.values()))
            of = [path for path, part in zip(self._boxes, parts, strict=True) for _ in part]
            self._cuts = np.concatenate([np.zeros(0, SIGNATURE), *parts]), of
        return self._cuts

    def _same_file(self, path: Path) -> SameImage | None:
        own_place = os.path.realpath(path)
        place = self._places.get(own_place)
        if place is not None:
            return SameImage(place, "the file that is tested")
        copied = self._sources.get(source_picture(own_place))
        if copied is not None:
            return SameImage(
                copied, f"by its name a copy of the picture that the tested {copied} is of"
            )
        candidates = self._by_size.get(_size(path), ())
        if not candidates:
            return None
        own = _end(path)
        alike = [candidate for candidate in candidates if _end(candidate) == own]
        if not alike:
            return None
        digest = self._digest(path)
        copied = next((other for other in alike if self._digest(other) == digest), None)
        return None if copied is None else SameImage(copied, f"the file the tested {copied}")

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = file_sha256(path)
        return self._digests[path]


def known_images(people: PoseDataset, *, cache: Path) -> KnownImages:
    """Return the images of these people, to look others up in; see `KnownImages` for `cache`."""
    paths, rows = images_of(people), people.frame_rows
    boxes = {
        path: people.boxes[rows == row]
        for row, path in zip(np.unique(rows).tolist(), paths, strict=True)
    }
    return KnownImages(paths, cache=cache, boxes=boxes)


def people_on(
    dataset: PoseDataset, known: KnownImages, *, parts: bool = False
) -> tuple[np.ndarray, dict[Path, SameImage]]:
    """Return who of a data set is on images that are known.

    Args:
        dataset: the people.
        known: the images.
        parts: images of one person may be parts of known ones: of data from elsewhere. It takes a
            while to see.

    Returns:
        Mask (people,), and the known image by the path of each such frame.
    """
    rows = dataset.frame_rows
    shared = np.zeros(len(dataset.frames), dtype=bool)
    paths, found = images_of(dataset), {}
    with_people, people = np.unique(rows, return_counts=True)
    looked_up = known.find(paths, of_one=people == 1 if parts else None)
    for row, path, same in zip(with_people.tolist(), paths, looked_up, strict=True):
        if same is not None:
            shared[row] = True
            found[path] = same
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
