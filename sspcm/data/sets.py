"""The three sets of a run: labelled people, the unlabelled pool, and the test people."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from sspcm.config import DataConfig
from sspcm.data.crop_store import cache_folder
from sspcm.data.overlap import KnownImages, SameImage, known_images, people_on
from sspcm.data.pool import left_out, unlabelled_people
from sspcm.runs.records import DataRecord
from wepdtof_pose.dataset import PoseDataset, concatenate
from wepdtof_pose.errors import InputError, counted
from wepdtof_pose.files import file_sha256
from wepdtof_pose.formats.layout import add_counts
from wepdtof_pose.formats.loading import load_dataset, usual_split
from wepdtof_pose.keypoints import KeypointSet, get_keypoint_set
from wepdtof_pose.splits.hold_out import (
    TEST_FRACTION,
    first_people,
    hold_out,
    label_budget,
    random_people,
    read_subset,
)

OWN_SPLIT = "the data set's own"
"""The record's `split` for data that come in several annotation files."""
NOBODY_HELD_OUT = "nobody held out"
"""The record's `split` if `data.test_fraction` is 0."""


@dataclass(frozen=True)
class Splits:
    """The training and test splits of a data set, with all people, usable or not.

    Attributes:
        train: people to train on.
        test: people to test on.
        annotated: the whole content of the file that `train` comes from.
        data_hash: hash of the annotated people.
        split_hash: hash of the split, or of the test split if the data come in splits.
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
    """The people that a run learns from and is scored on.

    Attributes:
        train: training people; `labelled` and `unlabelled` are rows of it.
        test: all people of the test split. AP counts them as COCO does: poses on crowds and on
            people without labels are ignored rather than counted as wrong.
        tested: rows of `test` whose poses are predicted: the usable people.
        own: the training people of `data.path` with their own ids and joints; they are the first
            rows of `train`.
        more: rows of `train` with the people of `data.more_labelled`, who are also in `labelled`.
        record: names, hashes and counts, for the result.
        vocabulary: the joints of the labelled data set; `train` may have more.
        left_out: how many people are in none of these sets, by split and reason.
        reading: what the readers of the data left out or derived, and how often.
        unread: images of the pool that cannot be read, a line each that says why.
        shared: describes the images of tested people found among the training data, whose people
            are left out; "" if there are none.
    """

    train: PoseDataset
    test: PoseDataset
    tested: np.ndarray
    labelled: np.ndarray
    unlabelled: np.ndarray
    own: PoseDataset
    more: np.ndarray
    record: DataRecord
    vocabulary: tuple[str, ...]
    left_out: dict[str, int] = field(default_factory=dict)
    reading: dict[str, int] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    shared: str = ""

    def labelled_draws(self, more_share: float) -> np.ndarray:
        """Return the rows from which labelled people are drawn, with those of `more` repeated.

        Args:
            more_share: minimum share of `more` among the rows; 0 repeats nobody.
        """
        if not more_share or not len(self.more):
            return self.labelled
        others = len(self.labelled) - len(self.more)
        repeats = round(more_share / (1 - more_share) * others / len(self.more))
        return np.concatenate([self.labelled, np.tile(self.more, max(repeats - 1, 0))])


def make_sets(
    config: DataConfig, *, released: bool = False, splits: Splits | None = None
) -> TrainingSets:
    """Return the sets that a configuration describes.

    A data set with annotation files for training and testing keeps its own splits; from a single
    file, a test split is held out by scene (by frame if no scenes are known). The unlabelled pool
    is the training split or another source; with `data.unlabelled_boxes`, its people need no
    keypoints. Training people, including the pool and `data.more_labelled`, are left out if they
    are on an image of tested people (see `sspcm.data.overlap`). Training people have the data set's
    own joints, or the 24-joint union if labelled and unlabelled data differ (always, as
    released); test people keep their own joints. `splits` are the `splits_of` the configuration,
    where these are known.

    Raises:
        InputError: there are no such data, the label budget is impossible, the list of labelled
            people is unusable, or there is nobody to test on.
    """
    splits = splits or splits_of(config)
    boxes_suffice = not config.unlabelled and config.unlabelled_boxes
    tested = np.flatnonzero(splits.test.trainable())
    if not len(tested) and splits.split != NOBODY_HELD_OUT:
        raise InputError(f"{config.path}: no usable person to test on{why_unusable(splits.test)}")
    sources = _Sources(_known_images(config, splits.test.select_people(tested)))
    sources.count(left_out(splits.train, boxes_suffice=boxes_suffice), of="training split")
    sources.count(left_out(splits.test), of="test split")
    sources.read(splits.annotated)
    if splits.split == OWN_SPLIT:
        sources.read(splits.test)
    own = splits.train.select_people(
        splits.train.boxed() if boxes_suffice else splits.train.trainable()
    )
    own = sources.untested(own, "training split")
    usable = int(own.trainable().sum())
    if not usable:
        raise InputError(
            f"{config.path}: nobody to train on: "
            + (sources.shared or "no usable person in the training split")
            + why_unusable(splits.train)
        )
    labelled, labels_hash = _labelled_people(config, splits, own)
    train, more, labels_hash = _with_more_labelled(config, own, labels_hash, sources)
    labelled = np.concatenate([labelled, more])
    train, pool, unlabelled_hash = _with_pool(config, own, train, sources, released=released)
    if config.exclude_labelled:
        pool = np.setdiff1d(pool, labelled)
        if not len(pool):
            raise InputError("data.exclude_labelled leaves no unlabelled people at this budget")
    record = DataRecord(
        data_hash=splits.data_hash,
        split_hash=splits.split_hash,
        split=splits.split,
        labels_hash=labels_hash,
        unlabelled_hash=unlabelled_hash,
        people_train=usable + len(more),
        people_labelled=len(labelled),
        people_unlabelled=len(pool),
        people_test=len(tested),
        keypoint_set=splits.test.keypoint_set.name,
        trained_keypoint_set=train.keypoint_set.name,
        labelled_order="list" if config.labels_file else config.order,
    )
    return TrainingSets(
        train,
        splits.test,
        tested,
        labelled,
        pool,
        own,
        more,
        record,
        own.keypoint_set.joints,
        left_out=sources.left_out,
        reading=sources.reading,
        unread=sources.unread,
        shared=sources.shared,
    )


def require_run_data(config: DataConfig, run: str, *, pool: bool = True) -> None:
    """Check that the data of a run still exist; `run` names it in the error.

    Without `pool`, the unlabelled data may be missing.
    """
    if not Path(config.path).exists():
        raise InputError(
            f"{run}: the run's data {config.path} are not here (seen from {Path.cwd()}): name them "
            "with --data"
        )
    if pool and config.unlabelled and not Path(config.unlabelled).exists():
        raise InputError(
            f"{run}: the run's unlabelled data {config.unlabelled} are not here (seen from "
            f"{Path.cwd()}): name them with --set data.unlabelled=PATH (of pseudo-labels: "
            "--unlabelled PATH)"
        )


def pool_people(config: DataConfig, sets: TrainingSets) -> tuple[PoseDataset, np.ndarray]:
    """Return the people of the unlabelled pool with the ids and joints of their own file.

    Returns:
        The people, and the row of each in `sets.train`.

    Raises:
        InputError: the data no longer exist.
    """
    if config.unlabelled:
        other = unlabelled_people(config, sets.test.keypoint_set).people
        sources = _Sources(_known_images(config, sets.test.select_people(sets.tested)))
        return sources.untested(other, "pool", parts=True), sets.unlabelled
    return sets.own.select_people(sets.unlabelled), sets.unlabelled


def splits_of(config: DataConfig) -> Splits:
    """Return the splits of the data set of a configuration.

    Frames without people belong to the split of their annotation file; if a single file is split,
    they belong to neither part.

    Raises:
        InputError: there are no such data, or they cannot be split.
    """
    splits = load_dataset(Path(config.path), category=config.category or None)
    if len(splits) == 1:
        whole = next(iter(splits.values()))
        try:
            split = hold_out(whole, fraction=config.test_fraction, seed=config.test_seed)
        except InputError as error:
            raise InputError(f"{config.path}: {error}{why_unusable(whole)}") from None
        return Splits(
            whole.select_people(split.train),
            whole.select_people(split.test),
            annotated=whole,
            data_hash=whole.content_hash(),
            split_hash=split.hash,
            split=f"held out by {split.kind}, seed {split.seed}"
            if len(split.test)
            else NOBODY_HELD_OUT,
        )
    train, test = _named(splits, ("train",)), _named(splits, ("val", "test"))
    return Splits(
        train,
        test,
        annotated=train,
        data_hash=train.content_hash(),
        split_hash=test.content_hash(),
        split=OWN_SPLIT,
    )


def all_labelled(config: DataConfig, splits: Splits) -> bool:
    """Return whether all people of the pool are labelled, so that unlabelled ones teach nothing.

    Raises:
        InputError: an impossible label budget, or an unusable list of labelled people.
    """
    usable = splits.train.trainable()
    pool = splits.train.boxed() if config.unlabelled_boxes else usable
    if config.unlabelled or not usable.any() or (pool & ~usable).any():
        return False
    if config.labels_file:
        return len(read_subset(config.labels_file, splits.annotated)) == int(usable.sum())
    return label_budget(config.labels, int(usable.sum())) == int(usable.sum())


def why_unusable(dataset: PoseDataset) -> str:
    """Return how many people of a data set cannot be used and why, to end a message; "" if none.

    It also says where a data set has nobody.
    """
    if not len(dataset):
        return f" (nobody is annotated on its {counted(len(dataset.frames), 'image')})"
    counts = left_out(dataset)
    if not counts:
        return ""
    reasons = ", ".join(f"{count} ({reason})" for reason, count in counts.items())
    return (
        f" ({sum(counts.values())} of {len(dataset)} people cannot be used: {reasons}; "
        "wepdtof-pose validate names them, and --fix repairs what has one right answer)"
    )


@dataclass
class _Sources:
    """What is left out of everything that is learned from, people on tested images above all.

    Attributes:
        known: the images of tested people.
        left_out: how many people are left out, by split and reason.
        reading: what readers left out or derived, and how often.
        unread: what cannot be read, a line each.
        images: images to learn from that show tested people, and what makes each the same.
    """

    known: KnownImages
    left_out: dict[str, int] = field(default_factory=dict)
    reading: dict[str, int] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    images: dict[Path, SameImage] = field(default_factory=dict)

    @property
    def shared(self) -> str:
        """Which images of tested people were among those to learn from, in words; "" if none."""
        if not self.images:
            return ""
        first, same = next(iter(self.images.items()))
        return (
            f"{counted(len(self.images), 'image')} of tested people among those to learn from "
            f"({first} is {same.how})"
        )

    def count(self, counts: dict[str, int], *, of: str) -> None:
        """Count people of a split or source who are left out, by reason."""
        self.left_out |= {f"{of}: {reason}": count for reason, count in counts.items()}

    def read(self, people: PoseDataset) -> None:
        """Count what the reader of these people left out or derived."""
        self.reading = add_counts(self.reading, people.left_out)

    def untested(self, people: PoseDataset, split: str, *, parts: bool = False) -> PoseDataset:
        """Return the people who are not on images of tested people; count the others.

        With `parts`, nor on what was cut out of these images.
        """
        mask, images = people_on(people, self.known, parts=parts)
        if not mask.any():
            return people
        self.count({"on an image of tested people": int(mask.sum())}, of=split)
        self.images |= images
        return people.select_people(~mask)


def _known_images(config: DataConfig, tested: PoseDataset) -> KnownImages:
    return known_images(tested, cache=cache_folder(config.cache))


def _labelled_people(
    config: DataConfig, splits: Splits, own: PoseDataset
) -> tuple[np.ndarray, str | None]:
    """Return the rows of the labelled among the training people, and the hash of their list."""
    if config.labels_file:
        rows = _listed_people(config, splits.annotated, own)
        return rows, file_sha256(config.labels_file)[:16]
    count = label_budget(config.labels, int(own.trainable().sum()))
    if config.order == "random":
        return random_people(own, count, np.random.default_rng(config.subset_seed)), None
    return first_people(own, count), None


def _with_more_labelled(
    config: DataConfig, train: PoseDataset, labels_hash: str | None, sources: _Sources
) -> tuple[PoseDataset, np.ndarray, str | None]:
    """Return the people and those of `data.more_labelled`, their rows, and the hash of all."""
    count = len(train)
    for path in config.more_labelled:
        others = sources.untested(
            _more_labelled(path, train.keypoint_set, sources), path, parts=True
        )
        if not len(others):
            raise InputError(f"{path}: nobody to learn from: {sources.shared}")
        sources.read(others)
        labels_hash = _joined_hash(labels_hash, others.content_hash())
        train = concatenate(train, others)
    return train, np.arange(count, len(train)), labels_hash


def _with_pool(
    config: DataConfig, own: PoseDataset, train: PoseDataset, sources: _Sources, *, released: bool
) -> tuple[PoseDataset, np.ndarray, str | None]:
    """Return the people and those of another pool, the rows of the pool, and its hash.

    Without `data.unlabelled` the pool is the data set's own people.
    """
    if not config.unlabelled:
        return _in_union(train) if released else train, np.arange(len(own)), None
    other, unusable, sources.unread = unlabelled_people(config, train.keypoint_set)
    sources.count(unusable, of="pool")
    sources.read(other)
    pool = sources.untested(other, "pool", parts=True)
    if not len(pool):
        raise InputError(f"{config.unlabelled}: nobody for the pool: {sources.shared}")
    if released or pool.keypoint_set.joints != train.keypoint_set.joints:
        train, pool = _in_union(train), _in_union(pool)
    rows = len(train) + np.arange(len(pool))
    return concatenate(train, pool), rows, other.content_hash()


def _more_labelled(path: str, joints: KeypointSet, sources: _Sources) -> PoseDataset:
    """Return the usable people of a further labelled data set, converted to these joints."""
    splits = load_dataset(Path(path))
    dataset = splits[usual_split(splits)]
    usable = dataset.trainable()
    named = np.isin(dataset.keypoint_set.joints, joints.joints)
    learned = (dataset.keypoints[:, named, 2] > 0).any(axis=1)
    if not (usable & learned).any():
        raise InputError(f"{path}: nobody to learn from{why_unusable(dataset)}")
    sources.count(left_out(dataset), of=path)
    if (usable & ~learned).any():
        sources.count({"no joint of data.path labelled": int((usable & ~learned).sum())}, of=path)
    dataset = dataset.select_people(usable & learned)
    unknown = int((dataset.keypoints[:, ~named, 2] > 0).sum())
    reading = {"joints that data.path does not name": unknown} if unknown else {}
    return replace(
        dataset.with_keypoint_set(joints), left_out=add_counts(dataset.left_out, reading)
    )


def _joined_hash(first: str | None, second: str) -> str:
    if first is None:
        return second
    return hashlib.sha256(f"{first} {second}".encode()).hexdigest()[:16]


def _listed_people(config: DataConfig, annotated: PoseDataset, train: PoseDataset) -> np.ndarray:
    """Return the rows of the training people that a label subset file names, in its order."""
    path = Path(config.labels)
    ids = annotated.people["id"].iloc[read_subset(path, annotated)]
    rows = pd.Index(train.people["id"], dtype=object).get_indexer(pd.Index(ids, dtype=object))
    unusable = (rows < 0) | ~train.trainable()[rows]
    if not len(rows) or unusable.any():
        usual = {"data.test_fraction": TEST_FRACTION, "data.test_seed": 0}
        own = {"data.test_fraction": config.test_fraction, "data.test_seed": config.test_seed}
        sets = " ".join(f"--set {key}={value}" for key, value in usual.items() if own[key] != value)
        raise InputError(
            f"{path}: {unusable.sum()} of the {len(rows)} people it names cannot be trained on: "
            "they are held out for testing (where a data set has one annotation file, "
            "data.test_fraction and data.test_seed say who; --leave-out-test of wepdtof-pose split "
            f"and sspcm rank leaves them out{sets and f', where a run has {sets}'}), are on images "
            "of tested people, or have no usable labels"
        )
    return rows.astype(np.int64)


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
