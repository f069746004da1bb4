"""The three sets of a run: labelled people, the unlabelled pool, and the test people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sspcm.config import DataConfig
from wepdtof_pose.dataset import PoseDataset, concatenate
from wepdtof_pose.errors import InputError
from wepdtof_pose.keypoints import get_keypoint_set
from wepdtof_pose.loading import load_dataset
from wepdtof_pose.splits import first_people, hold_out, label_budget, random_people


@dataclass(frozen=True)
class TrainingSets:
    """What a run learns from and is scored on.

    Attributes:
        train: all usable training people; `labelled` and `unlabelled` are rows of it.
        test: all usable test people.
        record: names and hashes of data and split, for the result.
        vocabulary: the joints of the labelled data set; those of `train` may be more.
    """

    train: PoseDataset
    test: PoseDataset
    labelled: np.ndarray
    unlabelled: np.ndarray
    record: dict[str, Any]
    vocabulary: tuple[str, ...]


def make_sets(config: DataConfig, *, released: bool = False) -> TrainingSets:
    """The sets that a configuration describes.

    A data set with annotation files for training and testing is used as it is split; a single
    file gets a held-out test split by scene (by frame where no scenes are known). Training people
    are in the data set's own joints, or in the 24-joint union where labelled and unlabelled data
    differ (always, as released); test people keep their own joints.

    Raises:
        InputError: no such data, an impossible label budget, or nothing to test on.
    """
    train, test, record = train_and_test(config)
    train = train.select_people(train.trainable())
    test = test.select_people(test.trainable())
    if not len(test):
        raise InputError(f"{config.path}: no usable person to test on")
    count = label_budget(config.labels, len(train))
    if config.order == "random":
        labelled = random_people(train, count, np.random.default_rng(config.subset_seed))
    else:
        labelled = first_people(train, count)
    pool = np.arange(len(train))
    people_train, vocabulary = len(train), train.keypoint_set.joints
    if config.unlabelled:
        other = unlabelled_people(config)
        record["unlabelled_hash"] = other.content_hash()
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
    record |= {
        "people_train": people_train,
        "people_labelled": len(labelled),
        "people_unlabelled": len(pool),
        "people_test": len(test),
        "keypoint_set": test.keypoint_set.name,
        "trained_keypoint_set": train.keypoint_set.name,
        "labelled_order": config.order,
    }
    return TrainingSets(train, test, labelled, pool, record, vocabulary)


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


def train_and_test(config: DataConfig) -> tuple[PoseDataset, PoseDataset, dict[str, Any]]:
    """Everybody on the training and on the test side, usable or not, and the names of the split.

    Frames without people are on the side of their annotation file; where a single file is parted,
    on neither.

    Raises:
        InputError: no such data, or they cannot be parted.
    """
    splits = load_dataset(Path(config.path))
    if len(splits) == 1:
        whole = next(iter(splits.values()))
        split = hold_out(whole, fraction=config.test_fraction, seed=config.test_seed)
        record: dict[str, Any] = {
            "data_hash": whole.content_hash(),
            "split_hash": split.hash,
            "split": f"held out by {split.kind}, seed {split.seed}",
        }
        return whole.select_people(split.train), whole.select_people(split.test), record
    train, test = _named(splits, ("train",)), _named(splits, ("val", "test"))
    record = {
        "data_hash": train.content_hash(),
        "split_hash": test.content_hash(),
        "split": "the data set's own",
    }
    return train, test, record


def unlabelled_people(config: DataConfig) -> PoseDataset:
    """The usable training people of the unlabelled data set.

    Their keypoints choose who is usable (people without any are not, as published) and, by their
    names, the joints; nothing is learned from them.
    """
    splits = load_dataset(Path(config.unlabelled))
    pool = next(iter(splits.values())) if len(splits) == 1 else _named(splits, ("train",))
    usable = pool.trainable()
    if not usable.any():
        raise InputError(f"{config.unlabelled}: no usable person for the unlabelled pool")
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
