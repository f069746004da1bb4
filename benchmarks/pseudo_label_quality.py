"""Quality of pseudo-labels: how often they are right, and what tells right from wrong ones.

The paper's argument (Huang et al., CVPR 2023): whether two networks agree in position says more
about a pseudo-label than how high the heatmap's peak is. It is measured on training people whose
labels the run did not see, against their true labels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import CellResult
from sspcm.crop_store import default_cache, open_crop_store
from sspcm.open_networks import open_networks
from sspcm.sets import make_sets
from wepdtof_pose.errors import InputError

PEOPLE = 2000
"""At most so many people are measured, chosen at random."""
RIGHT = 0.2
"""A joint is right within this share of the square root of the box area, as in PCK@0.2."""
BINS = 10
SHARES = tuple(round(0.05 * step, 2) for step in range(1, 21))
"""Shares of the joints that are kept, in the curves of `ranking`."""


def measure_pseudo_labels(cell: CellResult) -> dict[str, Any]:
    """What `label_quality` gives for the teachers of a finished cell, and how it was measured.

    With two teachers A and B the label is the peak of their mean map, its confidence the mean of
    their peaks, its inconsistency the distance of their peaks over the square root of the box
    area. One network has a confidence alone. Networks run in evaluation mode on upright crops.

    Raises:
        InputError: the checkpoint or the data are not there or have changed, or nobody is
            unlabelled.
    """
    networks = open_networks(cell.folder, device=cell.config.device)
    sets = make_sets(cell.config.data, released=cell.config.method.recipe == "released")
    if sets.record["data_hash"] != cell.result["data_hash"]:
        raise InputError(
            f"{cell.config.data.path}: the data have changed since {cell.folder} was made"
        )
    # One choice for all cells of a comparison, so that they share the decoded crops.
    rows = np.sort(np.random.default_rng(0).permutation(sets.record["people_train"])[:PEOPLE])
    people = sets.train.select_people(rows)
    named = cell.config.data.cache
    store = open_crop_store(
        people,
        crop_size=networks.crop_size,
        window_size=networks.crop_size,
        folder=Path(named) if named else default_cache(),
        upright=networks.upright,
    )
    poses = networks.predict(store)
    counted = (people.keypoints[..., 2] > 0) & ~np.isin(rows, sets.labelled)[:, None]
    if not counted.any():
        raise InputError(f"{cell.folder}: every training person is labelled")
    size = np.sqrt(np.prod(people.boxes[:, 2:], axis=1))[:, None]
    both = {"A", "B", "mean"} <= poses.keys()
    teacher = "teacher" if "teacher" in poses else cell.result["reported"]
    label = poses["mean" if both else teacher]
    confidence = 0.5 * (poses["A"][..., 2] + poses["B"][..., 2]) if both else label[..., 2]
    error = np.linalg.norm(label[..., :2] - people.keypoints[..., :2], axis=2) / size
    apart = None
    if both:
        apart = np.linalg.norm(poses["A"][..., :2] - poses["B"][..., :2], axis=2) / size
    return {
        "people": int(counted.any(axis=1).sum()),
        "right_within": RIGHT,
        "teachers": "A and B" if both else teacher,
        **label_quality(
            (error <= RIGHT)[counted],
            confidence[counted],
            None if apart is None else apart[counted],
        ),
    }


def label_quality(
    right: np.ndarray, confidence: np.ndarray, inconsistency: np.ndarray | None
) -> dict[str, Any]:
    """Accuracy of labels, in bins of what they are judged by and in the order of it.

    Args:
        right: (labels,) bool.
        confidence: (labels,) the higher the better.
        inconsistency: (labels,) the lower the better; None with one teacher.
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
    """Mean value, accuracy and count of labels in ten bins of equal size, lowest values first."""
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
    """Accuracy of the best-ranked labels at each of `SHARES`; ties count with their mean."""
    _, group = np.unique(-goodness, return_inverse=True)
    mean = np.bincount(group, right) / np.bincount(group)
    expected = np.cumsum(mean[np.sort(group)])
    counts = np.maximum(1, np.round(np.array(SHARES) * len(right)).astype(int))
    return [float(expected[count - 1] / count) for count in counts]


def auc(goodness: np.ndarray, right: np.ndarray) -> float | None:
    """Probability that a right label is ranked above a wrong one; ties count half."""
    wrong = int((~right).sum())
    if not wrong or wrong == len(right):
        return None
    _, group, counts = np.unique(goodness, return_inverse=True, return_counts=True)
    rank = np.cumsum(counts) - (counts - 1) / 2
    hits = int(right.sum())
    return float((rank[group][right].sum() - hits * (hits + 1) / 2) / (hits * wrong))
