"""Looks at a person: crops of several sizes, some of them mirrored, whose joints must agree.

A network that was trained on drawn people errs on real ones, but seldom at the same place in crops
that are cut otherwise. Of the positions of a joint those count that support each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

REACH = 0.15
"""Standard deviation of the Gaussian by which positions support each other, over the root of the
area of the padded crop: some 0.2 of that of the box."""
_LEAST = 1e-6


class Look(NamedTuple):
    """A crop's sides over those of the plain crop, and whether it is mirrored."""

    size: float
    mirrored: bool


LOOKS: dict[int, tuple[Look, ...]] = {
    1: (Look(1.0, False),),
    3: (Look(1.0, False), Look(0.8, True), Look(1.15, True)),
}
"""The looks of each value of `evaluation.looks`; the first is the plain crop."""


def looks_in_words(flip_test: bool, looks: int) -> str:
    """Return how each person is looked at, for a line of text.

    >>> looks_in_words(True, 1), looks_in_words(False, 3)
    ('flip test', '3 looks')
    """
    if looks > 1:
        return f"{looks} looks"
    return "flip test" if flip_test else "no flip test"


def agreed(keypoints: np.ndarray, roots: np.ndarray) -> np.ndarray:
    """Return the joints that the looks agree on, (people, joints, 3) float32.

    Each look's position is supported by the scores of the looks, the less the farther away they
    are. The mean is taken around the position of most support, with the same weights; the score is
    the mean of the looks'. Those of a single look are returned as they are.

    Args:
        keypoints: (looks, people, joints, 3) x, y in frame pixels, and a score.
        roots: (people,) root of the area of the plain crop in frame pixels.

    >>> one, other = [10.0, 20.0, 0.6], [12.0, 20.0, 0.6]
    >>> looks = np.array([one, other, [90.0, 20.0, 0.9]])[:, None, None]
    >>> agreed(looks, np.array([100.0])).round(2).tolist()
    [[[11.0, 20.0, 0.7]]]
    """
    if len(keypoints) == 1:
        return keypoints[0]
    places = keypoints[..., :2].astype(np.float64)
    scores = keypoints[..., 2].astype(np.float64).clip(_LEAST)
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    closeness = np.exp(-((apart / (REACH * roots[:, None])) ** 2) / 2)
    weights = closeness * scores
    best = weights.sum(axis=1).argmax(axis=0)
    weights = np.take_along_axis(weights, best[None, None], axis=0)[0]
    middle = (weights[..., None] * places).sum(axis=0) / weights.sum(axis=0)[..., None]
    mean = keypoints[..., 2].mean(axis=0, dtype=np.float64)
    return np.concatenate([middle, mean[..., None]], axis=-1).astype(np.float32)
