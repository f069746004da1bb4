"""From frames to poses: find boxes, cut crops, run networks, and map coordinates back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sspcm.choices import Up
from sspcm.data.crop_places import CropPlaces, crop_places
from sspcm.data.crop_store import CropStore, cut_window
from sspcm.data.detection_forms import require_sides
from sspcm.data.detections import TWICE, Detections, FrameBoxes, frame_boxes, plain, repeated
from sspcm.inference.frames import Frame, Source
from sspcm.inference.networks import TrainedNetworks
from sspcm.inference.poses import Poses
from sspcm.inference.scores import NMS_THRESHOLD, RESCORE_THRESHOLD, crop_areas
from wepdtof_pose.errors import InputError, counted
from wepdtof_pose.scores.predictions import Predictions, rescore, suppress

FRAMES_AT_ONCE = 16
"""Maximum number of frames held in memory."""

_TELLING = 500
"""Boxes after which it has shown whether they are x, y, w, h."""


class FruitlessError(InputError):
    """Everything was read, but there is nothing to write."""


class Finder(Protocol):
    """Finds people in whole frames.

    One whose work can go on after a stop also has `record`: a dictionary, for JSON, of what decides
    which people it finds. Work that another finder began is not gone on with.
    """

    def find(self, images: list[np.ndarray]) -> list[np.ndarray]:
        """Return an array (people, 6) for each image (height, width, 3) uint8 BGR: cx, cy, w, h in
        pixels, the angle in degrees clockwise from up, and a score."""


class BoxSource(Protocol):
    """Gives the boxes of the people on a frame."""

    def boxes(self, frame: Frame) -> FrameBoxes:
        """Return the boxes of the people, all of them at least partly on the frame."""


@dataclass
class WholeFrames:
    """Treats each whole frame as one person.

    Attributes:
        too_small: frames so far that are one pixel wide or high, and hold nobody.
    """

    too_small: int = 0

    def boxes(self, frame: Frame) -> FrameBoxes:
        """Return the whole frame as one box, or none for a frame that is too small."""
        height, width = frame.image.shape[:2]
        found = frame_boxes([[0.0, 0.0, width, height]])
        inside = found.on_frame((width, height))
        self.too_small += int((~inside).sum())
        return found.select(inside)


@dataclass
class GivenBoxes:
    """Boxes of a detection file, and counts of their use.

    Attributes:
        detections: the boxes.
        threshold: boxes with a lower score are not used.
        frames: frames asked for so far.
        frames_with_boxes: how many of them have a usable box.
        low: boxes on these frames that score below the threshold.
        outside: boxes that lie entirely outside their frame.
        twice: boxes that are on their frame already, with the same numbers; they are not used.
    """

    detections: Detections
    threshold: float = 0.0
    frames: int = 0
    frames_with_boxes: int = 0
    low: int = 0
    outside: int = 0
    twice: int = 0

    def __post_init__(self) -> None:
        self._matched = np.zeros(len(self.detections), dtype=bool)
        self._first = np.zeros((0, 11))

    def boxes(self, frame: Frame) -> FrameBoxes:
        """Return the file's boxes on the frame.

        Raises:
            InputError: the file says that the image has another size.
            FruitlessError: the boxes so far are two corners each.
        """
        height, width = frame.image.shape[:2]
        return self._used(frame, width, height)

    def _used(self, frame: Frame, width: int, height: int) -> FrameBoxes:
        rows = self.detections.rows_of(frame.keys)
        self._matched[rows] = True
        found = self.detections.of_rows(rows, np.array([width, height], dtype=np.float64))
        self._require_sides(found, width, height)
        twice = repeated(np.zeros(len(found)), found)
        found = found.select(~twice)
        high = found.scores >= self.threshold
        inside = found.on_frame((width, height))
        self.frames += 1
        self.twice += int(twice.sum())
        self.low += int((~high).sum())
        self.outside += int((high & ~inside).sum())
        self.frames_with_boxes += bool((high & inside).any())
        return found.select(high & inside)

    def _require_sides(self, found: FrameBoxes, width: int, height: int) -> None:
        if len(self._first) >= _TELLING:
            return
        size = np.tile([width, height], (len(found), 1))
        self._first = np.concatenate([self._first, np.hstack([found.boxes, found.rotated, size])])
        try:
            boxes, rotated, sizes = np.split(self._first, [4, 9], axis=1)
            require_sides(boxes, rotated, sizes, self.detections.source)
        except InputError as error:
            raise FruitlessError(str(error)) from None

    def count_before(self, source: Source, number: int | None, size: tuple[int, int]) -> None:
        """Count a frame (width, height) whose boxes were used in an earlier call."""
        self._used(Frame(source, np.zeros((0, 0, 3), dtype=np.uint8), number), *size)

    def require_used(self) -> None:
        """Refuse boxes of which none was usable on any frame so far.

        Raises:
            FruitlessError: none belongs to a frame, or none of those that do can be used.
        """
        if self.frames_with_boxes:
            return
        source, frames = self.detections.source, counted(self.frames, "frame")
        if not self.matched:
            raise FruitlessError(
                f"{source}: no box belongs to the {frames}: boxes are found by file name or "
                "image id (the file name without suffix, or its number)"
            )
        raise FruitlessError(
            f"{source}: the {self.matched} boxes that belong to the {frames} score less than "
            f"--box-threshold {self.threshold:g} or lie outside their frame"
        )

    @property
    def matched(self) -> int:
        """Boxes that lie on one of the frames."""
        return int(self._matched.sum())

    def record(self) -> dict[str, int]:
        """Return the counts as JSON values."""
        return {
            "images": self.frames,
            "images_with_boxes": self.frames_with_boxes,
            "boxes": len(self.detections),
            "on_no_image": len(self.detections) - self.matched,
            "outside_their_frame": self.outside,
            "boxes below the threshold": self.low,
            TWICE: self.twice,
            **self.detections.left_out,
        }


@dataclass(frozen=True)
class FoundBoxes:
    """Boxes of a finder network that score at least the threshold."""

    finder: Finder
    threshold: float = 0.0

    def boxes(self, frame: Frame) -> FrameBoxes:
        """Return the people that the finder detects."""
        height, width = frame.image.shape[:2]
        found = frame_boxes(found_on(self.finder, frame.image))
        return found.select((found.scores >= self.threshold) & found.on_frame((width, height)))


def require_boxes(networks: TrainedNetworks, people: BoxSource) -> None:
    """Refuse whole frames for networks that were trained on turned crops."""
    if networks.upright and isinstance(people, WholeFrames):
        raise InputError(
            f"{networks.record['source']}: was trained on turned crops of single people and cannot "
            "take whole frames: name the people's boxes with --boxes, or a network that finds them "
            "with --finder"
        )


def asked(
    networks: TrainedNetworks, inputs: Sequence[Path], options: object, finder: Finder | None
) -> dict[str, Any]:
    """Return what a call must share with the unfinished one that it goes on with, for JSON."""
    return {
        "networks": networks.record,
        "network": networks.reported,
        "inputs": [str(path) for path in inputs],
        "finder": None if finder is None else record_of(finder),
        **{
            name: str(value) if isinstance(value, Path) else value
            for name, value in vars(options).items()
        },
    }


def found_on(finder: Finder, image: np.ndarray) -> np.ndarray:
    """Return the people (people, 6) that a finder finds on an image.

    Raises:
        InputError: it gives something else (see `Finder`).
    """
    found = finder.find([image])
    try:
        (boxes,) = (np.asarray(plain(one), dtype=np.float64) for one in found)
    except (TypeError, ValueError):
        boxes = np.zeros(1)
    if boxes.shape == (0,):
        boxes = boxes.reshape(0, 6)
    if boxes.ndim != 2 or boxes.shape[1] != 6 or not np.isfinite(boxes).all():
        raise InputError(
            f"the finder {type(finder).__name__} must give, for each image, one array (people, 6) "
            "of finite cx, cy, w, h, angle and score"
        )
    return boxes


def record_of(finder: Finder) -> dict[str, Any]:
    """Return what decides which people a finder finds, for JSON.

    Raises:
        InputError: it does not say so.
    """
    record: Any = getattr(finder, "record", None)
    try:
        usable = isinstance(record, dict) and bool(json.dumps(record, allow_nan=False))
    except (TypeError, ValueError):
        usable = False
    if usable:
        return record
    raise InputError(
        f"the finder {type(finder).__name__} has no usable attribute 'record': give it a "
        "dictionary for JSON of what decides which people it finds (file, threshold, ...), by "
        "which work that was stopped is known again"
    )


def poses_of_frames(
    networks: TrainedNetworks,
    frames: Iterable[Frame],
    people: BoxSource,
    *,
    up: Up | None = None,
    keep_images: bool = False,
    end_group: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Frame, Poses]]:
    """Yield the frames with their poses, in order, holding few frames in memory.

    Scores and suppression of duplicates are those of the evaluation.

    Args:
        networks: the reported one is used.
        frames: each is decoded once.
        people: gives the boxes of the people.
        up: the direction that points up in turned crops; as the networks were trained if None.
        keep_images: keep the pixels of the frames rather than release them once crops are cut.
        end_group: called when the caller is done with all frames that went through the networks at
            once.
    """
    held: list[Frame] = []
    parts: list[_Cut] = []
    for frame in frames:
        parts.append(_cut(networks, frame.image, people.boxes(frame), up))
        held.append(frame if keep_images else _without_image(frame))
        del frame
        count = sum(len(part.boxes) for part in parts)
        if len(held) == FRAMES_AT_ONCE or count >= networks.evaluation.batch_size:
            yield from _predict(networks, held, parts)
            end_group()
            held, parts = [], []
    if held:
        yield from _predict(networks, held, parts)
        end_group()


@dataclass(frozen=True)
class _Cut:
    """The people of one frame: boxes, places of the plain crops, RGB crops (looks, people, H, W, 3)
    and frame size."""

    boxes: FrameBoxes
    places: CropPlaces
    crops: np.ndarray
    size: tuple[int, int]


def _cut(networks: TrainedNetworks, image: np.ndarray, boxes: FrameBoxes, up: Up | None) -> _Cut:
    height, width = image.shape[:2]
    size = networks.crop_size
    places = crop_places(
        boxes.boxes,
        np.array([width, height]),
        size,
        upright=networks.upright,
        up=networks.up if up is None else up,
        rotated=boxes.rotated,
    )
    looks = networks.looks
    crops = np.zeros((len(looks), len(boxes), size[1], size[0], 3), dtype=np.uint8)
    for look, of_look in zip(looks, crops, strict=True):
        matrices = places.grown(look.size).matrices(size, size)
        for crop, matrix in zip(of_look, matrices, strict=True):
            crop[:] = cut_window(image, matrix, size)[..., ::-1]
    return _Cut(boxes, places, crops, (width, height))


def joints_in(
    networks: TrainedNetworks, image: np.ndarray, boxes: FrameBoxes, *, up: Up | None = None
) -> np.ndarray:
    """Return joints (people, joints, 3) of the people in boxes: x, y in pixels, and the score.

    Args:
        networks: the reported one is used.
        image: (height, width, 3) uint8 BGR.
        boxes: where the people are.
        up: the direction that points up in turned crops; as the networks were trained if None.
    """
    return _joints(networks, [_cut(networks, image, boxes, up)])[0]


def _joints(networks: TrainedNetworks, parts: list[_Cut]) -> tuple[np.ndarray, CropPlaces]:
    """Return the joints of all people, and the places of their crops."""
    places = CropPlaces(
        np.concatenate([part.places.center for part in parts]),
        np.concatenate([part.places.scale for part in parts]),
        np.concatenate([part.places.rotation for part in parts]),
    )
    if not len(places.scale):
        return np.zeros((0, len(networks.keypoint_set), 3), dtype=np.float32), places
    crops = [
        CropStore(
            pixels=np.concatenate([part.crops[number] for part in parts]),
            keypoints=np.zeros((len(places.scale), 0, 3), dtype=np.float32),
            places=places.grown(look.size),
            crop_size=networks.crop_size,
        )
        for number, look in enumerate(networks.looks)
    ]
    return networks.predict(crops)[networks.reported], places


def _predict(
    networks: TrainedNetworks, frames: list[Frame], parts: list[_Cut]
) -> Iterator[tuple[Frame, Poses]]:
    joints = networks.keypoint_set
    rotated = np.concatenate([part.boxes.rotated for part in parts])
    keypoints, places = _joints(networks, parts)
    predictions = rescore(
        Predictions(
            frame_ids=np.repeat(np.arange(len(parts)), [len(part.boxes) for part in parts]),
            keypoints=keypoints,
            scores=np.concatenate([part.boxes.scores for part in parts]),
            boxes=np.concatenate([part.boxes.boxes for part in parts]),
            people=np.arange(len(rotated)),
        ),
        RESCORE_THRESHOLD,
    )
    if joints.sigmas is not None:
        predictions = suppress(
            predictions, crop_areas(places), joints.require_sigmas(), NMS_THRESHOLD
        )
    for place, (frame, part) in enumerate(zip(frames, parts, strict=True)):
        found = predictions.select(predictions.frame_ids == place)
        assert found.boxes is not None
        assert found.people is not None
        yield (
            frame,
            Poses(
                keypoints=found.keypoints,
                scores=found.scores,
                boxes=found.boxes,
                rotated=rotated[found.people],
                tracks=np.zeros(len(found), dtype=np.int64),
                keypoint_set=joints,
                size=part.size,
                image_id=frame.image_id,
                file_name=frame.source.name,
                frame=frame.number,
                time=frame.time,
                image=frame.image if frame.image.size else None,
            ),
        )


def _without_image(frame: Frame) -> Frame:
    nothing = np.zeros((0, 0, 3), dtype=np.uint8)
    return Frame(frame.source, nothing, frame.number, frame.rate, frame.time)
