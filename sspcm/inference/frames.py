"""Frames out of images, folders of images and video files, one at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from wepdtof_pose.errors import InputError
from wepdtof_pose.images import read_image
from wepdtof_pose.scores.frame_lookup import VIDEO_SUFFIXES

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


@dataclass(frozen=True)
class Source:
    """An image file or a video file.

    Attributes:
        path: the file.
        name: its file name; relative to the folder where a folder was given.
        video: whether it is a video.
        image_id: of an image: the number that its name is, else its name without the suffix; its
            whole name where another image has the same. Frames of a video add their number.
        keys: texts by which a detection file may name it.
    """

    path: Path
    name: str
    video: bool
    image_id: int | str
    keys: frozenset[str]


@dataclass(frozen=True)
class Frame:
    """One decoded frame.

    Attributes:
        source: where it is from.
        image: (height, width, 3) uint8 BGR, as stored.
        number: of a video's frame, from 1 on; None for an image.
        fps: frames a second of the video; None for an image.
    """

    source: Source
    image: np.ndarray
    number: int | None = None
    fps: float | None = None

    @property
    def image_id(self) -> int | str:
        """The image's id; of a video's frame `<name>_000001`, as WEPDTOF names its frames."""
        source = self.source
        return source.image_id if self.number is None else f"{source.image_id}_{self.number:06d}"

    @property
    def keys(self) -> frozenset[str]:
        """Texts by which a detection file may name the frame."""
        if self.number is None:
            return self.source.keys
        numbers = {str(self.number)} if "" in self.source.keys else set()
        return frozenset({str(self.image_id)} | numbers)


def find_sources(inputs: Sequence[Path]) -> list[Source]:
    """The images and videos that files and folders are, in the given order, folders sorted by name.

    A file without a known suffix is taken as an image.

    Raises:
        InputError: there is no such path, a folder holds neither images nor videos, or two inputs
            have the same name.
    """
    found: list[tuple[Path, str]] = []
    for path in inputs:
        if path.is_dir():
            held = sorted(p for p in path.rglob("*") if _usable(p.relative_to(path)))
            if not held:
                raise InputError(f"{path}: the folder holds no image and no video")
            found += [(file, file.relative_to(path).as_posix()) for file in held]
        elif path.exists():
            found.append((path, path.name))
        else:
            raise InputError(f"{path}: no such file or folder")
    _require_distinct([name for _, name in found])
    ids = Counter(_plain_id(name) for _, name in found)
    paths = [path.resolve() for path, _ in found]
    keys = [_keys(path, name) for path, (_, name) in zip(paths, found, strict=True)]
    ambiguous = {key for key, count in Counter(k for own in keys for k in own).items() if count > 1}
    sources = []
    for (path, name), own in zip(found, keys, strict=True):
        plain = _plain_id(name)
        alone = {""} if len(found) == 1 else set()
        sources.append(
            Source(
                path=path,
                name=name,
                video=path.suffix.lower() in VIDEO_SUFFIXES,
                image_id=plain if ids[plain] == 1 else name,
                # "" marks an only input: plain numbers in a detection file are then its frames.
                keys=frozenset((own - ambiguous) | alone),
            )
        )
    return sources


def read_frames(source: Source) -> Iterator[Frame]:
    """The frames of a source, decoded one after the other.

    Raises:
        InputError: it cannot be read, is no image or video, or the video has no frame or ends long
            before its stated length.
    """
    if not source.video:
        yield Frame(source, read_image(source.path))
        return
    capture = cv2.VideoCapture(str(source.path))
    try:
        if not capture.isOpened():
            raise InputError(f"{source.path}: cannot be opened as a video")
        fps = capture.get(cv2.CAP_PROP_FPS)
        stated = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        number = 0
        while True:
            decoded, image = capture.read()
            if not decoded:
                break
            number += 1
            yield Frame(source, image, number=number, fps=fps if fps > 0 else 25.0)
        if not number:
            raise InputError(f"{source.path}: the video has no frame that can be decoded")
        # Containers state lengths that are a few frames off; a file cut short misses many.
        if stated - number > max(5, 0.05 * stated):
            raise InputError(
                f"{source.path}: the video ends after {number} of {stated} frames: it is cut short "
                "or damaged"
            )
    finally:
        capture.release()


def _usable(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return not hidden and path.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES


def _require_distinct(names: list[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InputError(
            f"two inputs are called {repeated[0]!r}: give the folder that holds both instead"
        )
    stems = Counter(
        name.rsplit(".", 1)[0] for name in names if Path(name).suffix.lower() in VIDEO_SUFFIXES
    )
    for stem, count in stems.items():
        if count > 1:
            raise InputError(f"two videos are called {stem!r}: predict on one after the other")


def _plain_id(name: str) -> int | str:
    stem = Path(name).stem
    return int(stem) if stem.isascii() and stem.isdigit() else stem


def _keys(path: Path, name: str) -> frozenset[str]:
    """The name from any folder on, with and without suffix, and the number that it is (COCO)."""
    tails = {"/".join(path.parts[-count:]) for count in range(1, len(path.parts))}
    return frozenset(
        {name, *tails, str(_plain_id(name)), *(tail.removesuffix(path.suffix) for tail in tails)}
    )
