"""Predict poses on images, folders and videos: a COCO results file, and drawings if wanted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from tqdm import tqdm

from sspcm.data.crop_places import CropPlaces, crop_places
from sspcm.data.crop_store import CropStore, cut_window
from sspcm.inference.detections import Detections, read_detections
from sspcm.inference.frames import Frame, find_sources, read_frames
from sspcm.inference.networks import TrainedNetworks
from sspcm.inference.pictures import PoseWriter, draw_poses
from sspcm.inference.scores import NMS_THRESHOLD, RESCORE_THRESHOLD, crop_areas
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import replacing_folder
from wepdtof_pose.geometry import clip_boxes
from wepdtof_pose.scores.predictions import Predictions, rescore, suppress, to_results

RESULTS = "predictions.json"
DRAWINGS = "drawings"
FRAMES_AT_ONCE = 16
"""Most frames that are held in memory."""


@dataclass(frozen=True)
class PredictionCount:
    """What was read and written.

    Attributes:
        frames: read.
        poses: written.
        bare: poses without a joint that is sure enough to be drawn.
    """

    frames: int
    poses: int
    bare: int


def predict_inputs(
    networks: TrainedNetworks,
    inputs: Sequence[Path],
    out: Path,
    *,
    boxes: Path | None = None,
    box_threshold: float = 0.0,
    draw: bool = False,
    joint_threshold: float = RESCORE_THRESHOLD,
) -> PredictionCount:
    """Predict with the reported network and write the folder `out`, whole or not at all.

    It gets `predictions.json`, a COCO results file whose entries also have `file_name` (and
    `frame`, from 1 on, in a video), and with `draw` the folder `drawings`. Frames are decoded once
    and few are held at a time. Scores and suppression are those of the evaluation.

    Args:
        networks: see `sspcm.inference.open`.
        inputs: images, folders of images and videos, video files.
        out: a folder that is new or empty.
        boxes: a COCO results file; boxes belong to a frame by its file name or image id (see
            `frame_sources`). Without one, each whole frame is one person.
        box_threshold: boxes with a lower score are not used.
        draw: write the frames with boxes and skeletons.
        joint_threshold: joints with a lower score are not drawn.

    Raises:
        InputError: an input or the box file cannot be read, no box belongs to any frame or all that
            do are left out, or `out` holds something.
    """
    _require_new(out)
    sources = find_sources(inputs)
    detections = None if boxes is None else read_detections(boxes)
    frames = matched = boxed = poses = bare = 0
    with replacing_folder(out, allowed=_require_new) as folder, ExitStack() as stack:
        stream = stack.enter_context((folder / RESULTS).open("w", encoding="utf-8"))
        results = _ResultsStream(stream)
        pictures = stack.enter_context(PoseWriter(folder / DRAWINGS)) if draw else None
        decoded = (frame for source in sources for frame in read_frames(source))
        bar = tqdm(decoded, desc="frames", unit="", disable=None, leave=False)
        for group in _groups(networks, bar, detections, box_threshold, keep_images=draw):
            predictions = _predict(networks, group)
            frames += len(group.frames)
            if detections is not None:
                matched += sum(len(detections.rows_of(frame.keys)) for frame in group.frames)
            boxed += len(group)
            poses += len(predictions)
            bare += int((predictions.keypoints[..., 2] < joint_threshold).all(axis=1).sum())
            for place, frame in enumerate(group.frames):
                found = predictions.select(predictions.frame_ids == place)
                results.write(frame, found)
                if pictures is not None:
                    assert found.boxes is not None
                    draw_poses(
                        frame.image,
                        found.keypoints,
                        found.boxes,
                        networks.keypoint_set,
                        threshold=joint_threshold,
                    )
                    pictures.write(frame)
            # Let this group's images go before the next group's are decoded.
            del group, frame
        if matched and not boxed:
            raise InputError(
                f"{boxes}: the {matched} boxes that belong to the {frames} frames all score less "
                f"than --box-threshold {box_threshold:g} or lie outside their frame"
            )
        if detections is not None and not boxed:
            raise InputError(
                f"{boxes}: no box belongs to any of the {frames} frames: boxes are found by file "
                "name or image id (the file name without suffix, or its number)"
            )
        results.close()
    return PredictionCount(frames, poses, bare)


def _require_new(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: is there already and not an empty folder; name another with -o")


@dataclass(frozen=True)
class _Group:
    """Some frames, and all their people: boxes (n, 4), scores (n,), crops, frame places (n,)."""

    frames: list[Frame]
    boxes: np.ndarray
    scores: np.ndarray
    places: np.ndarray
    crops: CropStore

    def __len__(self) -> int:
        return len(self.boxes)


def _groups(
    networks: TrainedNetworks,
    frames: Iterable[Frame],
    detections: Detections | None,
    box_threshold: float,
    *,
    keep_images: bool,
) -> Iterator[_Group]:
    """Frames in groups that fill a batch; without drawing, an image is let go once it is cut."""
    held: list[Frame] = []
    parts: list[tuple[np.ndarray, ...]] = []
    for frame in frames:
        parts.append(_cut(networks, frame, detections, box_threshold))
        held.append(frame if keep_images else _without_image(frame))
        people = sum(len(part[0]) for part in parts)
        if len(held) == FRAMES_AT_ONCE or people >= networks.evaluation.batch_size:
            yield _join(networks, held, parts)
            held, parts = [], []
    if held:
        yield _join(networks, held, parts)


def _cut(
    networks: TrainedNetworks, frame: Frame, detections: Detections | None, box_threshold: float
) -> tuple[np.ndarray, ...]:
    """Of a frame: boxes (n, 4), scores, places (centres, scales, rotations) and RGB crops."""
    height, width = frame.image.shape[:2]
    if detections is None:
        boxes, scores = np.array([[0.0, 0.0, width, height]]), np.ones(1)
    else:
        rows = detections.rows_of(frame.keys)
        rows = rows[detections.scores[rows] >= box_threshold]
        boxes, scores = detections.boxes[rows], detections.scores[rows]
    sizes = np.array([width, height])
    _, kept = clip_boxes(boxes, sizes)
    size = networks.crop_size
    places = crop_places(boxes[kept], sizes, size, upright=networks.upright)
    matrices = places.matrices(size, size)
    crops = np.zeros((len(matrices), size[1], size[0], 3), dtype=np.uint8)
    for crop, matrix in zip(crops, matrices, strict=True):
        crop[:] = cut_window(frame.image, matrix, size)[..., ::-1]
    return boxes[kept], scores[kept], places.center, places.scale, places.rotation, crops


def _join(
    networks: TrainedNetworks, frames: list[Frame], parts: list[tuple[np.ndarray, ...]]
) -> _Group:
    boxes, scores, center, scale, rotation, pixels = map(np.concatenate, zip(*parts, strict=True))
    return _Group(
        frames=frames,
        boxes=boxes,
        scores=scores,
        places=np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts]),
        crops=CropStore(
            pixels=pixels,
            keypoints=np.zeros((len(boxes), 0, 3), dtype=np.float32),
            places=CropPlaces(center, scale, rotation),
            crop_size=networks.crop_size,
        ),
    )


def _predict(networks: TrainedNetworks, group: _Group) -> Predictions:
    """Poses of a group of frames; `frame_ids` are places in the group."""
    joints = networks.keypoint_set
    keypoints = np.zeros((0, len(joints), 3), dtype=np.float32)
    if len(group):
        keypoints = networks.predict(group.crops)[networks.reported]
    predictions = rescore(
        Predictions(group.places, keypoints, group.scores, boxes=group.boxes), RESCORE_THRESHOLD
    )
    if joints.sigmas is None:
        return predictions
    return suppress(
        predictions, crop_areas(group.crops.places), joints.require_sigmas(), NMS_THRESHOLD
    )


def _without_image(frame: Frame) -> Frame:
    return Frame(frame.source, np.zeros((0, 0, 3), dtype=np.uint8), frame.number, frame.fps)


class _ResultsStream:
    """A JSON list, an entry a line, written as it comes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._opening = "[\n"

    def write(self, frame: Frame, predictions: Predictions) -> None:
        for entry in to_results(predictions):
            row: dict[str, Any] = {"image_id": frame.image_id, "file_name": frame.source.name}
            if frame.number is not None:
                row["frame"] = frame.number
            row |= {key: value for key, value in entry.items() if key != "image_id"}
            self._stream.write(self._opening + json.dumps(row, allow_nan=False))
            self._opening = ",\n"

    def close(self) -> None:
        self._stream.write("\n]\n" if self._opening == ",\n" else "[]\n")
