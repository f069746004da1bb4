"""Predict poses in images, folders and videos, and write them to a folder.

During the work the folder holds a journal with one line per frame: if the program is stopped, no
prediction is lost, and the same command goes on, within a video too. The files that users read are
written at the end, each whole or not at all.
"""

from __future__ import annotations

import csv
import json
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sspcm.choices import Up
from sspcm.data.detections import read_detections
from sspcm.inference.chain import (
    BoxSource,
    Finder,
    FoundBoxes,
    FruitlessError,
    GivenBoxes,
    WholeFrames,
    asked,
    poses_of_frames,
    require_boxes,
)
from sspcm.inference.drafts import DRAFT_FORMATS, DraftFrame, draft_dataset, write_drafts
from sspcm.inference.frames import Frame, FrameReader, Source, find_sources
from sspcm.inference.journal import JOURNAL, Journal, files_of_boxes, hash_of_files
from sspcm.inference.networks import TrainedNetworks
from sspcm.inference.pictures import PoseWriter
from sspcm.inference.poses import JOINT_THRESHOLD, Poses
from sspcm.inference.tracks import Numbering, sequences_of
from wepdtof_pose.errors import InputError, counted
from wepdtof_pose.files import make_folder, replacing, write_json
from wepdtof_pose.keypoints import KeypointSet
from wepdtof_pose.locks import exclusive

RESULTS = "predictions.json"
JOINTS = "joints.csv"
FRAMES = "frames.csv"
SUMMARY = "summary.json"
DRAWINGS = "drawings"
DRAFTS = "drafts"


@dataclass(frozen=True)
class PredictionOptions:
    """How poses are predicted and written.

    Attributes:
        boxes: a file of boxes (see `read_detections`); they belong to a frame by its file name or
            image id.
        category: id or name of the category of people in that file.
        angles: unit of its angles (see `read_detections`).
        threshold: boxes with a lower score are not used.
        up: the direction that points up in turned crops; as the networks were trained if None.
        track: number people through videos and through numbered images of one folder.
        smooth: standard deviation, in seconds, of the average over time along each track; 0 for no
            smoothing.
        drafts: also write the poses as labels to correct, in one of `drafts.DRAFT_FORMATS`.
        draw: also write the frames with boxes and skeletons.
        joint_threshold: joints with a lower score are neither drawn nor labelled in drafts.
    """

    boxes: Path | None = None
    category: str | None = None
    angles: str | None = None
    threshold: float = 0.0
    up: Up | None = None
    track: bool = True
    smooth: float = 0.0
    drafts: str | None = None
    draw: bool = False
    joint_threshold: float = JOINT_THRESHOLD

    def __post_init__(self) -> None:
        if self.drafts is not None and self.drafts not in DRAFT_FORMATS:
            raise InputError(
                f"unknown form of drafts {self.drafts!r}: one of {', '.join(DRAFT_FORMATS)}"
            )
        if not 0 <= self.smooth < math.inf:
            raise InputError(f"smoothing over {self.smooth} seconds: must be 0 or more, and finite")
        if self.smooth and not self.track:
            raise InputError("smoothing goes along tracks: not without tracking")


