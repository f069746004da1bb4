"""The order in which people get labels: file order, random, even over scenes, by frame or scene.

A budget of N takes the first N of an order, so smaller budgets lie inside larger ones.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import pandas as pd

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.splits.groups import Unit, group_numbers
from wepdtof_pose.splits.hold_out import first_people, random_people

Order = Literal["file", "random", "stratified"]


def choose_people(
    dataset: PoseDataset, count: int, *, order: Order = "file", by: Unit = "person", seed: int = 0
) -> np.ndarray:
    """Return the rows (count,) int64 of the usable people who are labelled, in file order.

    Args:
        dataset: the people.
        count: how many; see `splits.label_budget`.
        order: "file" as published, "random", or "stratified": the same share of every scene.
        by: "frame" and "scene" label whole frames or scenes, one after the other in that order;
            only the last is cut off at the count.
        seed: of the random orders.

    Raises:
        InputError: fewer usable people, no scenes where they are asked for, or an unknown order or
            unit.

    >>> from wepdtof_pose.annotations import sample_folder
    >>> from wepdtof_pose.formats.loading import load_dataset
    >>> people = load_dataset(sample_folder())["all"]
    >>> small, large = (set(choose_people(people, n, order="stratified")) for n in (4, 8))
    >>> small < large
    True
    """
    for name, word, words in (("order", order, get_args(Order)), ("by", by, get_args(Unit))):
        if word not in words:
            raise InputError(f"{name} is {word!r}: choose one of {', '.join(words)}")
    rng = np.random.default_rng(seed)
    if order == "stratified":
        if by != "person":
            raise InputError("a stratified order is one of people: leave out --by")
        return stratified_people(dataset, count, rng)
    if by == "person":
        if order == "file":
            return first_people(dataset, count)
        return random_people(dataset, count, rng)
    return _people_by_group(dataset, count, by, rng if order == "random" else None)


def stratified_people(dataset: PoseDataset, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return rows (count,) int64 of people drawn evenly over the scenes, in file order.

    In every scene people are drawn at random, and the scenes take turns in proportion to their
    size: at any count each has its share of the usable people to within one person. A larger count
    with a generator of the same seed gives a superset.

    Raises:
        InputError: there are fewer usable people, or no scenes are known.
    """
    rows = _usable(dataset, count)
    scenes = pd.factorize(group_numbers(dataset, "scene")[rows])[0]
    shuffled = rng.permutation(len(rows))
    turn = pd.Series(scenes[shuffled]).groupby(scenes[shuffled]).cumcount().to_numpy()
    taken = _people_of_scenes(np.bincount(scenes), count, rng)
    chosen = shuffled[turn < taken[scenes[shuffled]]]
    return rows[np.sort(chosen)]


def _usable(dataset: PoseDataset, count: int) -> np.ndarray:
    """Return rows of all usable people in file order, where there are `count`."""
    return first_people(dataset, max(count, int(dataset.trainable().sum())))


def _people_of_scenes(sizes: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return how many people (scenes,) of scenes of these sizes are among the first `count`.

    The next label goes to the scene that must have one soonest, of those that lack one: the rule of
    R. Tijdeman, The chairman assignment problem, Discrete Mathematics 32 (1980), by which no scene
    is ever a whole person off its share. (The scene that lacks most may leave others behind.)
    """
    order = rng.permutation(len(sizes))  # Of scenes that are due at the same time.
    size, people = sizes[order].astype(np.int64), int(sizes.sum())
    slack = max(2 * len(sizes) - 2, 1)
    taken = np.zeros(len(sizes), dtype=np.int64)
    for labels in range(1, count + 1):
        lacking = labels * size - taken * people
        due = (people - people / slack - lacking) / size
        taken[np.argmin(np.where(lacking * slack >= people, due, np.inf))] += 1
    found = np.empty_like(taken)
    found[order] = taken
    return found


def _people_by_group(
    dataset: PoseDataset,
    count: int,
    by: Literal["frame", "scene"],
    rng: np.random.Generator | None,
) -> np.ndarray:
    rows = _usable(dataset, count)
    groups = pd.factorize(group_numbers(dataset, by)[rows])[0]
    turn = np.arange(groups.max() + 1)
    if rng is not None:
        turn = rng.permutation(turn)
    return rows[np.sort(np.argsort(turn[groups], kind="stable")[:count])]
