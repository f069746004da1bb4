"""Adapt a trained network to frames of one's own, without labels.

The network learns from drawn people, who have labels, and from people on the frames, who have only
a box (after Kim et al., "A Unified Framework for Domain Adaptive Pose Estimation", ECCV 2022, with
the parts of `sspcm_ema`). It takes the place of a burn-in. A few real labels may join the drawn
ones.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sspcm.adaptation.before_after import Measured, comparison_lines, measure, write_pictures
from sspcm.adaptation.drawn_people import draw_people, drawn_file
from sspcm.adaptation.learning import (
    learning_config,
    require_adaptable,
    style_of,
    write_start,
)
from sspcm.adaptation.own_frames import OwnFrames, own_frames
from sspcm.data.crop_store import default_cache
from sspcm.data.detections import read_detections
from sspcm.data.overlap import known_images, people_on
from sspcm.inference.chain import BoxSource, Finder, FoundBoxes, GivenBoxes, asked
from sspcm.inference.evaluate import TestPeople, load_test_people
from sspcm.inference.frames import find_sources
from sspcm.inference.journal import files_of_boxes, hash_of_files, state_of_files
from sspcm.inference.networks import TrainedNetworks
from sspcm.inference.open import open_networks
from sspcm.inference.poses import JOINT_THRESHOLD
from sspcm.runs.folder import RunFolder
from sspcm.training.train import train
from wepdtof_pose.conversion.convert import find_images, place
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError, counted, not_read
from wepdtof_pose.files import read_json, replacing_folder, write_json
from wepdtof_pose.formats.layout import counts_in_words
from wepdtof_pose.formats.loading import annotation_files, load_dataset, usual_split, write_coco
from wepdtof_pose.locks import exclusive
from wepdtof_pose.splits.hold_out import hold_out
from wepdtof_pose.synthetic.generate import STYLES

FOLDER = "adaptation"
"""Folder inside the run: what was learned from, the report, the pictures."""
REPORT = "report.json"
PICTURES = "before_after.png"
_ASKED = "asked.json"
_FRAMES = "frames"
_LABELS = "labels"
_FEW_LABELS = 10
"""Fewer labelled people than this are all learned from, and none is measured on."""


@dataclass(frozen=True)
class AdaptOptions:
    """What to adapt a network to, and for how long.

    Attributes:
        boxes: file with the boxes of the people on the frames; None asks the finder.
        category: id or name of the category of people in that file.
        angles: unit of its angles (see `read_detections`).
        box_threshold: boxes with a lower score are not used.
        labels: data set of real labels to learn from as well.
        test: data set of real labels to measure on; never learned from.
        held_out: share of the frames (and of `labels`) to measure on rather than learn from.
        frames: most frames to take; every n-th if there are more.
        people: number of drawn people to learn from.
        style: style of the drawn people (see `wepdtof_pose.generate`); None is that of the
            network's run.
        steps: optimiser steps.
        seed: of views and batches.
    """

    boxes: Path | None = None
    category: str | None = None
    angles: str | None = None
    box_threshold: float = 0.0
    labels: Path | None = None
    test: Path | None = None
    held_out: float = 0.2
    frames: int = 200
    people: int = 400
    style: str | None = None
    steps: int = 150
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.held_out < 1:
            raise InputError(f"the held-out share {self.held_out} must be from 0 to below 1")
        for name in ("frames", "people", "steps"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.style is not None and self.style not in STYLES:
            raise InputError(f"unknown style {self.style!r}: choose one of {', '.join(STYLES)}")


def adapt(
    networks: TrainedNetworks,
    inputs: Sequence[Path],
    out: Path,
    options: AdaptOptions | None = None,
    *,
    finder: Finder | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Adapt the reported network to frames, write the run folder `out`, and return the report.

    Every command takes the folder as a run. Its folder `adaptation` has the people to learn from,
    `report.json` and `before_after.png`. The same call on the same folder goes on after a stop.

    Args:
        networks: the networks to start from.
        inputs: images, videos and folders of them, of one's own camera.
        out: a folder that is new, or that the same call began.
        options: what to adapt to, and for how long.
        finder: finds people if no boxes are given.
        say: is called with each line to print.

    Returns:
        Counts, seconds, and `before` and `after`: position inconsistency (over the root of the box
        area), confidence, and scores if there are labels to measure on.

    Raises:
        InputError: the network cannot be adapted, nothing can be read, nobody is on the frames, or
            `out` holds something else.
    """
    options = options or AdaptOptions()
    started = time.perf_counter()
    require_adaptable(networks)
    boxes = _box_source(networks, options, finder)
    style = options.style or style_of(networks)
    own = out / FOLDER
    config = learning_config(
        networks,
        drawn=drawn_file(options.people, style),
        unlabelled=own / _FRAMES,
        labels=None if options.labels is None else own / _LABELS,
        start=own / "start.pt",
        steps=options.steps,
        seed=options.seed,
    )
    run = RunFolder(out)
    new = not out.exists()
    with ExitStack() as stack:
        run.prepare(config, resume=True)
        stack.enter_context(exclusive(own))
        if new:  # until here another process that began at the same moment may own the folder
            stack.push(partial(_remove_fruitless, run))
        now, files = asked(networks, inputs, options, finder), _files_read(inputs, options)
        _require_same(own / _ASKED, now, files, out)
        if (own / REPORT).is_file() and run.ended(config):
            return _said(read_json(own / REPORT), say)
        write_start(networks, own / "start.pt")
        tested = _place_labels(own / _LABELS, options)
        frames = own_frames(
            inputs,
            boxes,
            networks.keypoint_set,
            most=options.frames,
            held_out=options.held_out,
            pictures=own / "pictures",
        )
        if options.test is None and tested is not None:
            frames = _without_images_of(frames, tested.people)
        _place(own / _FRAMES, {"train": frames.learned_from, "val": frames.measured})
        for line in _plan_lines(frames, boxes, options, style):
            say(line)
        seen = _learned_without_labels(frames, tested)
        draw_people(options.people, style)
        before = measure(networks, frames.measured, tested)
        train(config, out, resume=True)
        adapted = open_networks(out)
        after = measure(adapted, frames.measured, tested)
        write_pictures(
            frames.measured,
            before.steady,
            after.steady,
            own / PICTURES,
            joint_threshold=JOINT_THRESHOLD,
        )
        report = _report(frames, tested, seen, before, after, time.perf_counter() - started)
        write_json(own / REPORT, report, indent=1)
    return _said(report, say)


