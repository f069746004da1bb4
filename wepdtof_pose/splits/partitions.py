"""Train, validation and test sides of a data set that share no scene, and their files.

Frames of one scene are near copies of one another, so whole scenes change sides. By wish only whole
frames do, or single people: then sides share scenes, or frames, too. A split file names people,
seed and hashes of the annotations, and is refused for other annotations.
(`wepdtof_pose.splits.folder` writes the sides as data that training takes.)
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

SIDES = ("train", "val", "test")

ORDERS = 100
"""Random orders of the groups that are tried at most."""

NEAR = 0.001
"""Share of the people by which sides may miss their targets without another order being tried."""


def partition(
    dataset: PoseDataset, shares: Mapping[str, float], *, by: Unit = "scene", seed: int = 0
) -> dict[str, np.ndarray]:
    """Rows of people, int64 ascending, on each side; every person is on one side.

    Groups go in a random order to the side that lacks most people, so that the sides hold groups
    of all sizes; of up to `ORDERS` orders drawn with the seed, the one is taken whose sides come
    nearest to the shares. No side with a share above 0 stays empty.

    Args:
        dataset: the people.
        shares: share of the usable people by side; scaled to a sum of 1.
        by: what stays together. "scene" asks for known scenes; a frame without one is a group of
            its own.
        seed: of the choice.

    Raises:
        InputError: shares that are negative or all 0, no scenes known, or fewer groups than sides.
    """
    wanted = {side: share for side, share in shares.items() if share > 0}
    if any(not share >= 0 for share in shares.values()) or not wanted:
        raise InputError(f"the shares {dict(shares)} must be 0 or more, and one above 0")
    usable = dataset.trainable()
    groups = group_numbers(dataset, by)
    sizes = np.bincount(groups[usable], minlength=int(groups.max(initial=-1)) + 1)
    filled = np.flatnonzero(sizes)
    if len(filled) < len(wanted):
        raise InputError(
            f"{len(wanted)} sides need as many {by}s with usable people, but there are "
            f"{len(filled)}: ask for fewer sides, or split --by frame"
        )
    total = sum(wanted.values())
    targets = {side: share / total * sizes.sum() for side, share in wanted.items()}
    side_of = _assign(sizes, targets, np.random.default_rng(seed))
    return {
        side: np.flatnonzero(np.isin(groups, [g for g, s in side_of.items() if s == side]))
        for side in wanted
    }


def partition_record(
    dataset: PoseDataset,
    sides: Mapping[str, np.ndarray],
    *,
    shares: Mapping[str, float],
    by: Unit,
    seed: int,
) -> dict[str, Any]:
    """The content of a split file: who is on which side, how it was chosen, out of what."""
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
    for side, rows in sides.items():
        known = sorted({str(scene) for scene in scenes[rows] if scene is not None})
        record["sides"][side] = {
            "people": len(rows),
            "usable_people": int(usable[rows].sum()),
            "scenes": known,
            "person_ids": dataset.people["id"].iloc[rows].tolist(),
        }
    return record


def read_partition(path: Path, dataset: PoseDataset) -> dict[str, np.ndarray]:
    """Rows of people, int64, by side, that a split file names.

    Raises:
        InputError: it is no such file, was made from other annotations, or has a person twice.
    """
    record = read_json(path)
    sides = record.get("sides") if isinstance(record, dict) else None
    if not isinstance(sides, dict) or not all(
        isinstance(side, dict) and isinstance(side.get("person_ids"), list)
        for side in sides.values()
    ):
        raise InputError(f"{path}: is not a split file: it has no 'sides' with 'person_ids'")
    require_same_annotations(path, record, dataset)
    rows_of_ids(path, [i for side in sides.values() for i in side["person_ids"]], dataset)
    return {
        name: np.sort(rows_of_ids(path, side["person_ids"], dataset))
        for name, side in sides.items()
    }


def _assign(
    sizes: np.ndarray, targets: dict[str, float], rng: np.random.Generator
) -> dict[int, str]:
    """Side of each group with people (and, for the others, the first side)."""
    # Sorted by size, the sides would hold groups of different sizes, whatever the seed.
    orders = (rng.permutation(np.flatnonzero(sizes)) for _ in range(ORDERS))
    near = max(1.0, NEAR * float(sizes.sum()))
    best: dict[int, str] = {}
    least = np.inf
    for order in orders:
        side_of, off = _assign_in_order(order, sizes, targets)
        if off < least:
            best, least = side_of, off
        if least <= near:
            break
    return dict.fromkeys(range(len(sizes)), next(iter(targets))) | best


def _assign_in_order(
    order: np.ndarray, sizes: np.ndarray, targets: dict[str, float]
) -> tuple[dict[int, str], float]:
    """Side of each group of the order, and by how many people the sides miss their targets."""
    side_of: dict[int, str] = {}
    lacking = dict(targets)
    empty = set(targets)
    for position, group in enumerate(order.tolist()):
        must = len(order) - position <= len(empty)
        candidates = [side for side in lacking if not must or side in empty]
        side = max(candidates, key=lambda s: lacking[s])
        side_of[group] = side
        lacking[side] -= int(sizes[group])
        empty.discard(side)
    return side_of, sum(map(abs, lacking.values()))
