"""Read frames from images, folders of images and video files, one at a time.

Frames that cannot be decoded are counted and left out; the numbers and times of the others stay
correct.
"""

from __future__ import annotations

import mimetypes
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sspcm.inference.containers import has_video, mirror_of, shown_seconds
from sspcm.runs.checkpoint import is_run, require_no_run
from wepdtof_pose.errors import InputError, counted
from wepdtof_pose.file_kinds import has_text_name, kind_of_name, kind_of_no_picture, text_path
from wepdtof_pose.formats.fields import repeated
from wepdtof_pose.formats.layout import IMAGE_SUFFIXES, is_aside
from wepdtof_pose.images import frame_order, image_bytes, read_image, read_pages
from wepdtof_pose.scores.frame_lookup import VIDEO_SUFFIXES

DEFAULT_RATE = 25.0
"""Frame rate assumed for a video that states none."""
_MAY_HAVE_PAGES = frozenset({".tif", ".tiff", ".gif", ".avif", ".webp", ".png", ".apng"})
_ANIMATED = frozenset({".gif", ".png", ".apng"})
"""Images whose pages are frames in time; FFmpeg reads those of others as one."""
_EXACT_COUNTS = frozenset({".avi", ".mp4", ".mov", ".m4v"})
"""Videos whose headers state the exact number of frames; other headers hold estimates."""
_PREDICTED = frozenset({"predictions.json", "joints.csv", "frames.csv"})
"""What the folder of a finished prediction holds."""
_NUMBER = re.compile(r"_\d{6}$")
_COVER_RATE = 90_000
"""Frames per second that FFmpeg states for a cover picture, and for some videos of no rate."""
_HEAD = 4096
"""Bytes that say whether a file without a known suffix is a text or an archive."""
_NO_VIDEO = "it is none, or damaged, or cut short (the end of an MP4 says where its frames are)"
_PATIENCE = 5000
"""Number of undecodable frames in a row that counts as the end of a video."""


@dataclass(frozen=True)
class Source:
    """An image file or a video file.

    Attributes:
        path: the file.
        name: its file name; relative to the folder if a folder was given.
        kind: `image`, `pages` (an image file with several pages) or `video`.
        image_id: the number that an image's name consists of, else the name without suffix, or the
            whole name if that is not unique. Frames of a video add their number.
        keys: names by which a detection file may refer to it.
        film: what a drawn video is called, without suffix: the name without suffix, or the whole
            name if that is another video's, too.
    """

    path: Path
    name: str
    kind: str
    image_id: int | str
    keys: frozenset[str]
    film: str = ""


@dataclass(frozen=True)
class Frame:
    """One decoded frame.

    Attributes:
        source: the file that it comes from.
        image: (height, width, 3) uint8 BGR, turned as viewers show it.
        number: of a frame of a video or a page of a file, from 1; None for an image.
        rate: frames per second of the video while it does not pause; None otherwise.
        time: seconds from the beginning of the video; None otherwise.
    """

    source: Source
    image: np.ndarray
    number: int | None = None
    rate: float | None = None
    time: float | None = None

    @property
    def image_id(self) -> int | str:
        """The image's id; for frames of videos `<name>_000001`, as WEPDTOF names its frames."""
        source = self.source
        return source.image_id if self.number is None else f"{source.image_id}_{self.number:06d}"

    @property
    def keys(self) -> frozenset[str]:
        """Names by which a detection file may refer to the frame."""
        if self.number is None:
            return self.source.keys
        numbers = {str(self.number)} if "" in self.source.keys else set()
        # Ultralytics writes NAME_1.txt for the first frame.
        names = {str(self.image_id), f"{self.source.image_id}_{self.number}"}
        return frozenset(names | numbers)


@dataclass(frozen=True)
class Inputs:
    """The content of files and folders.

    Attributes:
        sources: the images and videos in the given order, those of a folder sorted by name,
            frame 9 before frame 10.
        left_out: counts, by suffix, of files in folders that are neither.
    """

    sources: list[Source]
    left_out: dict[str, int] = field(default_factory=dict)


