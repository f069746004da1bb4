"""The three sets of a run: labelled people, the unlabelled pool, and the test people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from sspcm.config import DataConfig
from sspcm.runs.records import DataRecord
from wepdtof_pose.dataset import PoseDataset, concatenate
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import file_sha256
from wepdtof_pose.formats.loading import load_dataset
from wepdtof_pose.keypoints import get_keypoint_set
from wepdtof_pose.splits.hold_out import (
    first_people,
    hold_out,
    label_budget,
    random_people,
    read_subset,
)

OWN_SPLIT = "the data set's own"
"""The record's `split` of data that come in several annotation files."""


@dataclass(frozen=True)
class Sides:
    """The two sides of a data set with everybody on them, usable or not.

    Attributes:
        train: people to train on.
        test: people to test on.
        annotated: what was read of the file that `train` is, or is a part of.
        data_hash: of the annotated people.
        split_hash: of the split, or of the test side where the data come in splits.
        split: how the data were split.
    """

    train: PoseDataset
    test: PoseDataset
    annotated: PoseDataset
    data_hash: str
    split_hash: str
    split: str


@dataclass(frozen=True)
class TrainingSets:
    """What a run learns from and is scored on.

    Attributes:
        train: training people; `labelled` and `unlabelled` are rows of it.
        test: everybody on the test side; AP counts them as COCO does, who ignores crowds and people
            without labels rather than counting poses on them as wrong.
        tested: rows of `test` whose poses are predicted: the usable people.
        record: names, hashes and counts, for the result.
        vocabulary: the joints of the labelled data set; those of `train` may be more.
    """

    train: PoseDataset
    test: PoseDataset
    tested: np.ndarray
    labelled: np.ndarray
    unlabelled: np.ndarray
    record: DataRecord
    vocabulary: tuple[str, ...]


def make_sets(config: DataConfig, *, released: bool = False) -> TrainingSets:
    """The sets that a configuration describes.

    A data set with annotation files for training and testing is used as it is split; a single
    file gets a held-out test split by scene (by frame where no scenes are known). The unlabelled
    pool is the training side, or another data set; with `data.unlabelled_boxes` its people need no
    keypoints. Training people are in the data set's own joints, or in the 24-joint union where
    labelled and unlabelled data differ (always, as released); test people keep their own joints.

    Raises:
        InputError: no such data, an impossible label budget, an unusable list of labelled people,
            or nothing to test on.
    """
    sides = sides_of(config)
    own_pool = not config.unlabelled and config.unlabelled_boxes
    train = sides.train.select_people(sides.train.boxed() if own_pool else sides.train.trainable())
    usable = int(train.trainable().sum())
    tested = np.flatnonzero(sides.test.trainable())
    if not len(tested):
        raise InputError(f"{config.path}: no usable person to test on")
    labels_hash = unlabelled_hash = None
    if config.labels_file:
        labelled = _listed_people(config.labels_file, sides.annotated, train)
        labels_hash = file_sha256(config.labels_file)[:16]
    else:
        count = label_budget(config.labels, usable)
        if config.order == "random":
            labelled = random_people(train, count, np.random.default_rng(config.subset_seed))
        else:
            labelled = first_people(train, count)
    pool = np.arange(len(train))
    vocabulary = train.keypoint_set.joints
    if config.unlabelled:
        other = unlabelled_people(config)
        unlabelled_hash = other.content_hash()
        if released or other.keypoint_set.joints != train.keypoint_set.joints:
            train, other = _in_union(train), _in_union(other)
        pool = len(train) + np.arange(len(other))
        train = concatenate(train, other)
    elif released:
        train = _in_union(train)
    if config.exclude_labelled:
        pool = np.setdiff1d(pool, labelled)
        if not len(pool):
            raise InputError("data.exclude_labelled leaves no unlabelled people at this budget")
    record = DataRecord(
        data_hash=sides.data_hash,
        split_hash=sides.split_hash,
        split=sides.split,
        labels_hash=labels_hash,
        unlabelled_hash=unlabelled_hash,
        people_train=usable,
        people_labelled=len(labelled),
        people_unlabelled=len(pool),
        people_test=len(tested),
        keypoint_set=sides.test.keypoint_set.name,
        trained_keypoint_set=train.keypoint_set.name,
        labelled_order="list" if config.labels_file else config.order,
    )
    return TrainingSets(train, sides.test, tested, labelled, pool, record, vocabulary)