@dataclass
class PredictionCount:
    """Counts of a prediction.

    Attributes:
        frames: frames read.
        poses: poses written.
        bare: poses without a joint that scores high enough to be drawn.
        frames_before: how many of the frames an earlier call had read.
        seconds: duration of the work on the others.
        left_out: files in folders that are neither images nor videos, by suffix.
        boxes: how many given boxes were used, and why others were not; None without given boxes.
        problems: one line for each input that could not be read.
        notes: further remarks, one line each.
    """

    frames: int = 0
    poses: int = 0
    bare: int = 0
    frames_before: int = 0
    seconds: float = 0.0
    left_out: dict[str, int] = field(default_factory=dict)
    boxes: dict[str, int] | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def predict_inputs(
    networks: TrainedNetworks,
    inputs: Sequence[Path],
    out: Path,
    options: PredictionOptions | None = None,
    *,
    finder: Finder | None = None,
) -> PredictionCount:
    """Predict with the reported network and write the folder `out`.

    The folder gets `predictions.json`, a COCO results file whose entries also have `file_name`,
    `track_id`, `rotated_box`, and for videos `frame` (from 1) and `time` in seconds; `joints.csv`,
    the same as a table with one row per pose; `frames.csv`, the number of people on each frame;
    `summary.json`, which says what was read and what could not be read; and with `options.draw` the
    folder `drawings`. Frames are decoded once, and few are held in memory. Scores and suppression
    are those of the evaluation.

    Unreadable inputs are left out and counted. The same call on the same folder goes on with what
    was unfinished or unreadable; with `options.smooth` a video begins again.

    Args:
        networks: see `sspcm.inference.open`.
        inputs: images, folders of images and videos, video files.
        out: a folder that is new or empty, or that the same call began.
        options: how to predict and what to write.
        finder: finds people if no boxes are given; without finder and boxes, each whole frame is
            one person.

    Raises:
        InputError: an input is missing, nothing can be read, the boxes cannot be read, no usable
            box belongs to a frame, `out` holds something else, or the networks cannot take whole
            frames.
    """
    options = options or PredictionOptions()
    found = find_sources(inputs)
    film = next((source for source in found.sources if source.kind != "image"), None)
    if options.drafts is not None and film is not None:
        raise InputError(f"{film.path}: drafts are of images: take frames out of it first")
    people = _box_source(options, finder)
    require_boxes(networks, people)
    asked = _heading(networks, inputs, options, finder)
    count = PredictionCount(left_out=found.left_out)
    make_folder(out.parent)
    with ExitStack() as stack:
        stack.enter_context(exclusive(out))
        existed = out.exists()
        if not existed or (out.is_dir() and not any(out.iterdir())):
            stack.push(partial(_remove_fruitless, out, existed))
        sequences = sequences_of(found.sources) if options.track else {}
        journal = stack.enter_context(
            Journal(out, asked, found.sources, sequences, averaged=options.smooth > 0)
        )
        todo = [source for source in found.sources if source.name not in journal.done]
        count.notes += journal.notes
        if before := _done_before(journal):
            count.notes.append(f"{out}: goes on after {before} done before")
        count.frames_before = journal.frames_of_begun
        count.frames_before += sum(record["frames"] for record in journal.done.values())
        if isinstance(people, GivenBoxes):
            for source in found.sources:
                for number, size in journal.frames_before(source):
                    people.count_before(source, number, size)
        started = time.perf_counter()
        tracks = Numbering(
            sequences, options.smooth, partial(_before, found.sources, sequences, journal, networks)
        )
        _predict(networks, todo, people, options, journal, out, tracks)
        count.seconds = time.perf_counter() - started
        if isinstance(people, GivenBoxes):
            count.boxes = people.record()
        if isinstance(people, WholeFrames) and people.too_small:
            frames = counted(people.too_small, "frame")
            count.notes.append(f"nobody on {frames} of one pixel in width or height")
        records = [journal.done[source.name] for source in found.sources]
        _require_something(records, people, count)
        _write_files(out, found.sources, journal, networks, options, count)
    return count


def _box_source(options: PredictionOptions, finder: Finder | None) -> BoxSource:
    if options.boxes is not None:
        found = read_detections(options.boxes, category=options.category, angles=options.angles)
        return GivenBoxes(found, options.threshold)
    return WholeFrames() if finder is None else FoundBoxes(finder, options.threshold)


def _predict(
    networks: TrainedNetworks,
    sources: list[Source],
    people: BoxSource,
    options: PredictionOptions,
    journal: Journal,
    out: Path,
    tracks: Numbering,
) -> None:
    readers = [FrameReader(source) for source in sources]
    with ExitStack() as stack:
        pictures = stack.enter_context(PoseWriter(out / DRAWINGS)) if options.draw else None
        bar = stack.enter_context(
            tqdm(total=_frames_in(readers), desc="frames", unit="", disable=None, leave=False)
        )
        stream = _poses(networks, readers, people, options, journal)
        for frame, poses in tracks.of(stream) if options.track else stream:
            if pictures is not None:  # An input is at its end once it is drawn.
                pictures.finish_before(frame.source)
            journal.finish_before(frame.source, readers)
            journal.add(frame, poses)
            bar.update()
            if pictures is not None:
                picture = poses.draw(frame.image, threshold=options.joint_threshold)
                pictures.write(frame, picture)
            # Release this frame's pixels before the next group is decoded.
            del frame, poses
    journal.finish_before(None, readers)


