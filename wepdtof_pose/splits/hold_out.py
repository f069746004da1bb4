"""Who is labelled, who is held out: label budgets of people and test splits that do not leak."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from wepdtof_pose.dataset import PoseDataset, row_blocks
from wepdtof_pose.errors import InputError, counted
from wepdtof_pose.files import read_json
from wepdtof_pose.formats.fields import shown
from wepdtof_pose.splits.groups import widest_groups
from wepdtof_pose.splits.id_lists import hashes_of, require_same_annotations, rows_of_ids


@dataclass(frozen=True)
class Split:
    """Training and test people of a data set, who share no frame.

    Attributes:
        train: rows of people, int64, ascending; usable or not (see `PoseDataset.trainable`).
        test: rows of the other people.
        kind: "scene" where whole scenes were kept together, "frame" where only frames were.
        seed: seed of the choice.
        hash: 16 hex digits of the people and file names on either side.
    """

    train: np.ndarray
    test: np.ndarray
    kind: Literal["scene", "frame"]
    seed: int
    hash: str


def label_budget(text: str, people: int) -> int:
    """Return how many labelled people a budget asks for, out of `people` usable ones.

    Args:
        text: `1k`, `5k`, `10k` (thousands), `all`, a count (`300`) or a percentage (`10%`, rounded
            to the nearest person).
        people: number of usable people.

    Raises:
        InputError: the text is no budget, or asks for nobody or for more people than there are.

    >>> label_budget("10%", 2451)
    245
    """
    plain = text.strip().lower()
    match = re.fullmatch(r"(\d{1,15})(k?)|(\d{1,15}(?:\.\d{1,15})?)%", plain, flags=re.ASCII)
    if plain != "all" and match is None:
        raise InputError(
            f"label budget {shown(text)} is not understood: give 1k, 5k, 10k, all, "
            "a count (300), a percentage (10%), or a list of people, a file that ends in .json"
        )
    if people < 1:
        raise InputError(f"label budget {text!r}: the data has no usable people")
    if match is None:
        return people
    if match[3]:
        count = int(people * float(match[3]) / 100 + 0.5)
    else:
        count = int(match[1]) * (1000 if match[2] else 1)
    if count < 1:
        raise InputError(
            f"label budget {text!r} asks for {count} labelled people "
            f"out of {people} usable ones: at least 1 is needed"
        )
    if count > people:
        raise InputError(
            f"label budget {text!r} asks for {count} labelled people, but the data has only "
            f"{people} usable ones: ask for fewer, a percentage, or 'all'"
        )
    if match[3] and float(match[3]) > 100:
        raise InputError(f"label budget {text!r} is more than everybody: give 100% or all")
    return count


def first_people(dataset: PoseDataset, count: int) -> np.ndarray:
    """Return rows (count,) int64 of the first usable people in the file: published label budgets.

    File order is that of the frames, then of the annotations within a frame. Usable are the people
    of `PoseDataset.trainable`.

    Raises:
        InputError: there are fewer usable people.
    """
    rows = _usable_in_file_order(dataset)
    _require_people(count, len(rows))
    return rows[:count]


def random_people(dataset: PoseDataset, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return the rows (count,) int64 of a random subset of the usable people, in file order.

    A larger count with a generator of the same seed gives a superset.

    Raises:
        InputError: there are fewer usable people.
    """
    rows = _usable_in_file_order(dataset)
    _require_people(count, len(rows))
    return rows[np.sort(rng.permutation(len(rows))[:count])]


TEST_FRACTION = 1 / 6
"""Share of the people whom training holds out for testing where there is one annotation file."""


