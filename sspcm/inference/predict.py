"""Predict poses in images, folders and videos, and write them to a folder.

During the work the folder holds a journal with one line per frame: if the program is stopped, no
prediction is lost, and the same command continues after the last finished input. The files that
users read are written at the end, each whole or not at all.
"""

from __future__ import annotations

import csv
import json
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
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
from sspcm.inference.tracks import IMAGE_STEP, Tracker, numbered, smoothed
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
        if self.smooth < 0:
            raise InputError(f"smoothing over {self.smooth} seconds: must be 0 or more")
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

    Unreadable inputs are left out and counted. The same call on the same folder continues with the
    inputs that were unfinished or unreadable.

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
        sequences = _sequences(found.sources) if options.track else {}
        journal = stack.enter_context(
            Journal(out, asked, found.sources, sequences, averaged=options.smooth > 0)
        )
        todo = [source for source in found.sources if source.name not in journal.done]
        count.notes += journal.notes
        if done := len(found.sources) - len(todo):
            count.notes.append(f"{out}: goes on after {counted(done, 'input')} done before")
        count.frames_before = sum(record["frames"] for record in journal.done.values())
        if isinstance(people, GivenBoxes):
            for source in found.sources:
                for number, size in journal.frames_before(source):
                    people.count_before(source, number, size)
        started = time.perf_counter()
        tracks = _Tracks(
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
    tracks: _Tracks,
) -> None:
    readers = [FrameReader(source) for source in sources]
    with ExitStack() as stack:
        pictures = stack.enter_context(PoseWriter(out / DRAWINGS)) if options.draw else None
        bar = stack.enter_context(
            tqdm(total=_frames_in(readers), desc="frames", unit="", disable=None, leave=False)
        )
        decoded = _decoded(readers, journal)
        stream = poses_of_frames(networks, decoded, people, up=options.up, keep_images=options.draw)
        for frame, poses in tracks.of(stream) if options.track else stream:
            journal.finish_before(frame.source, readers)
            journal.add(frame, poses)
            bar.update()
            if pictures is not None:
                picture = poses.draw(frame.image, threshold=options.joint_threshold)
                pictures.write(frame, picture)
            # Release this frame's pixels before the next group is decoded.
            del frame, poses
        journal.finish_before(None, readers)


def _decoded(readers: list[FrameReader], journal: Journal) -> Iterator[Frame]:
    for reader in readers:
        journal.begin(reader.source)
        yield from reader


@dataclass(frozen=True)
class _Tracks:
    """Numbers people, and smooths their joints, along videos and numbered images.

    Attributes:
        sequences: by source name, the video or the images to which it belongs.
        smooth: standard deviation, in seconds, of the average over time; 0 for none.
        before: returns the poses on the images of a sequence that an earlier call predicted.
    """

    sequences: dict[str, str]
    smooth: float
    before: Callable[[str], Iterator[Poses]]
    _trackers: dict[str, Tracker] = field(default_factory=dict)

    def of(self, stream: Iterable[tuple[Frame, Poses]]) -> Iterator[tuple[Frame, Poses]]:
        """Yield frames and poses with track numbers, smoothed if asked for."""
        for key, group in _runs(stream, self.sequences):
            if key is None:
                yield from group
            elif self.smooth:
                yield from smoothed(numbered(group), self.smooth)
            else:
                for frame, poses, _ in numbered(group, self._tracker(key)):
                    yield frame, poses
                    del frame, poses

    def _tracker(self, key: str) -> Tracker:
        """Return what tracks a sequence, which other inputs may interrupt."""
        if key not in self._trackers:
            tracker = self._trackers[key] = Tracker()
            for poses in self.before(key):
                tracker.update(poses, tracker.frames * IMAGE_STEP)
        return self._trackers[key]


def _before(
    sources: list[Source],
    sequences: dict[str, str],
    journal: Journal,
    networks: TrainedNetworks,
    key: str,
) -> Iterator[Poses]:
    """Yield the poses on the images of a sequence that an earlier call predicted."""
    for source in sources:
        if sequences.get(source.name) == key:
            yield from journal.poses_before(source, networks.keypoint_set)


def _runs(
    stream: Iterable[tuple[Frame, Poses]], sequences: dict[str, str]
) -> Iterator[tuple[str | None, Iterator[tuple[Frame, Poses]]]]:
    """Yield the frames in runs: each video or image sequence is one run, as are frames between."""
    source = iter(stream)
    ahead: list[tuple[Frame, Poses]] = []

    def run_of(key: str | None) -> Iterator[tuple[Frame, Poses]]:
        while True:
            item = ahead.pop() if ahead else next(source, None)
            if item is None:
                return
            if sequences.get(item[0].source.name) != key:
                ahead.append(item)
                return
            yield item
            del item

    while True:
        item = ahead.pop() if ahead else next(source, None)
        if item is None:
            return
        key = sequences.get(item[0].source.name)
        ahead.append(item)
        del item
        yield key, run_of(key)


def _sequences(sources: list[Source]) -> dict[str, str]:
    """Return, by source name, its sequence: a video, or numbered images of one folder."""
    of_name: dict[str, str] = {}
    images: dict[str, list[str]] = defaultdict(list)
    for source in sources:
        if source.kind != "image":
            of_name[source.name] = source.name
            continue
        stem = source.path.stem
        prefix = stem.rstrip("0123456789")
        if prefix != stem:
            images[f"{source.path.parent}/{prefix}"].append(source.name)
    for key, names in images.items():
        if len(names) > 1:
            of_name |= dict.fromkeys(names, key)
    return of_name


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
        finished = any('"end"' in line and '"problem": null' in line for line in stream)
    if finished and not isinstance(error, FruitlessError):
        return
    shutil.rmtree(out, ignore_errors=True)
    if existed:
        out.mkdir()


def _cell(text: str) -> str:
    """Return the text in a form that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in "=+-@\t\r" else text


def _blank(value: Any) -> Any:
    return "" if value is None else value
