"""How well rotated boxes were found: overlap and average precision.

Boxes are cx, cy, w, h in pixels and an angle in degrees, clockwise from the axis that points up.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from wepdtof_pose.geometry import rotated_box_corners

RECALLS = np.linspace(0, 1, 101)
"""Recalls at which COCO samples the precision."""


def rotated_iou(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Return the intersection over union (n, m) of rotated boxes (n, 5) and (m, 5).

    >>> rotated_iou([[0, 0, 2, 4, 0]], [[0, 0, 4, 2, 90], [1, 0, 2, 4, 0]]).round(3).tolist()
    [[1.0, 0.333]]
    """
    a = np.asarray(first, dtype=np.float64).reshape(-1, 5)
    b = np.asarray(second, dtype=np.float64).reshape(-1, 5)
    overlap = np.zeros((len(a), len(b)))
    corners = [rotated_box_corners(boxes) for boxes in (a, b)]
    reach = [np.hypot(boxes[:, 2], boxes[:, 3]) / 2 for boxes in (a, b)]
    apart = np.hypot(a[:, None, 0] - b[None, :, 0], a[:, None, 1] - b[None, :, 1])
    for i, j in np.argwhere(apart < reach[0][:, None] + reach[1][None, :]):
        # About the first box, so that float32 keeps its digits far out on a large frame.
        origin = a[i, :2]
        polygons = [
            (side[row] - origin).astype(np.float32)
            for side, row in zip(corners, (i, j), strict=True)
        ]
        overlap[i, j] = cv2.intersectConvexConvex(*polygons)[0]
    areas = [boxes[:, 2] * boxes[:, 3] for boxes in (a, b)]
    union = areas[0][:, None] + areas[1][None, :] - overlap
    return np.where(union > 0, overlap / np.maximum(union, 1e-12), 0.0)


def average_precision(
    found: Sequence[NDArray[np.float64]],
    truth: Sequence[NDArray[np.float64]],
    *,
    least_iou: float = 0.5,
) -> float:
    """Return COCO's average precision of the boxes found on some frames, at one IoU.

    Precision is made to fall monotonically and sampled at 101 recalls; who is found is said by
    `ranked_hits`, which also describes the arguments and errors.
    """
    _, hits = ranked_hits(found, truth, least_iou=least_iou)
    good = np.cumsum(hits)
    precision = good / np.arange(1, len(good) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(good / sum(map(len, truth)), RECALLS, side="left")
    return float(np.append(falling, 0.0)[at].mean())


def ranked_hits(
    found: Sequence[NDArray[np.float64]],
    truth: Sequence[NDArray[np.float64]],
    *,
    least_iou: float = 0.5,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the scores (n,) of all found boxes, best first, and whether each hits somebody (n,).

    A found box takes the free true box that it overlaps most; the best-scored takes first.

    Args:
        found: for each frame (n, 6), boxes with a score behind.
        truth: for each frame (m, 5) boxes, in the same order.
        least_iou: overlap from which a box counts as found.

    Raises:
        ValueError: the two are of different numbers of frames, or there is no true box at all.
    """
    people = sum(len(boxes) for boxes in truth)
    if len(found) != len(truth) or not people:
        raise ValueError(f"{len(found)} frames of found, {len(truth)} of {people} true boxes")
    scores, hits = [], []
    for boxes, true in zip(found, truth, strict=True):
        order = np.argsort(-boxes[:, 5], kind="stable")
        overlap = rotated_iou(boxes[order, :5], true)
        free = np.ones(len(true), dtype=bool)
        for row in overlap:
            best = int(np.where(free, row, -1).argmax()) if free.any() else -1
            hit = best >= 0 and row[best] >= least_iou
            if hit:
                free[best] = False
            hits.append(hit)
        scores.append(boxes[order, 5])
    ranked = np.argsort(-np.concatenate(scores), kind="stable")
    return np.concatenate(scores)[ranked], np.asarray(hits, dtype=bool)[ranked]


def best_threshold(scores: NDArray[np.float64], hits: NDArray[np.bool_], people: int) -> float:
    """Return the score from which boxes are best kept: where F1 is highest; 0 without boxes.

    Args:
        scores: (n,) and
        hits: (n,) of `ranked_hits`.
        people: how many true boxes there are.

    >>> best_threshold(np.array([0.9, 0.8, 0.3, 0.2]), np.array([True, True, False, False]), 2)
    0.8
    """
    if not len(scores):
        return 0.0
    f1 = 2 * np.cumsum(hits) / (np.arange(1, len(hits) + 1) + people)
    return float(scores[f1.argmax()])