@dataclass
class FrameReader:
    """Decodes the frames of a source one after the other; iterate over it once.

    Attributes:
        source: the file to read.
        frames: frames decoded so far.
        undecodable: frames between others, or at the end, that could not be decoded.
        stated: number of frames in the video's header; None if it states none.
        problem: what is wrong with the source, known once it has been read; None for nothing.
    """

    source: Source
    frames: int = 0
    undecodable: int = 0
    stated: int | None = None
    problem: str | None = None

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames."""
        readers = {"image": self._image, "pages": self._pages, "video": self._video}
        try:
            for frame in readers[self.source.kind]():
                self.frames += 1
                yield frame
        except InputError as error:
            self.problem = str(error)

    def expected(self) -> int | None:
        """Return the expected number of frames; None if the file does not say."""
        if self.source.kind == "image":
            return 1
        if self.source.kind == "pages":
            return cv2.imcount(text_path(self.source.path))
        capture = _open_video(self.source.path)
        stated = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        capture.release()
        return stated if stated > 0 else None

    def record(self) -> dict[str, Any]:
        """Return counts of what was read as JSON values."""
        return {
            "file_name": self.source.name,
            "kind": self.source.kind,
            "frames": self.frames,
            "stated_frames": self.stated,
            "undecodable_frames": self.undecodable,
            "problem": self.problem,
        }

    def _image(self) -> Iterator[Frame]:
        yield Frame(self.source, read_image(self.source.path))

    def _pages(self) -> Iterator[Frame]:
        path = self.source.path
        self.stated = cv2.imcount(text_path(path))
        bad = []
        for number, image in enumerate(read_pages(path, self.stated), start=1):
            if image is None:
                bad.append(number)
            else:
                yield Frame(self.source, image, number=number)
        self.undecodable = len(bad)
        if bad:
            self.problem = f"{path}: page {bad[0]} of {self.stated} cannot be decoded" + (
                f", nor {len(bad) - 1} others" if len(bad) > 1 else ""
            )

    def _video(self) -> Iterator[Frame]:
        path = self.source.path
        capture = _open_video(path)
        try:
            stated_rate = capture.get(cv2.CAP_PROP_FPS)
            if _holds_no_video(path):
                raise InputError(
                    f"{path}: holds no video, but sound, text or a cover picture alone"
                )
            if not capture.isOpened():
                empty = "it is empty" if not path.stat().st_size else _NO_VIDEO
                raise InputError(f"{path}: cannot be opened as a video: {empty}")
            if stated_rate >= _COVER_RATE and _gives_a_cover(path):
                raise InputError(
                    f"{path}: its cover picture hides the video: copy the video alone to another "
                    "file, for example by ffmpeg -i FILE -map 0:V -c copy OTHER.mp4"
                )
            mirrored = mirror_of(path, capture.get(cv2.CAP_PROP_ORIENTATION_META))
            stated = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
            shown = round(shown_seconds(path) * stated_rate) or stated
            # What an editor cut off at the ends is still in the file, and counted.
            exact = path.suffix.lower() in _EXACT_COUNTS and shown >= stated - 1
            stated = stated if exact else min(stated, shown)
            self.stated = stated if stated > 0 else None
            rate = _playing_rate(path, stated_rate)
            numbers = _FrameNumbers(path, rate, self.stated if exact else None)
            failed = reached = 0
            while failed < min(_PATIENCE, max(30, (self.stated or 0) - numbers.last)):
                decoded, image = capture.read()
                if not decoded:
                    failed += 1
                    continue
                time = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                number, time = numbers.next(time, failed)
                self.undecodable, failed = self.undecodable + failed, 0
                reached = 1 + round(time * stated_rate)
                image = image if mirrored is None else cv2.flip(image, mirrored)
                yield Frame(self.source, image, number=number, rate=rate, time=time)
            self.problem = self._verdict(numbers.last, 0 if exact else reached)
        finally:
            capture.release()

    def _verdict(self, last: int, reached: int) -> str | None:
        """Return what is wrong with a video, given the number of its last decoded frame.

        `reached` is the number of frames until then at the rate in the header, where the stated
        count is an estimate: of the video's length, not of frames that pauses part.
        """
        path, frames, stated = self.source.path, self.frames, self.stated
        if not last:
            raise InputError(f"{path}: the video has no frame that can be decoded")
        missing = (stated or 0) - max(frames, reached)
        if self.undecodable:
            self.undecodable = max(self.undecodable, missing)
            bad = counted(self.undecodable, "frame")
            return f"{path}: {bad} cannot be decoded ({frames} can)"
        # An estimated count is a few frames off; a truncated file lacks many.
        few = 0 if path.suffix.lower() == ".avi" else max(5, 0.05 * (stated or 0))
        if missing <= few:
            return None
        self.undecodable = missing
        if last < frames + missing and path.suffix.lower() == ".avi" and missing <= 5:
            return (
                f"{path}: {frames} of {stated} stated frames: which are missing the file does not "
                f"say, so numbers may be up to {missing} too small"
            )
        return f"{path}: {frames} of {stated} stated frames: it is cut short or damaged"


def find_sources(inputs: Sequence[Path]) -> Inputs:
    """Return the images and videos in files and folders; links are followed.

    The kind of a file given by itself without a known suffix is found by trying to open it. Inputs
    in alphabetical order, as a shell lists them, are taken as counted: frame 9 before frame 10.

    Raises:
        InputError: a path does not exist, a folder is that of a run or holds neither images nor
            videos, or two inputs have the same name.
    """
    found: list[tuple[Path, str, str]] = []
    left_out: Counter[str] = Counter()
    if list(inputs) == sorted(inputs):
        inputs = sorted(inputs, key=lambda path: frame_order(str(path)))
    for path in inputs:
        if path.is_dir():
            found += _files_of_folder(path, left_out)
        elif path.is_file():
            found.append((path, path.name, _kind_of(path) or _kind_by_opening(path)))
        elif path.exists():
            raise InputError(f"{path}: is a pipe or a device, not an image or a video")
        else:
            raise InputError(f"{path}: no such file or folder{kind_of_name(str(path))}")
    _require_distinct([name for _, name, _ in found])
    ids = Counter(_plain_id(name) for _, name, _ in found)
    # Frames that were taken out of a video, and lie beside it, are called as its frames are.
    taken_out = {_NUMBER.sub("", Path(name).stem) for _, name, kind in found if kind == "image"}
    films = Counter(Path(name).with_suffix("") for _, name, kind in found if kind != "image")
    paths = [path.resolve() for path, _, _ in found]
    keys = [_keys(path, name) for path, (_, name, _) in zip(paths, found, strict=True)]
    ambiguous = set(repeated(key for own in keys for key in own))
    sources = []
    for (path, name, kind), own in zip(found, keys, strict=True):
        plain = _plain_id(name)
        film = Path(name).with_suffix("")
        known = ids[plain] == 1 and (kind == "image" or str(plain) not in taken_out)
        alone = {""} if len(found) == 1 else set()
        sources.append(
            Source(
                path=path,
                name=name,
                kind=kind,
                image_id=plain if known else name,
                # "" marks the only input: plain numbers in a detection file then mean its frames.
                keys=frozenset((own - ambiguous) | alone | {name}),
                film=str(film) if films[film] == 1 else name,
            )
        )
    return Inputs(sources, dict(left_out))


class _FrameNumbers:
    """Numbers and times of a video's decoded frames, even if some between them cannot be decoded.

    Times tell how many frames are missing between two, but a video of variable frame rate has gaps
    without missing frames. So never more frames count as missing than failed to decode, or than the
    header states beyond the decodable ones.
    """

    def __init__(self, path: Path, rate: float, stated: int | None) -> None:
        """`stated` is the exact number of frames in the header; None if it has none."""
        self._path = path
        self._rate = rate
        self._stated = stated
        self._missing: int | None = None
        self._time = 0.0
        self.last = 0

    def next(self, time: float, failed: int) -> tuple[int, float]:
        """Return number and time of the next decoded frame, after `failed` failures."""
        if not self.last:
            skipped = failed
        else:
            gap = round((time - self._time) * self._rate) - 1 if time > self._time else 0
            skipped = 0
            if failed:
                # A failure may stand for several frames; only the times show how many.
                skipped = max(failed, min(gap, self._lost()))
            elif gap > 0:
                skipped = min(gap, self._lost())
            if time <= self._time:  # a backend without times
                time = self._time + (1 + skipped) / self._rate
        if self._missing is not None:
            self._missing -= min(skipped, self._missing)
        self.last += 1 + skipped
        self._time = time
        return self.last, time

    def _lost(self) -> int:
        """Return how many undecodable frames, by the header's count, are still to come."""
        if self._missing is None:
            self._missing = 0
            if self._stated is not None:
                capture = _open_video(self._path)
                decoded = failed = 0
                while failed < min(_PATIENCE, max(30, self._stated - decoded - failed)):
                    grabbed = capture.grab()
                    decoded, failed = decoded + grabbed, 0 if grabbed else failed + 1
                capture.release()
                self._missing = max(0, self._stated - decoded)
        return self._missing


