"""The three sets of a run: labelled people, the unlabelled pool, and the test people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sspcm.config import DataConfig
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.loading import load_dataset
from wepdtof_pose.splits import first_people, hold_out, label_budget, random_people


@dataclass(frozen=True)
class TrainingSets:
    """What a run learns from and is scored on.

    Attributes:
        train: all usable training people; `labelled` and `unlabelled` are rows of it.
        test: all usable test people.
        record: names and hashes of data and split, for the result.
    """

    train: PoseDataset
    test: PoseDataset
    labelled: np.ndarray
    unlabelled: np.ndarray
    record: dict[str, Any]


def make_sets(config: DataConfig) -> TrainingSets:
    """The sets that a configuration describes.

    A data set with annotation files for training and testing is used as it is split; a single
    file gets a held-out test split by scene (by frame where no scenes are known).

    Raises:
        InputError: no such data, an impossible label budget, or nothing to test on.
    """
    splits = load_dataset(Path(config.path))
    if len(splits) == 1:
        whole = next(iter(splits.values()))
        split = hold_out(whole, fraction=config.test_fraction, seed=config.test_seed)
        train, test = whole.select_people(split.train), whole.select_people(split.test)
        record: dict[str, Any] = {
            "data_hash": whole.content_hash(),
            "split_hash": split.hash,
            "split": f"held out by {split.kind}, seed {split.seed}",
        }
    else:
        train, test = _named(splits, ("train",)), _named(splits, ("val", "test"))
        record = {
            "data_hash": train.content_hash(),
            "split_hash": test.content_hash(),
            "split": "the data set's own",
        }
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
    if config.exclude_labelled:
        pool = np.setdiff1d(pool, labelled)
        if not len(pool):
            raise InputError("data.exclude_labelled leaves no unlabelled people at this budget")
    record |= {
        "people_train": len(train),
        "people_labelled": len(labelled),
        "people_unlabelled": len(pool),
        "people_test": len(test),
        "keypoint_set": train.keypoint_set.name,
        "labelled_order": config.order,
    }
    return TrainingSets(train, test, labelled, pool, record)


def _named(splits: dict[str, PoseDataset], names: tuple[str, ...]) -> PoseDataset:
    for name in names:
        if name in splits:
            return splits[name]
    raise InputError(
        f"the data set has annotation files for {', '.join(splits)}, but none for "
        f"{' or '.join(names)}"
    )
