"""Quality of pseudo-labels: how often they are right, and how well that can be predicted.

The paper (Huang et al., CVPR 2023) argues that the agreement of two networks in position says more
about a pseudo-label than the height of the heatmap's peak. This is measured on training people
whose labels the run did not see, against their true labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.analyses.people_scores import THRESHOLD
from benchmarks.results.results import CellResult
from sspcm.assembly import places_in_run
from sspcm.data.sets import make_sets
from sspcm.inference.open import open_networks
from sspcm.training.pool_labels import label_people, require_labels
from wepdtof_pose.errors import InputError
from wepdtof_pose.geometry import PIXEL_STD

PEOPLE = 2000
"""Maximum number of people measured, chosen at random."""
BINS = 10
SHARES = tuple(round(0.05 * step, 2) for step in range(1, 21))
"""Shares of joints kept, in the curves of `ranking`."""


def measure_pseudo_labels(cell: CellResult) -> dict[str, Any]:
    """Return the `label_quality` of a finished cell's pseudo-labels, and how it was measured.

    The pseudo-labels are those of the method's own `taught` with the networks of the last epoch,
    before any mask, on people of the unlabelled pool whose labels the run did not see. Confidence
    is the height of the peak that the method uses; inconsistency is the distance between the
    teachers' positions over the square root of the box area. At the end of an epoch SSPCM's lagged
    teachers equal the present ones, so its four pairs coincide.

    Raises:
        InputError: the checkpoint or the data are missing or have changed, nobody is unlabelled, or
            the method cannot make pseudo-labels from one view of a person.
    """
    config = cell.config
    networks = open_networks(cell.folder, device=config.device)
    require_labels(networks.method, config)
    sets = make_sets(config.data, released=config.released)
    for key in ("data_hash", "unlabelled_hash"):
        if getattr(sets.record, key) != getattr(cell.result, key):
            raise InputError(f"{cell.folder}: its data have changed since it was made")
    # The same people for all cells of a comparison, so that they share the decoded crops.
    pool = np.unique(sets.unlabelled)
    rows = np.sort(np.random.default_rng(0).permutation(pool)[:PEOPLE])
    people = sets.train.select_people(rows)
    counted = (people.keypoints[..., 2] > 0) & ~np.isin(rows, sets.labelled)[:, None]
    if not counted.any():
        raise InputError(f"{cell.folder}: every person of the pool is labelled, or has no joints")
    labels = label_people(networks.method, config, people, networks.hardware)
    size = np.sqrt(np.prod(people.boxes[:, 2:], axis=1))[:, None]
    error = np.linalg.norm(labels[..., :2] - people.keypoints[..., :2], axis=2) / size
    places = places_in_run(config, people)
    heatmap_pixel = places.scale[:, :1] * PIXEL_STD / (config.data.crop_width / 4)
    apart = (labels[..., 3] * heatmap_pixel / size)[counted]
    return {
        "people": int(counted.any(axis=1).sum()),
        "right_within": THRESHOLD,
        **label_quality(
            (error <= THRESHOLD)[counted],
            labels[..., 2][counted],
            None if np.isnan(apart).any() else apart,
        ),
    }


def label_quality(
    right: np.ndarray, confidence: np.ndarray, inconsistency: np.ndarray | None
) -> dict[str, Any]:
    """Return the accuracy of labels by confidence and by inconsistency, binned and ranked.

    Args:
        right: (labels,) bool.
        confidence: (labels,) higher is better.
        inconsistency: (labels,) lower is better; None with one teacher.
    """
    signals = {"confidence": (confidence, 1.0)}
    if inconsistency is not None:
        signals["inconsistency"] = (inconsistency, -1.0)
    return {
        "joints": len(right),
        "accuracy": float(right.mean()),
        "by": {
            name: {
                "bins": quantile_bins(values, right),
                "kept": {"shares": list(SHARES), "accuracy": ranking(sign * values, right)},
                "auc": auc(sign * values, right),
            }
            for name, (values, sign) in signals.items()
        },
    }


def quantile_bins(values: np.ndarray, right: np.ndarray) -> list[dict[str, float | int]]:
    """Return mean value, accuracy and count of labels in ten equal bins, lowest values first."""
    order = np.argsort(values, kind="stable")
    return [
        {
            "value": float(values[part].mean()),
            "accuracy": float(right[part].mean()),
            "joints": len(part),
        }
        for part in np.array_split(order, min(BINS, len(order)))
    ]


def ranking(goodness: np.ndarray, right: np.ndarray) -> list[float]:
    """Return the accuracy of the best-ranked labels at each of `SHARES`; ties share their mean."""
    _, group = np.unique(-goodness, return_inverse=True)
    mean = np.bincount(group, right) / np.bincount(group)
    expected = np.cumsum(mean[np.sort(group)])
    counts = np.maximum(1, np.round(np.array(SHARES) * len(right)).astype(int))
    return [float(expected[count - 1] / count) for count in counts]


def auc(goodness: np.ndarray, right: np.ndarray) -> float | None:
    """Return the probability that a right label ranks above a wrong one; ties count half."""
    wrong = int((~right).sum())
    if not wrong or wrong == len(right):
        return None
    _, group, counts = np.unique(goodness, return_inverse=True, return_counts=True)
    rank = np.cumsum(counts) - (counts - 1) / 2
    hits = int(right.sum())
    return float((rank[group][right].sum() - hits * (hits + 1) / 2) / (hits * wrong))
