"""Pixels of a frame and FiftyOne's relative coordinates.

FiftyOne counts in shares of the frame's width and height: x / width, so that its own exporters give
the pixels of the file again. (Where integers are pixel centres it draws half a pixel up and left.)
"""

from __future__ import annotations

import numpy as np

from wepdtof_pose.geometry import rotated_box_corners

DECIMALS = 3
"""Decimals of a pixel that a coordinate moved in the App is written with."""


def relative_points(keypoints: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return points (people, joints, 2) float64 relative to the frame; NaN where not labelled.

    Args:
        keypoints: (people, joints, 3) x, y in pixels and visibility.
        sizes: (people, 2) frame width and height in pixels.
    """
    points = keypoints[..., :2].astype(np.float64) / np.asarray(sizes, dtype=np.float64)[:, None]
    return np.where(keypoints[..., 2:] > 0, points, np.nan)


def relative_boxes(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return boxes (people, 4) x, y, w, h in pixels as shares of the frame."""
    sizes = np.asarray(sizes, dtype=np.float64)
    return np.asarray(boxes, dtype=np.float64) / np.concatenate([sizes, sizes], axis=1)


def changed_keypoints(
    keypoints: np.ndarray, points: np.ndarray, visibility: np.ndarray, size: np.ndarray
) -> np.ndarray:
    """Return the keypoints (joints, 3) after corrections; what was not touched keeps its numbers.

    A joint without a point is not labelled. A joint that got a point without a visibility above 0
    is visible.

    Args:
        keypoints: (joints, 3) as they were imported, float64 pixels.
        points: (joints, 2) relative, as they are now; NaN where there is none.
        visibility: (joints,) as it is now.
        size: (2,) frame width and height in pixels.
    """
    before = relative_points(keypoints[None], size[None])[0]
    same_point = ((points == before) | (np.isnan(points) & np.isnan(before))).all(axis=1)
    there = np.isfinite(points).all(axis=1)
    seen = np.where(visibility > 0, visibility, 2)
    pixels = np.where(same_point[:, None], keypoints[:, :2], np.round(points * size, DECIMALS))
    labelled = np.concatenate([pixels, seen[:, None]], axis=1)
    gone = np.where(same_point[:, None], keypoints, 0.0)
    return np.where(there[:, None], labelled, gone)


def changed_box(box: np.ndarray, relative: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return the box (4,) in pixels after corrections: as imported where it was not touched.

    Args:
        box: (4,) x, y, w, h as imported, in pixels.
        relative: (4,) as it is now.
        size: (2,) frame width and height in pixels.
    """
    if np.array_equal(relative_boxes(box[None], size[None])[0], relative):
        return box
    return np.round(relative * np.concatenate([size, size]), DECIMALS)


def relative_corners(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return corners (people, 4, 2) of rotated boxes (people, 5) as shares of the frame."""
    return rotated_box_corners(boxes) / np.asarray(sizes, dtype=np.float64)[:, None]


def changed_rotated_box(box: np.ndarray, corners: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return the rotated box (5,) after corrections: exactly as imported where it was not touched.

    Args:
        box: (5,) cx, cy, w, h in pixels and degrees as imported.
        corners: (4, 2) relative, as they are now, in the order of `rotated_box_corners`.
        size: (2,) frame width and height in pixels.
    """
    if np.array_equal(relative_corners(box[None], size[None])[0], corners):
        return box
    pixels = corners * size
    center = pixels.mean(axis=0)
    up = pixels[:2].mean(axis=0) - pixels[2:].mean(axis=0)
    width = np.linalg.norm(pixels[1] - pixels[0])
    angle = np.rad2deg(np.arctan2(up[0], -up[1]))
    return np.round([*center, width, np.linalg.norm(up), angle], DECIMALS)