def pool_people(config: DataConfig, sets: TrainingSets) -> tuple[PoseDataset, np.ndarray]:
    """The people of the unlabelled pool with the ids and joints of their own file.

    Returns:
        The people, and the row of each in `sets.train`.

    Raises:
        InputError: the data are not there any more.
    """
    if config.unlabelled:
        return unlabelled_people(config), sets.unlabelled
    pool = sets.train.select_people(sets.unlabelled)
    own = sets.test.keypoint_set
    return pool if own.joints == pool.keypoint_set.joints else pool.with_keypoint_set(own), (
        sets.unlabelled
    )


def sides_of(config: DataConfig) -> Sides:
    """The sides of the data set of a configuration.

    Frames without people are on the side of their annotation file; where a single file is parted,
    on neither.

    Raises:
        InputError: no such data, or they cannot be parted.
    """
    splits = load_dataset(Path(config.path))
    if len(splits) == 1:
        whole = next(iter(splits.values()))
        split = hold_out(whole, fraction=config.test_fraction, seed=config.test_seed)
        return Sides(
            whole.select_people(split.train),
            whole.select_people(split.test),
            annotated=whole,
            data_hash=whole.content_hash(),
            split_hash=split.hash,
            split=f"held out by {split.kind}, seed {split.seed}",
        )
    train, test = _named(splits, ("train",)), _named(splits, ("val", "test"))
    return Sides(
        train,
        test,
        annotated=train,
        data_hash=train.content_hash(),
        split_hash=test.content_hash(),
        split=OWN_SPLIT,
    )


def _listed_people(path: Path, annotated: PoseDataset, train: PoseDataset) -> np.ndarray:
    """Rows of the usable training people that a label subset file names, in its order."""
    ids = annotated.people["id"].iloc[read_subset(path, annotated)]
    rows = pd.Index(train.people["id"], dtype=object).get_indexer(pd.Index(ids, dtype=object))
    unusable = (rows < 0) | ~train.trainable()[rows]
    if not len(rows) or unusable.any():
        raise InputError(
            f"{path}: {unusable.sum()} of the {len(rows)} people it names cannot be trained on: "
            "they are held out for testing (where a data set has one annotation file, "
            "data.test_fraction and data.test_seed say who; wepdtof-pose split --leave-out-test "
            "leaves them out), or have no usable labels"
        )
    return rows.astype(np.int64)


def unlabelled_people(config: DataConfig) -> PoseDataset:
    """The people of the unlabelled data set's training side.

    Nothing is learned from their keypoints: these choose who is in the pool, as published, unless
    `data.unlabelled_boxes` is set, and their names the joints.

    Raises:
        InputError: no such data, or nobody there can be in the pool.
    """
    splits = load_dataset(Path(config.unlabelled))
    pool = next(iter(splits.values())) if len(splits) == 1 else _named(splits, ("train",))
    usable = pool.boxed() if config.unlabelled_boxes else pool.trainable()
    if not usable.any():
        boxed = int(pool.boxed().sum())
        raise InputError(
            f"{config.unlabelled}: nobody for the unlabelled pool has keypoints, {boxed} have a "
            "box: data.unlabelled_boxes=true takes people with a box alone"
            if boxed and not config.unlabelled_boxes
            else f"{config.unlabelled}: nobody for the unlabelled pool has a box"
        )
    return pool.select_people(usable)


def _in_union(dataset: PoseDataset) -> PoseDataset:
    union = get_keypoint_set("union-24")
    unknown = set(dataset.keypoint_set.joints) - set(union.joints)
    if unknown:
        raise InputError(
            f"the 24-joint union has no {', '.join(sorted(unknown))} of "
            f"{dataset.keypoint_set.name!r}: convert the data to one keypoint set first"
        )
    return dataset.with_keypoint_set(union)


def _named(splits: dict[str, PoseDataset], names: tuple[str, ...]) -> PoseDataset:
    for name in names:
        if name in splits:
            return splits[name]
    raise InputError(
        f"the data set has annotation files for {', '.join(splits)}, but none for "
        f"{' or '.join(names)}"
    )