def _poses(
    networks: TrainedNetworks,
    readers: list[FrameReader],
    people: BoxSource,
    options: PredictionOptions,
    journal: Journal,
) -> Iterator[tuple[Frame, Poses]]:
    """Yield the frames with poses; those predicted before a stop are taken from the journal."""
    predicted = partial(
        poses_of_frames,
        networks,
        people=people,
        up=options.up,
        keep_images=options.draw,
        end_group=journal.end_group,
    )
    begun = next((n for n, reader in enumerate(readers) if reader.source is journal.begun), 0)
    # Rounded as the journal has them, so that tracks and drawings are the same after a stop.
    for frame, poses in predicted(_decoded(readers[:begun], journal)):
        yield frame, poses.rounded()
        del frame, poses
    frames = _decoded(readers[begun:], journal)
    if journal.begun is not None:
        for poses in journal.poses_before(journal.begun, networks.keypoint_set):
            yield _of_frame(next(frames, None), poses, journal.begun)
    for frame, poses in predicted(frames):
        yield frame, poses.rounded()
        del frame, poses


def _of_frame(frame: Frame | None, poses: Poses, source: Source) -> tuple[Frame, Poses]:
    """Return a frame with the poses predicted on it before a stop."""
    if frame is None or (frame.source, frame.number) != (source, poses.frame):
        raise InputError(
            f"{source.path}: its frames are others than before the stop: name another folder with "
            "-o to begin anew"
        )
    return frame, replace(
        poses,
        image_id=frame.image_id,
        file_name=source.name,
        time=frame.time,
    )


def _done_before(journal: Journal) -> str:
    """Return in words what earlier calls have done; nothing if there is nothing."""
    parts = [counted(len(journal.done), "input")] if journal.done else []
    if journal.begun is not None:
        parts.append(f"{counted(journal.frames_of_begun, 'frame')} of {journal.begun.name}")
    return " and ".join(parts)


def _decoded(readers: list[FrameReader], journal: Journal) -> Iterator[Frame]:
    for reader in readers:
        journal.begin(reader.source)
        yield from reader


def _before(
    sources: list[Source],
    sequences: dict[str, str],
    journal: Journal,
    networks: TrainedNetworks,
    key: str,
) -> Iterator[Poses]:
    """Yield the poses on the images of a sequence that an earlier call predicted."""
    for source in sources:
        if sequences.get(source.name) == key and source is not journal.begun:
            yield from journal.poses_before(source, networks.keypoint_set)


def _frames_in(readers: list[FrameReader]) -> int | None:
    """Return how many frames the headers promise; None if one does not say."""
    counts = [reader.expected() for reader in readers]
    return None if any(count is None for count in counts) else sum(c for c in counts if c)


def _heading(
    networks: TrainedNetworks,
    inputs: Sequence[Path],
    options: PredictionOptions,
    finder: Finder | None,
) -> dict[str, Any]:
    """Return what a prediction must have in common with the unfinished one that it continues."""
    boxes = options.boxes
    return {
        **asked(networks, inputs, options, finder),
        "decoding": networks.evaluation.decoding,
        "flip_test": networks.evaluation.flip_test,
        "looks": networks.evaluation.looks,
        "boxes_hash": None if boxes is None else hash_of_files(files_of_boxes(boxes)),
    }


def _require_something(
    records: list[dict[str, Any]],
    people: BoxSource,
    count: PredictionCount,
) -> None:
    """Refuse a prediction without frames, or without a usable box on any frame."""
    count.frames = sum(record["frames"] for record in records)
    count.problems = [record["problem"] for record in records if record["problem"]]
    if not count.frames:
        raise FruitlessError(count.problems[0])
    if isinstance(people, GivenBoxes):
        people.require_used()


