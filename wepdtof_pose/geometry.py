"""Boxes and crops: from an annotated box to the affine matrix that cuts a person out.

The numbers follow the published pipeline exactly (golden fixture f01): a box's shorter side is
grown to the crop's aspect ratio, then both by 1.25, and only the width scale enters the matrix.
"""

from __future__ import annotations

import numpy as np

PIXEL_STD = 200.0
"""Unit of the published scale: box sides over 200 pixels."""

CROP_PADDING = 1.25
"""Crop size over box size."""


def clip_boxes(
    boxes: np.ndarray, sizes: np.ndarray, *, released: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Cut boxes to their frames, and tell which of them are not empty.

    The far corner is x + w - 1 (so an uncut box loses one pixel of width and height), as published.

    Args:
        boxes: (people, 4) x, y, w, h in pixels.
        sizes: (people, 2) or (2,) frame width, height in pixels.
        released: do as the released code does, which moves a box that begins left of the frame or
            above it into the frame and does not take what was cut off from its width or height.

    Returns:
        Clipped boxes (people, 4) float64 and a mask (people,) of boxes with positive sides.
    """
    boxes = np.asarray(boxes, dtype=np.float64)
    near = np.maximum(boxes[:, :2], 0)
    extent = np.maximum(boxes[:, 2:] - 1, 0)
    far = (near if released else boxes[:, :2]) + extent
    far = np.minimum(far, np.asarray(sizes, dtype=np.float64) - 1)
    return np.concatenate([near, far - near], axis=1), (far > near).all(axis=1)


def boxes_to_center_scale(
    boxes: np.ndarray, crop_size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the crop centres (pixels) and scales (crop sides over 200 pixels) of boxes.

    Args:
        boxes: (people, 4) x, y, w, h in pixels.
        crop_size: (width, height) of the crops in pixels; only the ratio matters.

    Returns:
        Centres (people, 2) and scales (people, 2), float32.
    """
    boxes = np.asarray(boxes, dtype=np.float64)
    aspect = crop_size[0] / crop_size[1]
    center = boxes[:, :2] + boxes[:, 2:] * 0.5
    width, height = boxes[:, 2], boxes[:, 3]
    grown = np.stack(
        [
            np.where(width < aspect * height, height * aspect, width),
            np.where(width > aspect * height, width / aspect, height),
        ],
        axis=1,
    )
    scale = (grown / PIXEL_STD).astype(np.float32) * np.float32(CROP_PADDING)
    return center.astype(np.float32), scale.astype(np.float32)


def crop_matrices(
    center: np.ndarray, scale: np.ndarray, rotation: np.ndarray, crop_size: tuple[int, int]
) -> np.ndarray:
    """Return the affine matrices (people, 2, 3) float64 from image pixels to crop pixels.

    A crop pixel is k R (p - centre) + (width/2, height/2) with k = width / (200 scale_w) and
    R = [[cos t, sin t], [-sin t, cos t]].

    Args:
        center: (people, 2) pixels.
        scale: (people, 2) crop sides over 200 pixels; only the width is used.
        rotation: (people,) degrees.
        crop_size: (width, height) of the crops in pixels.
    """
    angle = np.deg2rad(np.asarray(rotation, dtype=np.float64))
    zoom = crop_size[0] / (PIXEL_STD * np.asarray(scale, dtype=np.float64)[:, 0])
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    linear = np.stack([np.stack([cos, sin], axis=-1), np.stack([-sin, cos], axis=-1)], axis=-2)
    middle = np.asarray(crop_size, dtype=np.float64) / 2
    offset = middle - np.einsum("nij,nj->ni", linear, np.asarray(center, dtype=np.float64))
    return np.concatenate([linear, offset[:, :, None]], axis=2)


def invert_affine(matrices: np.ndarray) -> np.ndarray:
    """Return the inverses (..., 2, 3) of affine matrices (..., 2, 3)."""
    linear = np.linalg.inv(matrices[..., :2])
    offset = -np.einsum("...ij,...j->...i", linear, matrices[..., 2])
    return np.concatenate([linear, offset[..., None]], axis=-1)


def transform_points(points: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Return points (people, joints, 2) moved by affine matrices (people, 2, 3)."""
    return np.einsum("nij,nkj->nki", matrices[..., :2], points) + matrices[:, None, :, 2]


def joint_extents(keypoints: np.ndarray) -> np.ndarray:
    """Return the smallest boxes (people, 4) x, y, w, h, float64, that hold the labelled joints.

    Who has none gets 0, 0, 0, 0.

    Args:
        keypoints: (people, joints, 3) x, y in pixels and visibility, 0 where not labelled.
    """
    labelled = keypoints[..., 2:] > 0
    points = keypoints[..., :2].astype(np.float64)
    near = np.where(labelled, points, np.inf).min(axis=1, initial=np.inf)
    far = np.where(labelled, points, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(labelled.any(axis=1), np.concatenate([near, far - near], axis=1), 0.0)


def enclosing_boxes(rotated: np.ndarray) -> np.ndarray:
    """Return the smallest boxes (..., 4) x, y, w, h that hold rotated boxes (..., 5).

    >>> enclosing_boxes(np.array([50.0, 40.0, 10.0, 20.0, 90.0])).round(6).tolist()
    [40.0, 35.0, 20.0, 10.0]
    """
    corners = rotated_box_corners(rotated)
    near = corners.min(axis=-2)
    return np.concatenate([near, corners.max(axis=-2) - near], axis=-1)


def rotated_box_corners(boxes: np.ndarray) -> np.ndarray:
    """Return corners (..., 4, 2) of rotated boxes (..., 5), clockwise from the upper left.

    A box is cx, cy, w, h in pixels and the angle in degrees, clockwise from the vertical that
    points up; "upper" is the side that the angle points to. Angles of WEPDTOF lie in [-90, 90], so
    that side may be the feet (`fisheye.head_outwards` turns a box so that it is the head's).
    """
    boxes = np.asarray(boxes, dtype=np.float64)
    angle = np.deg2rad(boxes[..., 4])
    cos, sin = np.cos(angle), np.sin(angle)
    across = 0.5 * boxes[..., 2, None] * np.stack([cos, sin], axis=-1)
    up = 0.5 * boxes[..., 3, None] * np.stack([sin, -cos], axis=-1)
    offsets = np.stack([up - across, up + across, across - up, -across - up], axis=-2)
    return boxes[..., None, :2] + offsets


def rotated_boxes_of_corners(corners: np.ndarray) -> np.ndarray:
    """Return the rotated boxes (n, 5) of corners (n, 4, 2), given in order; h is the longer side.

    Angles lie in (-90, 90]: the corners do not tell at which end the head is.

    >>> rotated_boxes_of_corners(np.array([[[5.0, 0], [15, 0], [15, 30], [5, 30]]])).tolist()
    [[10.0, 15.0, 10.0, 30.0, 0.0]]
    """
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 1]
    sides = np.stack([np.linalg.norm(first, axis=1), np.linalg.norm(second, axis=1)], axis=1)
    along = np.where((sides[:, 0] >= sides[:, 1])[:, None], first, second)
    angle = np.rad2deg(np.arctan2(along[:, 0], -along[:, 1]))
    angle = angle - 180 * np.ceil(angle / 180 - 0.5)
    ordered = np.sort(sides, axis=1)
    return np.concatenate([corners.mean(axis=1), ordered, angle[:, None]], axis=1)
