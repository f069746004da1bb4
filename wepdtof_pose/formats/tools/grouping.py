"""Which joints and which box belong to one person, where an annotation tool does not say."""

from __future__ import annotations

import numpy as np


def only_box_around(points: np.ndarray, boxes: np.ndarray) -> int | None:
    """The row of the only box that contains all points; None where there is none or several.

    Args:
        points: (points, 2) pixels.
        boxes: (boxes, 4) x, y, w, h in pixels.
    """
    if not len(points) or not len(boxes):
        return None
    near = boxes[:, None, :2] - 1e-6
    far = boxes[:, None, :2] + boxes[:, None, 2:] + 1e-6
    around = ((points >= near) & (points <= far)).all(axis=(1, 2))
    return int(np.flatnonzero(around)[0]) if around.sum() == 1 else None


def box_of_joints(keypoints: np.ndarray) -> list[float]:
    """The extent x, y, w, h of the labelled joints of (joints, 3)."""
    points = keypoints[keypoints[:, 2] > 0, :2].astype(np.float64)
    if not len(points):
        return [0.0, 0.0, 0.0, 0.0]
    near = points.min(axis=0)
    return [*near.tolist(), *(points.max(axis=0) - near).tolist()]
