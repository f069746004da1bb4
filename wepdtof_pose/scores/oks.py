"""Object keypoint similarity (OKS) and the suppression of duplicate poses by it.

With distances d in pixels, object area s^2 and joint constants k = 2 sigma, a joint's similarity is
exp(-d^2 / (2 s^2 k^2)) and the OKS of a pose is its mean over the labelled joints (COCO keypoint
evaluation, https://cocodataset.org/#keypoints-eval).
"""

from __future__ import annotations

import numpy as np

_EPS = np.spacing(1)


def joint_similarity(
    squared_distances: np.ndarray, areas: np.ndarray, sigmas: np.ndarray
) -> np.ndarray:
    """Return the similarities (..., joints) in 0..1.

    Args:
        squared_distances: (..., joints) in pixels squared.
        areas: (...) object areas in pixels squared.
        sigmas: (joints,) OKS sigmas.
    """
    spread = (np.asarray(sigmas, dtype=np.float64) * 2) ** 2
    areas = np.asarray(areas, dtype=np.float64)[..., None]
    return np.exp(-squared_distances / spread / (areas + _EPS) / 2)


def oks_matrix(
    predictions: np.ndarray,
    keypoints: np.ndarray,
    areas: np.ndarray,
    boxes: np.ndarray,
    sigmas: np.ndarray,
) -> np.ndarray:
    """Return the OKS (predictions, people) of each predicted with each annotated pose of a frame.

    A person without labelled joints (a crowd region) is compared by position: the distance of a
    predicted joint is that to the person's box grown by its own size on each side, 0 inside.

    Args:
        predictions: (predictions, joints, 2 or more) x, y first.
        keypoints: (people, joints, 3) x, y, visibility.
        areas: (people,) pixels squared.
        boxes: (people, 4) x, y, w, h in pixels.
        sigmas: (joints,) OKS sigmas.
    """
    points = np.asarray(predictions, dtype=np.float64)[:, None, :, :2]
    keypoints = np.asarray(keypoints, dtype=np.float64)
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    labelled = np.greater(keypoints[..., 2], 0)
    unlabelled_person = ~labelled.any(axis=1)

    offsets = points - keypoints[None, :, :, :2]
    near = (boxes[:, :2] - boxes[:, 2:])[None, :, None]
    far = (boxes[:, :2] + 2 * boxes[:, 2:])[None, :, None]
    outside = np.maximum(near - points, 0) + np.maximum(points - far, 0)
    offsets = np.where(unlabelled_person[None, :, None, None], outside, offsets)

    similarity = joint_similarity((offsets**2).sum(axis=3), areas, sigmas)
    counted = labelled | unlabelled_person[:, None]
    return (similarity * counted).sum(axis=2) / np.maximum(counted.sum(axis=1), 1)


def pose_oks(keypoints: np.ndarray, areas: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """Return the OKS (poses, poses) of predicted poses with one another, over all joints.

    The area of a pair is the mean of its two areas, as in the released evaluation.

    Args:
        keypoints: (poses, joints, 2 or more) x, y first.
        areas: (poses,) pixels squared.
        sigmas: (joints,) OKS sigmas.
    """
    points = np.asarray(keypoints, dtype=np.float64)[..., :2]
    areas = np.asarray(areas, dtype=np.float64)
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=3)
    pair_areas = (areas[:, None] + areas[None]) / 2
    return joint_similarity(squared, pair_areas, sigmas).mean(axis=2)


def oks_nms(
    keypoints: np.ndarray,
    scores: np.ndarray,
    areas: np.ndarray,
    sigmas: np.ndarray,
    threshold: float,
) -> np.ndarray:
    """Return indices (kept,) of the poses of a frame left by non-maximum suppression, best first.

    The best remaining pose is kept and those with an OKS above the threshold to it are dropped,
    until none remains. Of equal scores the later pose goes first.

    Args:
        keypoints: (poses, joints, 2 or more) x, y first.
        scores: (poses,)
        areas: (poses,) pixels squared.
        sigmas: (joints,) OKS sigmas.
        threshold: largest OKS that two kept poses may have.
    """
    similar = pose_oks(keypoints, areas, sigmas) > threshold
    remaining = np.argsort(np.asarray(scores), kind="stable")[::-1]
    kept = []
    while len(remaining):
        best, others = remaining[0], remaining[1:]
        kept.append(best)
        remaining = others[~similar[best, others]]
    return np.array(kept, dtype=np.int64)