def report_lines(report: dict[str, Any]) -> Iterator[str]:
    """Yield what an adaptation has changed, as lines for people."""
    people = counted(report["measured_people"], "person", "people")
    frames = counted(report["measured_frames"], "frame")
    held = "held out" if report["held_out"] else "that it also learned from"
    yield f"measured on {people} on {frames} {held}"
    if report["labelled_people_measured"]:
        labelled, seen = report["labelled_people_measured"], report.get("labelled_people_seen", 0)
        also = f", {seen} of them on frames that it learned from without their labels"
        yield f"scores on {counted(labelled, 'labelled person', 'labelled people')}" + (
            also if seen else ""
        )
    yield from comparison_lines(report["before"], report["after"])


def _remove_fruitless(run: RunFolder, _: Any, error: Any, __: Any) -> None:
    """Leave nothing of an adaptation that failed before it had learned anything."""
    if error is not None and not run.resumable:
        shutil.rmtree(run.path, ignore_errors=True)


def _said(report: dict[str, Any], say: Callable[[str], None]) -> dict[str, Any]:
    for line in report_lines(report):
        say(line)
    return report


def _box_source(
    networks: TrainedNetworks, options: AdaptOptions, finder: Finder | None
) -> BoxSource:
    if options.boxes is not None:
        found = read_detections(options.boxes, category=options.category, angles=options.angles)
        return GivenBoxes(found, options.box_threshold)
    if finder is None:
        raise InputError(
            f"{networks.record['source']}: nothing says where people are on the frames: name "
            "their boxes with --boxes, or a network that finds them with --finder"
        )
    return FoundBoxes(finder, options.box_threshold)


def _require_same(file: Path, now: dict[str, Any], files: dict[str, list[Path]], out: Path) -> None:
    """Note what is asked for and the files that it reads, or check that they are as noted."""
    known = read_json(file) if file.is_file() else None
    states = {name: state_of_files(paths) for name, paths in files.items()}
    if known is not None and known.get("states") == states:
        content = known["content"]
    else:
        content = {name: hash_of_files(paths) for name, paths in files.items()}
    now |= {"content": content, "states": states}
    if known is not None and known | {"states": states} != now:
        raise InputError(
            f"{out}: holds an adaptation of other networks, frames or options, or their files were "
            "changed since: repeat that command to go on with it, or name another folder with -o"
        )
    if known != now:
        write_json(file, now, indent=1)


