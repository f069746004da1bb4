"""The poses of one frame, with joints by name, and conversions for other tools."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wepdtof_pose.errors import InputError, counted
from wepdtof_pose.keypoints import KeypointSet
from wepdtof_pose.pictures.annotators import draw_poses
from wepdtof_pose.pictures.people import as_visible

if TYPE_CHECKING:
    import fiftyone

JOINT_THRESHOLD = 0.2
"""Lowest score of a joint that is drawn and counts towards a pose's score (as published)."""


@dataclass(frozen=True, repr=False)
class Poses:
    """The poses of the people on one frame, highest score first.

    Attributes:
        keypoints: float32 (people, joints, 3) x, y in frame pixels, and the joint's score.
        scores: float64 (people,) score of the whole pose.
        boxes: float64 (people, 4) x, y, w, h of the boxes in which the poses were predicted.
        rotated: float64 (people, 5) cx, cy, w, h and degrees clockwise from up; NaN if unknown.
        tracks: int64 (people,) number of the person, the same on all frames of a video; 0 without
            tracking.
        keypoint_set: names, mirror pairs and skeleton of the joints.
        size: (width, height) of the frame in pixels.
        image_id: id of the frame in a COCO results file.
        file_name: of the image or video; None for an array.
        frame: number in the video or file, from 1; None for an image.
        time: seconds from the beginning of the video; None for an image.
        image: the frame, (height, width, 3) uint8 BGR; None if its pixels were not kept.

    >>> from wepdtof_pose.keypoints import get_keypoint_set
    >>> poses = Poses.nobody(get_keypoint_set("wepdtof-pose-14"), size=(640, 480))
    >>> len(poses), poses.joint("neck").shape
    (0, (0, 3))
    >>> poses
    Poses(0 people, 14 joints, 640 x 480)
    """

    keypoints: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    rotated: np.ndarray
    tracks: np.ndarray
    keypoint_set: KeypointSet
    size: tuple[int, int]
    image_id: int | str = 0
    file_name: str | None = None
    frame: int | None = None
    time: float | None = None
    image: np.ndarray | None = None

    @classmethod
    def nobody(cls, keypoint_set: KeypointSet, *, size: tuple[int, int]) -> Poses:
        """Return the poses of a frame without people."""
        return cls(
            keypoints=np.zeros((0, len(keypoint_set), 3), dtype=np.float32),
            scores=np.zeros(0),
            boxes=np.zeros((0, 4)),
            rotated=np.zeros((0, 5)),
            tracks=np.zeros(0, dtype=np.int64),
            keypoint_set=keypoint_set,
            size=size,
        )

    def __repr__(self) -> str:
        of = f"{self.file_name}, " if self.file_name else ""
        width, height = self.size
        people = counted(len(self), "person", "people")
        return f"Poses({of}{people}, {len(self.joints)} joints, {width} x {height})"

    def __len__(self) -> int:
        return len(self.keypoints)

    def __iter__(self) -> Iterator[Poses]:
        """Yield the poses one person at a time."""
        return (self.select(np.array([row])) for row in range(len(self)))

    @property
    def joints(self) -> tuple[str, ...]:
        """Names of the joints, in the order of `keypoints`."""
        return self.keypoint_set.joints

    def joint(self, name: str) -> np.ndarray:
        """Return x, y and score (people, 3) of one joint.

        Raises:
            InputError: no joint has that name.
        """
        if name not in self.joints:
            raise InputError(f"no joint {name!r}: there are {', '.join(self.joints)}")
        return self.keypoints[:, self.joints.index(name)]

    def select(self, rows: np.ndarray) -> Poses:
        """Return the poses of these rows (a mask or indices)."""
        return replace(
            self,
            keypoints=self.keypoints[rows],
            scores=self.scores[rows],
            boxes=self.boxes[rows],
            rotated=self.rotated[rows],
            tracks=self.tracks[rows],
        )

    def above(self, score: float) -> Poses:
        """Return the poses with at least this score."""
        return self.select(self.scores >= score)

    def without_image(self) -> Poses:
        """Return the same poses without the frame's pixels."""
        return replace(self, image=None)

    def rounded(self) -> Poses:
        """Return the poses with joints as a COCO results file has them: of three decimals."""
        return replace(self, keypoints=_decimals(self.keypoints).astype(np.float32))

    def draw(
        self, image: np.ndarray | None = None, *, threshold: float = JOINT_THRESHOLD
    ) -> np.ndarray:
        """Return a copy of the frame with skeletons, boxes and track numbers.

        Args:
            image: (height, width, 3) uint8 BGR; the frame's own pixels if None.
            threshold: joints with a lower score are not drawn.

        Raises:
            InputError: there is no image to draw on, or it is of another form.

        >>> from wepdtof_pose.keypoints import get_keypoint_set
        >>> poses = Poses.nobody(get_keypoint_set("coco-17"), size=(64, 48))
        >>> poses.draw(np.zeros((48, 64, 3), np.uint8)).shape
        (48, 64, 3)
        """
        image = self.image if image is None else image
        if image is None:
            raise InputError("these poses were made without keeping their frame: give draw(image)")
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InputError(
                "draw(image) takes an array (height, width, 3) of uint8 in BGR, not "
                f"{image.dtype} of shape {image.shape}"
            )
        picture = image.copy()
        tracks = [track or None for track in self.tracks.tolist()]
        drawn = as_visible(self.keypoints.astype(np.float64), threshold)
        draw_poses(picture, drawn, self.boxes, self.rotated, tracks, self.keypoint_set)
        return picture

    def to_coco(self, *, category_id: int = 1) -> list[dict[str, Any]]:
        """Return the entries of a COCO results file, with `track_id` and `rotated_box` if known.

        Known values of `file_name` and, for videos, `frame` and `time` in seconds are included.

        >>> import sspcm
        >>> model = sspcm.load("ceiling-pose")
        >>> poses = model(np.zeros((480, 640, 3), np.uint8), boxes=[[9, 9, 80, 90]])
        >>> sorted(poses.to_coco()[0])
        ['bbox', 'category_id', 'file_name', 'image_id', 'keypoints', 'score']
        """
        about: dict[str, Any] = {"image_id": self.image_id}
        if self.file_name is not None:
            about["file_name"] = self.file_name
        if self.frame is not None:
            about["frame"] = self.frame
        if self.time is not None:
            about["time"] = round(self.time, 4)
        entries = []
        for row in range(len(self)):
            entry = about | {
                "category_id": category_id,
                "keypoints": _decimals(self.keypoints[row]).ravel().tolist(),
                "score": float(self.scores[row]),
                "bbox": self.boxes[row].tolist(),
            }
            if np.isfinite(self.rotated[row]).all():
                entry["rotated_box"] = self.rotated[row].tolist()
            if self.tracks[row]:
                entry["track_id"] = int(self.tracks[row])
            entries.append(entry)
        return entries

    def to_supervision(self) -> Any:
        """Return `supervision.KeyPoints`; needs the package `supervision`, 0.28 or newer."""
        try:
            key_points = importlib.import_module("supervision").KeyPoints
        except ImportError:
            raise InputError("to_supervision needs the package supervision: install it") from None
        return key_points(
            xy=self.keypoints[..., :2].astype(np.float32),
            keypoint_confidence=self.keypoints[..., 2].astype(np.float32),
            detection_confidence=self.scores.astype(np.float32),
            class_id=np.zeros(len(self), dtype=int),
            data={"box": self.boxes, "track_id": self.tracks},
        )

    def to_fiftyone(self) -> fiftyone.Keypoints:
        """Return FiftyOne's `Keypoints`, points relative to the frame; needs the extra `browse`."""
        try:
            import fiftyone
        except ImportError:
            raise InputError(
                "to_fiftyone needs FiftyOne: install the extra 'browse' "
                "(pip install 'wepdtof-pose[browse]')"
            ) from None
        size = np.array(self.size, dtype=np.float64)
        labels = []
        for row in range(len(self)):
            points = self.keypoints[row, :, :2].astype(np.float64) / size
            labels.append(
                fiftyone.Keypoint(
                    label="person",
                    points=points.tolist(),
                    confidence=self.keypoints[row, :, 2].astype(float).tolist(),
                    index=int(self.tracks[row]) or None,
                    pose_score=float(self.scores[row]),
                )
            )
        return fiftyone.Keypoints(keypoints=labels)


def _decimals(keypoints: np.ndarray) -> np.ndarray:
    return keypoints.astype(np.float64).round(3)
