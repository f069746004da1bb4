"""Predicted poses drawn on their frames: a picture an image, a video a video."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from sspcm.inference.frames import Frame
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import make_folder
from wepdtof_pose.images import write_image
from wepdtof_pose.keypoints import KeypointSet
from wepdtof_pose.pictures import annotators


def draw_poses(
    image: np.ndarray,
    keypoints: np.ndarray,
    boxes: np.ndarray,
    keypoint_set: KeypointSet,
    *,
    threshold: float,
) -> None:
    """Draw predicted poses and their boxes in place.

    Args:
        image: (height, width, 3) uint8 BGR.
        keypoints: (people, joints, 3) x, y in pixels and a joint score.
        boxes: (people, 4) x, y, w, h in pixels; one as large as the image is not drawn.
        keypoint_set: the joints.
        threshold: joints with a lower score are not drawn.
    """
    height, width = image.shape[:2]
    for pose, box in zip(keypoints, boxes, strict=True):
        extent = 2.0 * max(box[2:])
        line = min(annotators.line_width(width, height), annotators.line_width(extent, extent))
        if box[2] < width or box[3] < height:
            annotators.draw_box(image, box, width=0.6 * line)
        visibility = np.where(pose[:, 2:] >= threshold, 2.0, 0.0)
        points = np.concatenate([pose[:, :2].astype(np.float64), visibility], axis=1)
        annotators.draw_skeleton(image, points, keypoint_set, width=line)


class PoseWriter:
    """Writes drawn frames into a folder, in the order of their sources; used in a `with` block.

    An image keeps its name and format; a video becomes an MP4 (MPEG-4 part 2) of its frame rate.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._video: cv2.VideoWriter | None = None
        self._video_name = ""

    def __enter__(self) -> PoseWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def write(self, frame: Frame) -> None:
        """Write a frame, drawn on already.

        Raises:
            InputError: it cannot be encoded.
        """
        name = frame.source.name
        if frame.number is None:
            suffix = Path(name).suffix
            known = suffix and cv2.haveImageWriter(suffix)
            write_image(self._folder / (name if known else f"{name}.png"), frame.image)
            return
        if self._video is None or self._video_name != name:
            self._close()
            self._video, self._video_name = self._open(frame), name
        self._video.write(frame.image)

    def _open(self, frame: Frame) -> cv2.VideoWriter:
        path = (self._folder / frame.source.name).with_suffix(".mp4")
        make_folder(path.parent)
        height, width = frame.image.shape[:2]
        code = cv2.VideoWriter.fourcc(*"mp4v")
        writer = cv2.VideoWriter(str(path), code, float(frame.fps or 25), (width, height))
        if not writer.isOpened():
            raise InputError(f"{frame.source.path}: OpenCV here cannot write MP4 videos")
        return writer

    def _close(self) -> None:
        if self._video is not None:
            self._video.release()
            self._video = None