def _files_read(inputs: Sequence[Path], options: AdaptOptions) -> dict[str, list[Path]]:
    """Return the files of frames, boxes and labels."""
    files = {"frames": [source.path for source in find_sources(inputs).sources]}
    if options.boxes is not None:
        files["boxes"] = files_of_boxes(options.boxes)
    for name, path in (("labels", options.labels), ("test", options.test)):
        if path is not None:
            files[name] = [*annotation_files(path).values()]
    return files


def _place_labels(folder: Path, options: AdaptOptions) -> TestPeople | None:
    """Write the labelled people to learn from; return those to measure on, if there are any."""
    tested = None if options.test is None else load_test_people(options.test)
    if options.labels is None:
        return tested
    splits = load_dataset(options.labels)
    labelled = splits[usual_split(splits)]
    people = labelled.select_people(labelled.trainable())
    if options.test is not None and tested is not None:
        _require_other_images(people, tested.people, options)
    parts = {"train": people}
    if tested is None and options.held_out and len(people) >= _FEW_LABELS:
        split = hold_out(people, fraction=options.held_out, seed=options.seed)
        parts = {"train": people.select_people(split.train)}
        tested = TestPeople(people.select_people(split.test), str(options.labels), "held out")
        parts["val"] = tested.people
    _place(folder, parts)
    return tested


def _require_other_images(
    labelled: PoseDataset, tested: PoseDataset, options: AdaptOptions
) -> None:
    """Check that nobody to learn from is on an image to measure on."""
    known = known_images(tested, cache=default_cache())
    _, shared = people_on(labelled, known, parts=True)
    if shared:
        first, same = next(iter(shared.items()))
        raise InputError(
            f"--labels {options.labels} and --test {options.test} share images "
            f"({len(shared)}; {first} is {same.how}): what is measured on must not be "
            "learned from; part them with wepdtof-pose split --train 60 --test 40, or "
            "leave out --test"
        )


def _place(folder: Path, parts: dict[str, PoseDataset]) -> None:
    """Write a data set folder, whole or not at all."""
    renamed = find_images(parts)
    with replacing_folder(folder) as new:
        place(write_coco(parts), new, renamed)


def _without_images_of(frames: OwnFrames, people: PoseDataset) -> OwnFrames:
    """Return the frames, with images of these people held out as well."""
    known = known_images(people, cache=default_cache())
    root, names = frames.people.root, frames.people.frames["file_name"].tolist()
    found = known.find([root / name for name in names])
    frames.held_out |= np.array([same is not None for same in found], dtype=bool)
    return frames


def _learned_without_labels(frames: OwnFrames, tested: TestPeople | None) -> int:
    """Return how many of the labelled people to measure on are on frames to learn from."""
    if tested is None:
        return 0
    learned = known_images(frames.learned_from, cache=default_cache())
    seen, _ = people_on(tested.people, learned)
    return int((seen & tested.people.trainable()).sum())


def _plan_lines(
    frames: OwnFrames, boxes: BoxSource, options: AdaptOptions, style: str
) -> Iterator[str]:
    learned, measured = frames.learned_from, frames.measured
    yield (
        f"{counted(len(learned), 'person', 'people')} without labels on "
        f"{counted(len(learned.frames), 'frame')}, "
        f"{options.people} drawn people ({style}) with labels"
    )
    if frames.held_out.any():
        people = counted(len(measured), "person", "people")
        yield f"held out to measure on: {people} on {counted(len(measured.frames), 'frame')}"
    else:
        yield "no frame is held out: what is measured is on frames that it also learns from"
    if counts := counts_in_words(frames.counts):
        yield counts
    yield from not_read(frames.problems)
    if isinstance(boxes, GivenBoxes):
        unused = {what: n for what, n in boxes.record().items() if n and not what.startswith("im")}
        yield "boxes: " + ", ".join(f"{n} {what.replace('_', ' ')}" for what, n in unused.items())


def _report(
    frames: OwnFrames,
    tested: TestPeople | None,
    seen: int,
    before: Measured,
    after: Measured,
    seconds: float,
) -> dict[str, Any]:
    return {
        "frames": len(frames.people.frames),
        "people": len(frames.people),
        "measured_frames": len(frames.measured.frames),
        "measured_people": len(frames.measured),
        "held_out": bool(frames.held_out.any()),
        "left_out": frames.counts,
        "not_wholly_read": frames.problems,
        "labelled_people_measured": 0 if tested is None else int(tested.people.trainable().sum()),
        "labelled_people_seen": seen,
        "before": before.as_json(),
        "after": after.as_json(),
        "seconds": round(seconds, 1),
    }
