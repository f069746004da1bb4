"""Records that a run writes and others read: its result, and what its networks are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from sspcm.choices import Decoding, Looks, Up
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.keypoints import KeypointSet
from wepdtof_pose.records import converted

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""Whole numbers that JSON readers of every language hold."""
Seconds = Annotated[float, msgspec.Meta(ge=0, lt=1e12)]
Finite = Annotated[float, msgspec.Meta(gt=-3.4e38, lt=3.4e38)]
CropSide = Annotated[int, msgspec.Meta(ge=32, le=4096)]
Scores = dict[str, Any]
"""Scores of one network; see `wepdtof_pose.scores.coco.score`."""


class DataRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Names, hashes and counts of what a run learns from and is scored on.

    Attributes:
        data_hash: of the annotated people (the training split, where the data come in splits).
        split_hash: of the split, or of the test split.
        split: how the data were split.
        labels_hash: of the list of labelled people and of further labelled data sets; None without
            either.
        unlabelled_hash: of the data set of the pool; None where the pool is the training split.
        people_train: usable people to train on.
        people_labelled: those of them whose labels are used.
        people_unlabelled: people in the pool.
        people_test: people who are scored.
        keypoint_set: name of the test people's joints.
        trained_keypoint_set: name of the joints of the heatmaps.
        labelled_order: `file`, `random` or `list`.
    """

    data_hash: str
    split_hash: str
    split: str
    labels_hash: str | None = None
    unlabelled_hash: str | None = None
    people_train: Count
    people_labelled: Count
    people_unlabelled: Count
    people_test: Count
    keypoint_set: str
    trained_keypoint_set: str
    labelled_order: str


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was about to do with its people, said before it started.

    Attributes:
        labelled: people whose labels are used.
        pool: people in the unlabelled pool.
        test: people who are scored.
        left_out: people of the data in none of these, by split and reason.
        reading: what the readers of the data left out or derived, and how often.
        unread: images of the pool that cannot be read, a line each that says why.
        shared_images: which images of tested people were found among those to learn from; "" for
            none. Their people are left out.
        joints_in_crops: share of the joints of labelled and of tested people in their crops.
        joints_without_partner: joints that say a side and become no other one in a mirror.
        findings: what `wepdtof-pose validate` finds in the data, by code.
        doubts: what is probably not meant, a sentence each.
    """

    labelled: Count
    pool: Count
    test: Count
    left_out: dict[str, Count]
    reading: dict[str, Count] = {}
    unread: list[str] = []
    shared_images: str
    joints_in_crops: dict[str, float]
    joints_without_partner: list[str]
    findings: dict[str, Count]
    doubts: list[str]


class BurnInRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a run's networks were before its method began.

    Attributes:
        epochs: of the burn-in.
        training_seconds: of all burn-ins that the run started from; other runs may share them.
        scores: of every network that was burnt in, under its name in the run.
    """

    epochs: Count
    training_seconds: Seconds
    scores: dict[str, Scores]


class RunResult(DataRecord, frozen=True, kw_only=True):
    """What a finished run found: result.json.

    Attributes:
        method: name of the method.
        recipe: `corrected` or `released`.
        reported: the network that the method is judged by.
        seed: of the run.
        labels: label budget or list of labelled people, as configured.
        last: scores of every network after the last epoch; none where nobody was tested.
        best: scores of every network in the epoch that was best.
        best_epoch: that epoch, counted from 1; 0 where nobody was tested.
        epochs: epochs trained.
        steps: optimiser steps of all epochs.
        processes: how many trained together.
        training_seconds: without evaluation, writing pseudo-labels and the burn-in.
        burn_in: what was before; None where the method began at once.
        peak_memory_bytes: of the process that wrote the run.
        parameters_trained: numbers that the optimiser changes.
        parameters_predictor: numbers of the network that leaves the method.
        precision: `float32` or `bfloat16`.
        device: `cpu` or `cuda`.
        summary: of the people, before the run started; None in older results.
    """

    method: str
    recipe: str
    reported: str
    seed: Count
    labels: str
    last: dict[str, Scores]
    best: dict[str, Scores]
    best_epoch: Count
    epochs: Count
    steps: Count
    processes: Count
    training_seconds: Seconds | None = None
    burn_in: BurnInRecord | None = None
    peak_memory_bytes: Count | None = None
    parameters_trained: Count | None = None
    parameters_predictor: Count | None = None
    precision: str
    device: str
    summary: RunSummary | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the content of result.json; what the run does not have is left out."""
        content = msgspec.to_builtins(self)
        content = {key: content[key] for key in (*_BEFORE_DATA, *content)}
        if self.summary is not None and not self.summary.unread:
            del content["summary"]["unread"]
        optional = ("labels_hash", "unlabelled_hash", "summary", "burn_in")
        return {k: v for k, v in content.items() if v is not None or k not in optional}


