"""Train, validation and test splits of a data set that share no scene, and their files.

Frames of one scene are near copies of one another, so whole scenes go to a split. On request only
whole frames do, or single people: then splits share scenes, or frames, too. A split file names
people, seed and hashes of the annotations, and is refused for other annotations.
(`wepdtof_pose.splits.folder` writes the splits as data that training takes.)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.files import read_json
from wepdtof_pose.splits.groups import Unit, group_numbers
from wepdtof_pose.splits.id_lists import hashes_of, require_same_annotations, rows_of_ids

ORDERS = 100
"""Random orders of the groups that are tried at most."""

NEAR = 0.001
"""Share of the people by which splits may miss their targets without another order being tried."""


def partition(
    dataset: PoseDataset, shares: Mapping[str, float], *, by: Unit = "scene", seed: int = 0
) -> dict[str, np.ndarray]:
    """Return the rows of the people in each split, int64 ascending; every person is in one.

    Groups go in a random order to the split that lacks most people, so that the splits hold groups
    of all sizes; of up to `ORDERS` orders drawn with the seed, the one is taken whose splits come
    nearest to the shares. No split with a share above 0 stays empty.

    Args:
        dataset: the people.
        shares: share of the usable people by split; scaled to a sum of 1.
        by: what stays together. "scene" asks for known scenes; a frame without one is a group of
            its own.
        seed: of the choice.

    Raises:
        InputError: shares that are negative or all 0, no scenes known, or fewer groups than splits.
    """
    wanted = {split: share for split, share in shares.items() if share > 0}
    if any(not share >= 0 for share in shares.values()) or not wanted:
        raise InputError(f"the shares {dict(shares)} must be 0 or more, and one above 0")
    usable = dataset.trainable()
    groups = group_numbers(dataset, by)
    sizes = np.bincount(groups[usable], minlength=int(groups.max(initial=-1)) + 1)
    filled = np.flatnonzero(sizes)
    if len(filled) < len(wanted):
        raise InputError(
            f"{len(wanted)} splits need as many {by}s with usable people, but there are "
            f"{len(filled)}" + _advice(len(filled), by)
        )
    total = sum(wanted.values())
    targets = {split: share / total * sizes.sum() for split, share in wanted.items()}
    split_of = _assign(sizes, targets, np.random.default_rng(seed))
    return {
        split: np.flatnonzero(np.isin(groups, [g for g, s in split_of.items() if s == split]))
        for split in wanted
    }


def _advice(groups: int, by: str) -> str:
    if not groups:
        return ": usable are people with labelled joints, a box and an area"
    return ": ask for fewer splits" + (", or split --by frame" if by == "scene" else "")


def partition_record(
    dataset: PoseDataset,
    splits: Mapping[str, np.ndarray],
    *,
    shares: Mapping[str, float],
    by: Unit,
    seed: int,
) -> dict[str, Any]:
    """Return the content of a split file: who is in which split, how it was chosen, out of what."""
    usable = dataset.trainable()
    scenes = dataset.frames["scene"].to_numpy(dtype=object)[dataset.frame_rows]
    record: dict[str, Any] = {
        "kind": "partition",
        "by": by,
        "seed": seed,
        "shares": dict(shares),
        **hashes_of(dataset),
        "sides": {},
    }
    for split, rows in splits.items():
        known = sorted({str(scene) for scene in scenes[rows] if scene is not None})
        record["sides"][split] = {
            "people": len(rows),
            "usable_people": int(usable[rows].sum()),
            "scenes": known,
            "person_ids": dataset.people["id"].iloc[rows].tolist(),
        }
    return record


def read_partition(path: Path, dataset: PoseDataset) -> dict[str, np.ndarray]:
    """Return rows of people, int64, by split, that a split file names.

    Raises:
        InputError: it is no such file, was made from other annotations, or has a person twice.
    """
    record = read_json(path)
    splits = record.get("sides") if isinstance(record, dict) else None
    if not isinstance(splits, dict) or not all(
        isinstance(split, dict) and isinstance(split.get("person_ids"), list)
        for split in splits.values()
    ):
        raise InputError(f"{path}: is not a split file: it has no 'sides' with 'person_ids'")
    require_same_annotations(path, record, dataset)
    rows_of_ids(path, [i for split in splits.values() for i in split["person_ids"]], dataset)
    return {
        name: np.sort(rows_of_ids(path, split["person_ids"], dataset))
        for name, split in splits.items()
    }


def _assign(
    sizes: np.ndarray, targets: dict[str, float], rng: np.random.Generator
) -> dict[int, str]:
    """Return the split of each group with people (and, for the others, the first split)."""
    # Sorted by size, the splits would hold groups of different sizes, whatever the seed.
    orders = (rng.permutation(np.flatnonzero(sizes)) for _ in range(ORDERS))
    near = max(1.0, NEAR * float(sizes.sum()))
    best: dict[int, str] = {}
    least = np.inf
    for order in orders:
        split_of, off = _assign_in_order(order, sizes, targets)
        if off < least:
            best, least = split_of, off
        if least <= near:
            break
    return dict.fromkeys(range(len(sizes)), next(iter(targets))) | best


def _assign_in_order(
    order: np.ndarray, sizes: np.ndarray, targets: dict[str, float]
) -> tuple[dict[int, str], float]:
    """Return the split of each group of the order, and how many people off the targets that is."""
    split_of: dict[int, str] = {}
    lacking = dict(targets)
    empty = set(targets)
    for position, group in enumerate(order.tolist()):
        must = len(order) - position <= len(empty)
        candidates = [split for split in lacking if not must or split in empty]
        split = max(candidates, key=lambda s: lacking[s])
        split_of[group] = split
        lacking[split] -= int(sizes[group])
        empty.discard(split)
    return split_of, sum(map(abs, lacking.values()))