def _open_video(path: Path) -> cv2.VideoCapture:
    # Silence FFmpeg: we count and report damaged frames ourselves.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    return cv2.VideoCapture(text_path(path))


def _holds_no_video(path: Path) -> bool:
    """Return whether a video file has sound or text alone, perhaps with a cover picture."""
    held = has_video(path)
    return held is False or (held is None and _gives_a_cover(path))


def _gives_a_cover(path: Path) -> bool:
    """Return whether what OpenCV reads of a file is its cover: one picture without a duration."""
    capture = _open_video(path)
    rate = capture.get(cv2.CAP_PROP_FPS) if capture.isOpened() else 0.0
    alone = rate >= _COVER_RATE and capture.grab() and not capture.grab()
    capture.release()
    return alone


def _playing_rate(path: Path, stated: float) -> float:
    """Return the frame rate of a video while it does not pause, measured on its first frames."""
    capture = _open_video(path)
    times = [capture.get(cv2.CAP_PROP_POS_MSEC) for _ in range(12) if capture.grab()]
    capture.release()
    steps = np.diff(times)
    playing = 1000 / np.median(steps) if len(steps) and np.median(steps) > 0 else 0.0
    stated = stated if 0 < stated <= 1000 else 0.0
    # The header's rate is exact unless it includes pauses.
    return float(playing) if playing > 1.05 * stated else stated or DEFAULT_RATE


