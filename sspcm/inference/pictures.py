"""Write drawn frames in order: an image as an image, a video as a video."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from sspcm.inference.frames import Frame, Source
from wepdtof_pose.errors import InputError
from wepdtof_pose.file_kinds import text_path
from wepdtof_pose.files import make_folder
from wepdtof_pose.images import write_image
from wepdtof_pose.pictures.films import require_whole_film


class PoseWriter:
    """Writes drawn frames into a folder, in the order of their sources; use it in a `with` block.

    An image keeps its name and format, and a page adds its number. A video becomes an MP4 (MPEG-4
    part 2) that plays in step with the original: during its pauses, and in place of frames that
    could not be decoded, the previous frame stays. A video appears whole or not at all.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._video: _Video | None = None

    def __enter__(self) -> PoseWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close_video(keep=kind is None)

    def finish_before(self, source: Source) -> None:
        """Complete the video of another source."""
        if self._video is not None and self._video.name != source.name:
            self._close_video(keep=True)

    def _close_video(self, *, keep: bool) -> None:
        video, self._video = self._video, None
        if video is not None:
            video.close(keep=keep)

    def write(self, frame: Frame, picture: np.ndarray) -> None:
        """Write a drawn frame.

        Raises:
            InputError: it cannot be encoded or written.
        """
        name = frame.source.name
        self.finish_before(frame.source)
        if frame.source.kind == "video":
            if self._video is None:
                self._video = _Video(self._folder, frame, picture)
            self._video.write(frame, picture)
            return
        path = self._folder / name
        suffix = path.suffix
        if frame.number is not None:
            path = path.with_name(f"{path.stem}_{frame.number:06d}{suffix}")
        known = suffix and cv2.haveImageWriter(suffix)
        write_image(path if known else path.with_name(f"{path.name}.png"), picture)


class _Video:
    """One video file, written under a temporary name and renamed when it is complete."""

    def __init__(self, folder: Path, frame: Frame, picture: np.ndarray) -> None:
        self.name = frame.source.name
        self._path = folder / f"{frame.source.film}.mp4"
        self._part = self._path.with_name(f".{self._path.stem}.part.mp4")
        make_folder(self._path.parent)
        self._rate = float(frame.rate or 25)
        height, width = picture.shape[:2]
        code = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(text_path(self._part), code, self._rate, (width, height))
        if not self._writer.isOpened():
            raise InputError(f"{self._path}: cannot be written: OpenCV here cannot write it as MP4")
        self._size = (width, height)
        self._written = 0
        self._last: np.ndarray | None = None

    def write(self, frame: Frame, picture: np.ndarray) -> None:
        if picture.shape[1::-1] != self._size:
            picture = cv2.resize(picture, self._size)
        if frame.time is not None and self._last is not None:
            for _ in range(round(frame.time * self._rate) - self._written):
                self._writer.write(self._last)
                self._written += 1
        self._writer.write(picture)
        self._written += 1
        self._last = picture

    def close(self, *, keep: bool) -> None:
        self._writer.release()
        try:
            if keep:
                require_whole_film(self._part, self._written, out=self._path)
                self._part.replace(self._path)
        finally:
            self._part.unlink(missing_ok=True)
