"""Frames of one's own camera and the boxes of the people on them, as a data set without labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
from tqdm import tqdm

from sspcm.data.detections import FrameBoxes
from sspcm.inference.chain import BoxSource, GivenBoxes
from sspcm.inference.frames import Frame, FrameReader, find_sources
from wepdtof_pose.dataset import (
    PoseDataset,
    make_frames,
    make_people,
)
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import make_folder
from wepdtof_pose.images import write_image
from wepdtof_pose.keypoints import KeypointSet


@dataclass
class OwnFrames:
    """People with boxes on frames of one's own.

    Attributes:
        people: without labels; every frame that was looked at, with or without people.
        held_out: mask (frames,) of those that nothing is learned from.
        looked_at: how many frames there were to choose from.
        counts: what was left out, and how often.
        problems: what could not be read, a line each.
    """

    people: PoseDataset
    held_out: np.ndarray
    looked_at: int
    counts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def learned_from(self) -> PoseDataset:
        """The people on frames that are not held out."""
        return _with_people(self.people, ~self.held_out)

    @property
    def measured(self) -> PoseDataset:
        """The people on held-out frames; on all frames where none is held out."""
        return _with_people(self.people, self.held_out if self.held_out.any() else ~self.held_out)


def own_frames(
    inputs: Sequence[Path],
    boxes: BoxSource,
    keypoint_set: KeypointSet,
    *,
    most: int,
    held_out: float,
    pictures: Path,
) -> OwnFrames:
    """Return frames of images, folders and videos with the people that `boxes` sees on them.

    Where there are more frames than wanted, every n-th is taken. Of each folder and video the last
    ones are held out: neighbours of a frame are near copies of it.

    Args:
        inputs: images, folders of images and videos, video files.
        boxes: says where the people are.
        keypoint_set: the joints that these people will have.
        most: frames to take.
        held_out: share of the frames that are held out; nothing of fewer than five frames.
        pictures: folder for the frames of videos, which become image files there.

    Raises:
        InputError: an input is missing, nothing can be read, or nobody is on the frames.
    """
    found = find_sources(inputs)
    readers = [FrameReader(source) for source in found.sources]
    expected = sum(reader.expected() or 0 for reader in readers)
    step = max(1, -(-expected // most))
    frames: list[_FramePeople] = []
    looked_at = 0
    with tqdm(total=expected, desc="frames", unit="", disable=None, leave=False) as bar:
        for frame in chain.from_iterable(readers):
            if looked_at % step == 0:
                frames.append(_people_of(frame, boxes, pictures))
            looked_at += 1
            bar.update()
    problems = [reader.problem for reader in readers if reader.problem]
    if not frames:
        raise InputError(f"no frame can be read: {problems[0] if problems else 'there is none'}")
    if isinstance(boxes, GivenBoxes):
        boxes.require_used()
    if not any(len(frame.boxes) for frame in frames):
        raise InputError(
            f"nobody was found on the {len(frames)} frames: name the people's boxes with --boxes, "
            "or frames with people"
        )
    counts = {
        f"{what} files" if what.startswith(".") else what: count
        for what, count in found.left_out.items()
    }
    if step > 1:
        counts[f"frames, of which every {step}. is used"] = looked_at - len(frames)
    empty = sum(not len(frame.boxes) for frame in frames)
    if empty:
        counts["frames without people"] = empty
    return OwnFrames(
        _dataset(frames, keypoint_set),
        _last_of_each(
            [str(frame.path.parent) for frame in frames],
            held_out,
            peopled=np.array([len(frame.boxes) > 0 for frame in frames]),
        ),
        looked_at,
        counts,
        problems,
    )


@dataclass(frozen=True)
class _FramePeople:
    """A frame as an image file, its (width, height) and its people.

    The files of one folder are a sequence, be they images or the frames of a video.
    """

    path: Path
    size: tuple[int, int]
    boxes: FrameBoxes


def _people_of(frame: Frame, boxes: BoxSource, pictures: Path) -> _FramePeople:
    height, width = frame.image.shape[:2]
    path = frame.source.path
    if frame.number is not None:
        path = pictures / frame.source.film / f"{frame.number:06d}.jpg"
        make_folder(path.parent)
        write_image(path, frame.image)
    return _FramePeople(path.resolve(), (width, height), boxes.boxes(frame))


def _dataset(frames: Sequence[_FramePeople], keypoint_set: KeypointSet) -> PoseDataset:
    root = Path(os.path.commonpath([frame.path.parent for frame in frames]))
    boxes = np.concatenate([frame.boxes.boxes for frame in frames])
    rotated = np.concatenate([frame.boxes.rotated for frame in frames])
    numbers = np.arange(1, len(frames) + 1)
    scores = np.concatenate([frame.boxes.scores for frame in frames])
    return PoseDataset(
        frames=make_frames(
            id=numbers,
            file_name=[frame.path.relative_to(root).as_posix() for frame in frames],
            sizes=[frame.size for frame in frames],
            scene=[frame.path.parent.relative_to(root).as_posix() for frame in frames],
        ),
        people=make_people(
            id=np.arange(1, len(boxes) + 1),
            frame_id=np.repeat(numbers, [len(frame.boxes) for frame in frames]),
            boxes=boxes,
            rotated=rotated,
            extra=[{"score": float(score)} for score in scores],
        ),
        keypoints=np.zeros((len(boxes), len(keypoint_set), 3), dtype=np.float32),
        keypoint_set=keypoint_set,
        root=root,
    )


def _last_of_each(sequences: Sequence[str], share: float, *, peopled: np.ndarray) -> np.ndarray:
    """Return the mask (frames,) of the last ones of each sequence, of about that share.

    Somebody is on them, and somebody on the others: `peopled` (frames,) says where. Of few frames
    none are chosen.
    """
    names = np.array(sequences)
    chosen = np.zeros(len(names), dtype=bool)
    if len(names) < _FEW or np.count_nonzero(peopled) < 2:
        return chosen
    for name in dict.fromkeys(sequences):
        rows = np.flatnonzero(names == name)
        chosen[rows[len(rows) - round(share * len(rows)) :]] = True
    if share and not (chosen & peopled).any():
        chosen[np.flatnonzero(peopled)[-1]] = True
    if not (peopled & ~chosen).any():
        chosen[np.flatnonzero(peopled)[0]] = False
    return chosen


def _with_people(people: PoseDataset, frames: np.ndarray) -> PoseDataset:
    """Return the people on these frames who have a usable box, and their frames."""
    chosen = people.select_frames(frames)
    return chosen.select_people(chosen.boxed())


_FEW = 5
