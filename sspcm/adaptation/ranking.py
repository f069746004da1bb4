"""Whom to label next: people on whom a network is unsteady, in different poses, of all cameras.

Position inconsistency (SSPCM, Huang et al., CVPR 2023) says where a label may teach something; a
choice by it alone takes many people who are hard in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.cluster.vq import kmeans2

from sspcm.adaptation.steadiness import Steadiness, steadiness
from sspcm.data.crop_places import places_of
from sspcm.inference.networks import TrainedNetworks
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.geometry import transform_points
from wepdtof_pose.splits.id_lists import hashes_of

UNSTEADY = 0.5
"""Share of the people, the most inconsistent ones, among whom different ones are chosen."""


@dataclass(frozen=True)
class Ranking:
    """People to label, the least steady first.

    Attributes:
        rows: (chosen,) int64 rows of the people.
        inconsistency: (chosen,) float64 mean over the joints (see `Steadiness`).
        looked_at: of how many they are chosen.
        problems: a line for each image that cannot be read, whose people were not asked about.
    """

    rows: np.ndarray
    inconsistency: np.ndarray
    looked_at: int
    problems: list[str] = field(default_factory=list)


def rank_people(
    networks: TrainedNetworks,
    people: PoseDataset,
    count: int,
    *,
    candidates: np.ndarray | None = None,
    seed: int = 0,
) -> Ranking:
    """Choose people to label next.

    The half of the candidates (by default everybody with a usable box) with the most inconsistent
    positions is kept. Each camera (scene) gets its share of the choice; there the poses are put
    into as many groups (k-means), and of each group the person nearest to its middle is taken: one
    of several alike, not an oddity. Fewer than `count` are chosen where the images of too many
    cannot be read.

    Args:
        networks: the reported one is asked.
        people: with boxes; labels are not looked at. A scene is a camera.
        count: how many to choose.
        candidates: rows of those who may be chosen; everybody with a usable box if None.
        seed: of the groups.

    Raises:
        InputError: there are fewer candidates, or no image of theirs can be read.
    """
    rows = np.flatnonzero(people.boxed()) if candidates is None else np.sort(candidates)
    if not 1 <= count <= len(rows):
        raise InputError(f"{count} people to label asked for out of {len(rows)} candidates")
    problems: list[str] = []
    steady = steadiness(
        networks.only(networks.reported), people.select_people(rows), problems=problems
    )
    seen = ~np.isnan(steady.inconsistency).any(axis=1)
    if not seen.any():
        raise InputError(f"no image can be read: {problems[0]}")
    rows, steady = rows[seen], Steadiness(steady.keypoints[seen], steady.inconsistency[seen])
    count, chosen_from = min(count, len(rows)), people.select_people(rows)
    scores = steady.inconsistency.mean(axis=1)
    kept = np.argsort(-scores, kind="stable")[: max(count, round(UNSTEADY * len(rows)))]
    poses = pose_descriptors(networks, chosen_from, steady)[kept]
    random = np.random.default_rng(seed)
    found = kept[_different(poses, _cameras(chosen_from)[kept], count, random)]
    found = found[np.argsort(-scores[found], kind="stable")]
    return Ranking(rows[found], scores[found], len(rows), problems)


def ranking_record(
    people: PoseDataset,
    ranking: Ranking,
    networks: TrainedNetworks,
    *,
    labelled: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return the content of a list of people, which `data.labels` takes as it does a split's.

    Its `person_ids` begin with those to label next, the least steady first; `inconsistency` has a
    number for each of them.

    Args:
        people: everybody.
        ranking: whom to label next.
        networks: who was asked.
        labelled: rows of those who are labelled already: the list ends with them.
    """
    rows = ranking.rows if labelled is None else np.concatenate([ranking.rows, labelled])
    return {
        "labels": str(len(rows)),
        "order": "rank",
        "seed": None,
        **hashes_of(people),
        "usable_people": int(people.trainable().sum()),
        "person_ids": people.people["id"].iloc[rows].tolist(),
        "inconsistency": ranking.inconsistency.round(5).tolist(),
        "ranked_by": {**networks.record, "network": networks.reported},
    }


def pose_descriptors(
    networks: TrainedNetworks, people: PoseDataset, steady: Steadiness
) -> np.ndarray:
    """Return predicted poses (people, 2 joints) as they lie in their crops, over the crops' width.

    Positions are relative to the middle and shrink towards it with the joint's score: where a
    joint that is not seen was put says nothing of the pose.
    """
    size = networks.crop_size
    places = places_of(people, size, upright=networks.upright, up=networks.up)
    points = transform_points(
        steady.keypoints[..., :2].astype(np.float64), places.matrices(size, size)
    )
    points = (points - np.array(size) / 2) / size[0]
    return (points * steady.keypoints[..., 2:].clip(0, 1)).reshape(len(people), -1)


def _cameras(people: PoseDataset) -> np.ndarray:
    """Return the number (people,) of each person's camera; frames that say none are of one."""
    scenes = people.frames["scene"].to_numpy(dtype=object)[people.frame_rows]
    return pd.factorize(scenes)[0]


def _different(
    poses: np.ndarray, cameras: np.ndarray, count: int, random: np.random.Generator
) -> np.ndarray:
    """Return rows (count,) of different poses, each camera's share of them."""
    names, sizes = np.unique(cameras, return_counts=True)
    quota = count * sizes / sizes.sum()
    shares = np.floor(quota).astype(int)
    most_lacking = np.argsort(shares - quota, kind="stable")
    shares[most_lacking[: count - shares.sum()]] += 1
    parts = []
    for name, share in zip(names, shares.tolist(), strict=True):
        own = np.flatnonzero(cameras == name)
        parts.append(own[_middles_of_groups(poses[own], share, random)])
    return np.concatenate(parts)


def _middles_of_groups(poses: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Return the rows (count,) nearest to the middles of groups; the first where groups lack."""
    if not 0 < count < len(poses):
        return np.arange(len(poses))[:count]
    middles, groups = kmeans2(poses, count, minit="++", rng=random)
    distance = np.linalg.norm(poses - middles[groups], axis=1)
    order = np.lexsort([distance, groups])
    _, first = np.unique(groups[order], return_index=True)
    chosen = order[first]
    others = np.setdiff1d(np.arange(len(poses)), chosen)
    return np.concatenate([chosen, others[: count - len(chosen)]])