def hold_out(dataset: PoseDataset, *, fraction: float = TEST_FRACTION, seed: int = 0) -> Split:
    """Choose a test split of about `fraction` of the usable people, chosen by the seed.

    Whole scenes change sides where scenes are known (a frame without a scene counts as one of its
    own); otherwise whole frames do. Frames of the same file name are one frame. A data set with a
    single scene is split by frame, which `Split.kind` then says. A fraction of 0 holds nobody out.

    Raises:
        InputError: the fraction is not from 0 to below 1, or there are not two frames with usable
            people to put on the two sides.
    """
    if not 0 <= fraction < 1:
        raise InputError(f"the held-out fraction is {fraction}: it must be from 0 to below 1")
    usable = dataset.trainable()
    groups, kind = widest_groups(dataset, usable)
    if fraction == 0:
        everybody, nobody = np.arange(len(dataset)), np.arange(0)
        hash_of_all = _hash_of_sides(dataset, everybody, nobody)
        return Split(everybody, nobody, kind=kind, seed=seed, hash=hash_of_all)
    sizes = np.bincount(groups[usable], minlength=int(groups.max(initial=-1)) + 1)
    if np.count_nonzero(sizes) < 2:
        raise InputError(
            "a held-out test split needs usable people on two frames or more, but the data has "
            f"{counted(int(usable.sum()), 'usable person', 'usable people')} on "
            f"{counted(int(np.count_nonzero(sizes)), 'frame')}"
        )
    chosen = _groups_nearest_to(fraction * sizes.sum(), sizes, np.random.default_rng(seed))
    test = np.isin(groups, chosen)
    sides = np.flatnonzero(~test), np.flatnonzero(test)
    return Split(*sides, kind=kind, seed=seed, hash=_hash_of_sides(dataset, *sides))


def subset_record(
    dataset: PoseDataset, rows: np.ndarray, *, labels: str, order: str, seed: int | None
) -> dict[str, Any]:
    """Return the content of a label subset file: who is labelled, how chosen, out of what."""
    return {
        "labels": labels,
        "order": order,
        "seed": seed,
        **hashes_of(dataset),
        "usable_people": int(dataset.trainable().sum()),
        "person_ids": dataset.people["id"].iloc[rows].tolist(),
    }


def read_subset(path: Path, dataset: PoseDataset) -> np.ndarray:
    """Return the rows (labelled,) int64 of the people that a label subset file names.

    Raises:
        InputError: it is no such file, or it was made from other annotations.
    """
    record = read_json(path)
    ids = record.get("person_ids") if isinstance(record, dict) else None
    if not isinstance(ids, list):
        raise InputError(
            f"{path}: is not a label subset file: it has no list 'person_ids'; "
            "wepdtof-pose split DATA --labels 300 -o FILE.json writes one"
        )
    if not ids:
        raise InputError(f"{path}: its list 'person_ids' names nobody")
    require_same_annotations(path, record, dataset)
    return rows_of_ids(path, ids, dataset)


def _usable_in_file_order(dataset: PoseDataset) -> np.ndarray:
    rows = np.flatnonzero(dataset.trainable())
    return rows[np.argsort(dataset.frame_rows[rows], kind="stable")]


def _require_people(count: int, people: int) -> None:
    if not 1 <= count <= people:
        raise InputError(f"{count} labelled people asked for out of {people} usable ones")


def _groups_nearest_to(target: float, sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random choice of groups of about the target's size; never none, never all."""
    order = rng.permutation(np.flatnonzero(sizes))
    chosen: list[int] = []
    total = 0
    for group in order:
        nearer = abs(total + sizes[group] - target) < abs(total - target)
        if nearer and len(chosen) < len(order) - 1:
            chosen.append(group)
            total += sizes[group]
    return np.array(chosen or [order[np.argmin(sizes[order])]])


def _hash_of_sides(dataset: PoseDataset, train: np.ndarray, test: np.ndarray) -> str:
    names = dataset.frames["file_name"].to_numpy(dtype=object)[dataset.frame_rows]
    ids = dataset.people["id"].to_numpy()
    digest = hashlib.sha256()
    for side, rows in (("train", train), ("test", test)):
        digest.update(f"{side} {len(rows)}\n".encode())
        for block in row_blocks(len(rows)):
            lines = zip(names[rows[block]].tolist(), ids[rows[block]].tolist(), strict=True)
            digest.update("".join(f"{name}\t{own}\n" for name, own in lines).encode())
    return digest.hexdigest()[:16]
