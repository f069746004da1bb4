"""The frames of a scene in their order: as a contact sheet, or as an mp4 film."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.file_kinds import text_path
from wepdtof_pose.files import replacing
from wepdtof_pose.images import frame_order, write_image
from wepdtof_pose.pictures import annotators
from wepdtof_pose.pictures.frames import drawn
from wepdtof_pose.pictures.people import frame_picture

SHEET_SIDE = 480
"""Longer side in pixels of a frame on a contact sheet."""
_LONGEST_SIDE = 1152
"""Largest side in pixels of a film."""


def scene_rows(dataset: PoseDataset, scene: str | None, *, limit: int) -> np.ndarray:
    """Return rows (frames,) int64 of the frames of a scene by file name (9 before 10).

    Of more than `limit` frames that many are taken, evenly spread. Without a name it is the first
    scene of the file; where no scenes are known, all frames.

    Raises:
        InputError: no such scene, or no frame at all.
    """
    scenes = dataset.frames["scene"]
    known = [str(name) for name in scenes.dropna().unique()]
    if scene is not None and scene not in known:
        listed = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
        raise InputError(f"no scene {scene!r} in the data set: there are {listed or 'none'}")
    rows = np.arange(len(dataset.frames))
    if known:
        rows = np.flatnonzero(scenes.astype(str).to_numpy(dtype=object) == (scene or known[0]))
    if not len(rows):
        raise InputError("the data set has no frames")
    names = dataset.frames["file_name"].tolist()
    rows = np.array(sorted(rows.tolist(), key=lambda row: frame_order(names[row])))
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(limit, len(rows))).round().astype(int))]


def write_sheet(
    dataset: PoseDataset,
    file: Path,
    rows: np.ndarray,
    *,
    problems: list[str] | None = None,
    columns: int = 4,
    **drawing: Any,
) -> Path:
    """Draw frames, small and captioned with their names, on one page; returns the PNG file.

    `problems` and `drawing` (predictions, joint_threshold, rings) are as in
    `wepdtof_pose.pictures.frames.write_frames`.
    """
    cells = []
    for position, picture in drawn(rows, partial(frame_picture, dataset, **drawing), problems):
        picture = _shrunk(picture, SHEET_SIDE)
        name = Path(dataset.frames["file_name"].iloc[rows[position]]).stem
        cells.append(annotators.with_caption(picture, name, size=12))
    write_image(file, annotators.grid(cells, columns=columns, gap=8))
    return file


def write_video(
    dataset: PoseDataset,
    file: Path,
    rows: np.ndarray,
    *,
    problems: list[str] | None = None,
    fps: float = 5,
    **drawing: Any,
) -> Path:
    """Draw frames into an mp4 film (MPEG-4), which appears whole or not at all; returns the file.

    All frames get the size of the first; others are fitted into it. Arguments as in `write_sheet`.

    Raises:
        InputError: this OpenCV cannot write mp4 files, or an image cannot be read and `problems`
            is None.
    """
    draw = partial(frame_picture, dataset, **drawing)
    size = None
    with replacing(file) as temporary:
        # OpenCV goes by the suffix.
        part = temporary.with_name(f"{temporary.name}.mp4")
        try:
            writer, written = None, 0
            for _, picture in drawn(rows, draw, problems):
                picture = _shrunk(picture, _LONGEST_SIDE)
                if writer is None:
                    # Encoders want even sides.
                    size = (picture.shape[1] // 2 * 2, picture.shape[0] // 2 * 2)
                    codec = cv2.VideoWriter.fourcc(*"mp4v")
                    writer = cv2.VideoWriter(text_path(part), codec, fps, size)
                    if not writer.isOpened():
                        raise InputError(f"{file}: this OpenCV cannot write mp4 files")
                assert size is not None
                writer.write(_fitted(picture, size))
                written += 1
            if writer is not None:
                writer.release()
            require_whole_film(part, written, out=file)
            part.replace(temporary)
        finally:
            part.unlink(missing_ok=True)
    return file


def require_whole_film(part: Path, frames: int, *, out: Path) -> None:
    """Refuse a film that lacks frames: OpenCV's writer says nothing of a full disk.

    Args:
        part: the film as it was written.
        frames: how many there should be.
        out: names the film in errors.
    """
    capture = cv2.VideoCapture(str(part))
    found = round(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
    capture.release()
    if found != frames:
        raise InputError(
            f"{out}: cannot be written: {found} of {frames} frames are in it (is the disk full?)"
        )


def _shrunk(image: np.ndarray, longest_side: int) -> np.ndarray:
    zoom = longest_side / max(image.shape[:2])
    if zoom >= 1:
        return image
    return cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)


def _fitted(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the image scaled into `size` (width, height) and centred on black."""
    if image.shape[1::-1] == size:
        return image
    zoom = min(size[0] / image.shape[1], size[1] / image.shape[0])
    inner = (min(size[0], round(zoom * image.shape[1])), min(size[1], round(zoom * image.shape[0])))
    page = np.zeros((size[1], size[0], 3), dtype=np.uint8)
    x, y = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    page[y : y + inner[1], x : x + inner[0]] = cv2.resize(image, inner)
    return page