def read_run_result(path: Path) -> RunResult:
    """Return the result in a file.

    Raises:
        InputError: there is no such file, or it is not the result of a run; the message names the
            entry that is wrong.
    """
    result = converted(read_json(path), RunResult, source=str(path), what="the result of a run")
    if not result.people_test:
        return result
    for which, networks in (("last", result.last), ("best", result.best)):
        if result.reported not in networks:
            raise InputError(
                f"{path}: is not the result of a run: {which!r} has no scores of the reported "
                f"network {result.reported!r}"
            )
        for name, scores in networks.items():
            wrong = next((key for key in _NUMBERS if not _is_score(scores.get(key))), None)
            if wrong is not None:
                raise InputError(
                    f"{path}: is not the result of a run: score {wrong!r} of network {name!r} in "
                    f"{which!r} is not a number"
                )
    return result


class EpochRow(msgspec.Struct, frozen=True, kw_only=True):
    """What an epoch gave: a line of metrics.jsonl.

    Attributes:
        epoch: counted from 1.
        learning_rate: of its steps.
        train: mean of every loss and statistic.
        scores: those of every network that make curves; only where the epoch was evaluated.
        seconds: of training, since the beginning of the run.
    """

    epoch: Count
    learning_rate: Finite
    train: dict[str, Finite]
    scores: dict[str, dict[str, Finite | None]] | UnsetType = UNSET
    seconds: Seconds


def read_epoch_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a metrics.jsonl, checked by `EpochRow`, as they are in the file.

    A last line that was cut short is left out: its epoch is trained again.

    Raises:
        InputError: a line is not that of its epoch; the message names line and entry.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        where = f"{path}: line {number}"
        try:
            row = json.loads(line, parse_constant=_refuse_constant)
        except RecursionError:
            raise InputError(f"{where}: not usable JSON: nested too deeply") from None
        except ValueError as error:
            if number == len(lines):  # empty after the last line's end, or cut short
                break
            raise InputError(f"{where}: not valid JSON: {error}") from None
        epoch = converted(row, EpochRow, source=where, what="an epoch of a run").epoch
        if epoch != number:
            raise InputError(f"{where}: is of epoch {epoch}, not {number}")
        rows.append(row)
    return rows


def read_environment(path: Path) -> dict[str, Any]:
    """Return what an env.json says: texts and numbers by name, or dictionaries of these.

    Raises:
        InputError: it is of another form; the message names the entry.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: is not the environment of a run: it is no dictionary")
    for name, value in content.items():
        kind: Any = _ENVIRONMENT.get(name, _Fact | dict[str, _Fact])
        what = f"the environment of a run: entry {name!r}"
        converted(value, kind, source=str(path), what=what)
    return content


class AboutNetworks(msgspec.Struct, frozen=True, kw_only=True):
    """What a file of weights that we wrote says of its networks, to be used without a run folder.

    Attributes:
        keypoint_set: the joints of the heatmaps.
        crop_size: (width, height) of crops in pixels.
        bgr: the networks take channels in BGR order.
        upright: they were trained on turned crops.
        up: what pointed up in those (see `sspcm.data.crop_places`).
        sigma: standard deviation of the Gaussians they were trained on, in heatmap pixels.
        decoding: from heatmaps to coordinates, as their run was scored.
        flip_test: heatmaps are averaged with those of the mirror image, as their run was scored.
        looks: crops in which each person is looked at, as their run was scored.
        method: name of the method that trained them.
        recipe: its recipe.
        roles: entry of the state dictionary -> name of the network.
        reported: the network that the method is judged by.
        source: name of the file that they were imported from.
        source_sha256: its hash.
    """

    keypoint_set: KeypointSet | None = None
    crop_size: tuple[CropSide, CropSide] = (192, 256)
    bgr: bool = True
    upright: bool = False
    up: Up = "radius"
    sigma: Annotated[float, msgspec.Meta(gt=0, le=100)] = 2.0
    decoding: Decoding = "shift"
    flip_test: bool = False
    looks: Looks = 1
    method: str | None = None
    recipe: str | None = None
    roles: dict[str, str] | None = None
    reported: str | None = None
    source: str | None = None
    source_sha256: str | None = None


def read_about(content: Any, *, source: str) -> AboutNetworks:
    """Return the record in the entry `about` of a file of weights, named `source` in errors.

    Raises:
        InputError: it is of another form; the message names the entry.
    """
    what = "a file whose entry 'about' can be read"
    about = converted(content, AboutNetworks, source=source, what=what)
    if any(side % 32 for side in about.crop_size):
        raise InputError(f"{source}: its crop size {about.crop_size} is no multiple of 32")
    return about


def about_content(about: AboutNetworks) -> dict[str, Any]:
    """Return the entry `about` of a file of weights, which `read_about` reads.

    What is not known is left out.
    """
    content: dict[str, Any] = msgspec.to_builtins(about)
    return {name: value for name, value in content.items() if value is not None}


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _is_score(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value is None or (number and -_LARGE <= value <= _LARGE)


_Fact = str | bool | float | int | None
_ENVIRONMENT: dict[str, Any] = {
    "packages": dict[str, str | None],
    "threads": Count | None,
    "cores": Count | None,
}
"""Entries of env.json that are read by name."""
_BEFORE_DATA = ("method", "recipe", "reported", "seed", "labels")
"""Entries of result.json ahead of those of `DataRecord`."""
_LARGE = 1e9
"""Beyond it a number is no score; NaN is not below it."""
_NUMBERS = ("AP", "AP50", "AP75", "AP_M", "AP_L", "AR", "AR50", "AR75", "AR_M", "AR_L", "PCK@0.2")
