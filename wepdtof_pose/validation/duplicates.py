"""People who are in an image twice: nearly the same pose (OKS), or exactly the same box."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wepdtof_pose.dataset import AREA_PER_BOX
from wepdtof_pose.scores.oks import joint_similarity
from wepdtof_pose.validation.raw_file import RawFile

ALIKE = 0.9
"""OKS from which on two people of an image are taken for one.

Two different people hardly reach it: of 1,035 pairs in images of real samples (COCO, OCHuman and
others) the nearest has 0.60, of 4,423 pairs of 1,500 synthetic overhead people 0.25.
"""

FEWEST_JOINTS = 4
_NEIGHBOURS = 50
_NO_SIGMA = 0.079


def similar_people(raw: RawFile, labelled: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of people of one image with an OKS of ALIKE or more: first, second, OKS.

    Compared are joints that both have labelled, at least 4 and half of what either has; the area is
    the mean of 0.53 of the boxes. Only pairs whose boxes lie near one another can reach it, so
    people are sorted along x and compared with the next 50 at most.
    """
    boxes = raw.boxes
    usable = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1) & (raw.image_of >= 0)
    usable &= (labelled.sum(axis=1) >= FEWEST_JOINTS) & ~raw.crowds
    rows = np.flatnonzero(usable)
    middle = boxes[rows, :2] + boxes[rows, 2:] / 2
    rows = rows[np.lexsort((middle[:, 0], raw.image_of[rows]))]
    middle = boxes[rows, :2] + boxes[rows, 2:] / 2
    reach = 0.3 * np.sqrt(boxes[rows, 2:].prod(axis=1))
    images = raw.image_of[rows]
    pairs = []
    active = np.arange(len(rows))
    for step in range(1, _NEIGHBOURS + 1):
        active = active[active + step < len(rows)]
        other = active + step
        near = (images[other] == images[active]) & (
            middle[other, 0] - middle[active, 0] < reach[active]
        )
        active = active[near]
        if not len(active):
            break
        level = np.abs(middle[active + step, 1] - middle[active, 1]) < reach[active]
        pairs.append(np.stack([rows[active[level]], rows[active[level] + step]]))
    first, second = np.sort(np.concatenate([np.zeros((2, 0), dtype=np.int64), *pairs], axis=1), 0)
    similarity = np.concatenate(
        [
            _similarity(raw, labelled, first[block], second[block])
            for block in (slice(i, i + 50_000) for i in range(0, len(first) + 1, 50_000))
        ]
    )
    alike = np.flatnonzero(similarity >= ALIKE)
    alike = alike[np.argsort(second[alike], kind="stable")]
    return first[alike], second[alike], similarity[alike]


def repeated_boxes(raw: RawFile) -> np.ndarray:
    """Mask (people,) of those whose box is exactly that of an earlier person of the image."""
    boxes = raw.rotated if raw.boxes_only else raw.boxes
    table = pd.DataFrame(boxes).assign(image=raw.image_of)
    whole = np.isfinite(boxes).all(axis=1) & (raw.image_of >= 0) & ~raw.crowds
    return table.duplicated().to_numpy() & whole


def _similarity(
    raw: RawFile, labelled: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    a, b = raw.keypoints[first, :, :2], raw.keypoints[second, :, :2]
    both = labelled[first] & labelled[second]
    squared = np.where(both, ((np.where(both[..., None], a - b, 0)) ** 2).sum(axis=2), 0)
    known = raw.keypoint_set.sigmas if raw.keypoint_set else None
    sigmas = np.full(a.shape[1], _NO_SIGMA) if known is None else np.asarray(known)
    areas = (
        AREA_PER_BOX * (raw.boxes[first, 2:].prod(axis=1) + raw.boxes[second, 2:].prod(axis=1)) / 2
    )
    similarity = (joint_similarity(squared, areas, sigmas) * both).sum(axis=1)
    shared = both.sum(axis=1)
    most = np.maximum(labelled[first].sum(axis=1), labelled[second].sum(axis=1))
    enough = (shared >= FEWEST_JOINTS) & (2 * shared >= most)
    return np.where(enough, similarity / np.maximum(shared, 1), 0.0)