def _write_files(
    out: Path,
    sources: list[Source],
    journal: Journal,
    networks: TrainedNetworks,
    options: PredictionOptions,
    count: PredictionCount,
) -> None:
    """Write poses, tables, drafts and summary of all inputs; count the poses on the way."""
    joints = networks.keypoint_set
    _write_poses(out, sources, journal, joints, options.joint_threshold, count)
    if options.drafts is not None:
        frames = [
            DraftFrame(source.path, tuple(entry["size"]), entry["poses"])
            for source in sources
            for entry in journal.entries(source)
        ]
        drafts = draft_dataset(frames, joints, threshold=options.joint_threshold)
        write_drafts(drafts, out / DRAFTS, options.drafts)
    write_json(out / SUMMARY, _summary(sources, journal, count), indent=1)
    if not count.problems:
        (out / JOURNAL).unlink()


def _write_poses(
    out: Path,
    sources: list[Source],
    journal: Journal,
    keypoint_set: KeypointSet,
    threshold: float,
    count: PredictionCount,
) -> None:
    """Write the COCO results and the tables of joints and frames, entry by entry."""
    with ExitStack() as stack:
        opened = {
            name: stack.enter_context(
                stack.enter_context(replacing(out / name)).open("w", encoding="utf-8", newline="")
            )
            for name in (RESULTS, JOINTS, FRAMES)
        }
        tables = {name: csv.writer(opened[name]) for name in (JOINTS, FRAMES)}
        columns = [f"{joint}_{v}" for joint in keypoint_set.joints for v in ("x", "y", "score")]
        tables[JOINTS].writerow(["file_name", "frame", "time", "track_id", "score", *columns])
        tables[FRAMES].writerow(["file_name", "frame", "time", "people"])
        opening = "[\n"
        for source in sources:
            for entry in journal.entries(source):
                place = [_cell(source.name), _blank(entry["frame"]), _blank(entry["time"])]
                tables[FRAMES].writerow([*place, len(entry["poses"])])
                for pose in entry["poses"]:
                    opened[RESULTS].write(opening + json.dumps(pose, allow_nan=False))
                    opening = ",\n"
                    about = [_blank(pose.get("track_id")), round(pose["score"], 5)]
                    tables[JOINTS].writerow([*place, *about, *pose["keypoints"]])
                    count.poses += 1
                    count.bare += all(score < threshold for score in pose["keypoints"][2::3])
        opened[RESULTS].write("\n]\n" if opening == ",\n" else "[]\n")


def _summary(sources: list[Source], journal: Journal, count: PredictionCount) -> dict[str, Any]:
    records = [journal.done[source.name] for source in sources]
    summary = {
        **journal.heading,
        "frames": count.frames,
        "poses": count.poses,
        "inputs_read": sum(not record["problem"] for record in records),
        "inputs_not_wholly_read": len(count.problems),
        "files_left_out": count.left_out,
        "seconds": round(count.seconds, 2),
        # All videos, and all images that could not be read.
        "inputs_in_detail": [r for r in records if r["kind"] != "image" or r["problem"]],
    }
    if count.boxes is not None:
        summary["boxes_used"] = count.boxes
    return summary


def _remove_fruitless(out: Path, existed: bool, _: Any, error: Any, __: Any) -> None:
    """Remove all traces of a prediction without result; keep the folder if it existed."""
    journal = out / JOURNAL
    if error is None or not journal.is_file():
        return
    with journal.open(encoding="utf-8") as stream:
        predicted = any('"group": "end"' in line for line in stream)
    if predicted and not isinstance(error, FruitlessError):
        return
    shutil.rmtree(out, ignore_errors=True)
    if existed:
        out.mkdir()


def _cell(text: str) -> str:
    """Return the text in a form that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" else text


def _blank(value: Any) -> Any:
    return "" if value is None else value