def _kind_of(path: Path) -> str | None:
    """Return the kind of a file by its suffix or its first bytes; None if neither tells."""
    suffix = path.suffix.lower()
    if not path.is_file():  # reading the image says what it is; to open a pipe might never end
        return "image" if suffix in IMAGE_SUFFIXES else None
    if suffix in VIDEO_SUFFIXES:
        return "video"
    if suffix not in IMAGE_SUFFIXES and not cv2.haveImageReader(text_path(path)):
        guessed = mimetypes.guess_type(path.name)[0] or ""
        return "video" if guessed.startswith("video/") else None
    if suffix in _MAY_HAVE_PAGES and cv2.haveImageReader(text_path(path)):
        try:
            pages = cv2.imcount(text_path(path))
        except cv2.error:
            pages = 1
        if pages > 1:
            return "video" if suffix in _ANIMATED else "pages"
    return "image"


def _kind_by_opening(path: Path) -> str:
    if kind_of_no_picture(image_bytes(path, head=_HEAD)):
        return "image"  # reading it says what it is; FFmpeg finds pictures in archives
    capture = _open_video(path)
    opened = capture.isOpened() and capture.grab()
    capture.release()
    return "video" if opened or has_video(path) is not None else "image"


def _files_of_folder(folder: Path, left_out: Counter[str]) -> list[tuple[Path, str, str]]:
    """Return the images and videos of a folder, with names and kinds; count the other files."""
    require_no_run(folder)
    found = []
    for file in _files_below(folder, left_out):
        what = file.suffix.lower() or "files without suffix"
        if not has_text_name(file):
            left_out[f"{what} (no UTF-8 name: rename it)"] += 1
            continue
        kind = _kind_of(file)
        if kind is None:
            left_out[what if file.is_file() else f"{what} (link to nothing, or no file)"] += 1
        elif kind == "video" and _holds_no_video(file):
            left_out[f"{what} (no video in it)"] += 1
        else:
            found.append((file, file.relative_to(folder).as_posix(), kind))
    if not found:
        others = ", ".join(f"{count} {suffix}" for suffix, count in left_out.items())
        raise InputError(
            f"{folder}: the folder holds no image and no video{others and f', but {others}'}"
        )
    return found


def _files_below(folder: Path, left_out: Counter[str]) -> list[Path]:
    """Return what is in and below a folder, sorted, links followed, without what is no data.

    Folders of predictions and runs below it, which have pictures of the others, are but counted.
    """
    found, seen = [], set()
    for place, folders, files in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(place)) in seen:  # linked from below, or visited already
            folders.clear()
            continue
        seen.add(real)
        predicted = "unfinished.jsonl" in files or _PREDICTED.issubset(files)
        if (predicted or is_run(Path(place))) and Path(place) != folder:
            left_out["folders of predictions" if predicted else "folders of runs"] += 1
            folders.clear()
            continue
        folders[:] = [name for name in folders if not is_aside(name)]
        found += [Path(place) / name for name in files if not is_aside(name)]
    return sorted(found, key=lambda path: frame_order(str(path)))


def _require_distinct(names: list[str]) -> None:
    if twice := repeated(names):
        raise InputError(
            f"two inputs are called {twice[0]!r}: give the folder that holds both instead"
        )


def _plain_id(name: str) -> int | str:
    stem = Path(name).stem
    return int(stem) if stem.isascii() and stem.isdigit() else stem


def _keys(path: Path, name: str) -> frozenset[str]:
    """Return all ends of a path, with and without suffix, and its number if it is one (COCO)."""
    tails = {"/".join(path.parts[-count:]) for count in range(1, len(path.parts))}
    return frozenset(
        {name, *tails, str(_plain_id(name)), *(tail.removesuffix(path.suffix) for tail in tails)}
    )
