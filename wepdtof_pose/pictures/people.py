"""Pictures of one frame or one person of a data set, annotated or predicted."""

from __future__ import annotations

import cv2
import numpy as np

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.fisheye.people import lens_of_frame, lens_of_zoomed
from wepdtof_pose.geometry import boxes_to_center_scale, crop_matrices, transform_points
from wepdtof_pose.images import frame_image
from wepdtof_pose.pictures import annotators
from wepdtof_pose.scores.predictions import Predictions

LEAST_SIDE = 1152
"""Frames whose longer side is shorter, in pixels, are enlarged before drawing."""

CROP_SIZE = (240, 320)
"""Width and height in pixels of a person in a grid."""


def frame_picture(
    dataset: PoseDataset,
    row: int,
    *,
    predictions: Predictions | None = None,
    joint_threshold: float = 0.2,
    rings: bool = False,
) -> np.ndarray:
    """Return frame `row` with its people: skeletons, boxes (rotated where known) and track ids.

    Args:
        dataset: frames and people.
        row: of the frame.
        predictions: drawn on a second copy of the frame, to the right of the annotations.
        joint_threshold: predicted joints with a lower score are not drawn.
        rings: draw the fisheye circle, too; where the file states no lens, that of an equidistant
            fisheye of 180 degrees that fills the frame, which the picture then says.
    """
    image, zoom = _frame_image(dataset, row)
    # Before anything is drawn: decoding is most of the work.
    other = None if predictions is None else image.copy()
    _draw_annotated(image, zoom, dataset, row, rings=rings)
    if predictions is None or other is None:
        return image
    _draw_predicted(other, zoom, dataset, row, predictions, joint_threshold)
    return annotators.grid([image, other], columns=2, gap=8)


def person_picture(
    dataset: PoseDataset, row: int, pose: np.ndarray | None, *, size: tuple[int, int] = CROP_SIZE
) -> np.ndarray:
    """Return the crop of person `row`, `size` (width, height) pixels, with a pose (joints, 3)."""
    image = frame_image(dataset, int(dataset.frame_rows[row]))
    crop = _cut(image, _crop_matrix(dataset, row, size)[0], size)
    return crop if pose is None else with_pose(crop, dataset, row, pose)


def with_pose(crop: np.ndarray, dataset: PoseDataset, row: int, pose: np.ndarray) -> np.ndarray:
    """Return a copy of the crop of person `row` with a pose (joints, 3) of image pixels on it."""
    crop = crop.copy()
    size = (crop.shape[1], crop.shape[0])
    moved = crop_pose(dataset, row, pose, size)
    width = 1.4 * annotators.line_width(*size)
    annotators.draw_skeleton(crop, moved, dataset.keypoint_set, width=width)
    return crop


def crop_pose(
    dataset: PoseDataset, row: int, pose: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Return a pose (joints, 3) of image pixels in the pixels of the crop of person `row`."""
    matrix = _crop_matrix(dataset, row, size)
    points = transform_points(pose[None, :, :2].astype(np.float64), matrix)[0]
    return np.concatenate([points, pose[:, 2:]], axis=1)


def gaussian_heatmaps(pose: np.ndarray, size: tuple[int, int], sigma: float) -> np.ndarray:
    """Return heatmaps (joints, h, w) float32 of 0 to 1 of a pose (joints, 3) in heatmap pixels.

    A joint that is not labelled has an empty heatmap.
    """
    columns, rows = np.arange(size[0]), np.arange(size[1])
    across = np.exp(-((columns - pose[:, :1]) ** 2) / (2 * sigma**2))
    down = np.exp(-((rows - pose[:, 1:2]) ** 2) / (2 * sigma**2))
    labelled = (pose[:, 2] > 0)[:, None, None]
    return np.where(labelled, down[:, :, None] * across[:, None], 0).astype(np.float32)


def as_visible(pose: np.ndarray, joint_threshold: float) -> np.ndarray:
    """Return predicted poses (..., joints, 3) with visibilities for scores: 2 drawn, 0 not."""
    visible = np.where(pose[..., 2:] >= joint_threshold, 2.0, 0.0)
    return np.concatenate([pose[..., :2], visible], axis=-1)


def _draw_annotated(
    image: np.ndarray, zoom: float, dataset: PoseDataset, row: int, *, rings: bool
) -> None:
    if rings:
        lens, stated = lens_of_frame(dataset, row)
        width = annotators.line_width(*image.shape[1::-1]) / 4
        annotators.draw_rings(image, lens_of_zoomed(lens, zoom), width=width)
        if not stated:
            text = "lens not known: 180 deg assumed"
            annotators.draw_label(image, text, np.array([0, image.shape[0]]), size=8 * width)
    people = np.flatnonzero(dataset.frame_rows == row)
    boxes = _zoomed_boxes(dataset.boxes[people], zoom)
    rotated = dataset.rotated_boxes[people]
    rotated[:, :4] = _zoomed_boxes(rotated[:, :4], zoom)
    keypoints = _zoomed_keypoints(dataset.keypoints[people], zoom)
    tracks = dataset.people["track_id"].iloc[people].tolist()
    annotators.draw_poses(image, keypoints, boxes, rotated, tracks, dataset.keypoint_set)


def _draw_predicted(
    image: np.ndarray,
    zoom: float,
    dataset: PoseDataset,
    row: int,
    predictions: Predictions,
    joint_threshold: float,
) -> None:
    poses = predictions.keypoints[predictions.frame_ids == dataset.frames["id"].iloc[row]]
    for pose in _zoomed_keypoints(poses, zoom):
        extent = np.concatenate([pose[:, :2].min(axis=0), np.ptp(pose[:, :2], axis=0)])
        annotators.draw_skeleton(
            image,
            as_visible(pose, joint_threshold),
            dataset.keypoint_set,
            width=annotators.person_width(image, extent),
        )


def _cut(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the window (height, width, 3) that a matrix (2, 3) of one zoom moves the image to."""
    zoom = np.hypot(*matrix[:, 0])
    # A warp takes the mean of four pixels and skips the others: what shrinks is averaged before.
    if zoom < 0.5:
        whole = np.array(image.shape[1::-1])
        shrunk = np.maximum(np.rint(zoom * whole), 1).astype(int)
        image = cv2.resize(image, shrunk.tolist(), interpolation=cv2.INTER_AREA)
        step = whole / shrunk
        linear = matrix[:, :2]
        matrix = np.column_stack([linear * step, matrix[:, 2] + linear @ ((step - 1) / 2)])
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR)


def _crop_matrix(dataset: PoseDataset, row: int, size: tuple[int, int]) -> np.ndarray:
    center, scale = boxes_to_center_scale(dataset.boxes[row : row + 1], size)
    return crop_matrices(center, scale, np.zeros(1), size)


def _frame_image(dataset: PoseDataset, row: int) -> tuple[np.ndarray, float]:
    image = frame_image(dataset, row)
    zoom = max(1.0, LEAST_SIDE / max(image.shape[:2]))
    if zoom > 1:
        image = cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    return image, zoom


def _zoomed_keypoints(keypoints: np.ndarray, zoom: float) -> np.ndarray:
    """Pixel centres stay pixel centres: the frame's corner at -0.5 is what does not move."""
    points = (keypoints[..., :2].astype(np.float64) + 0.5) * zoom - 0.5
    return np.concatenate([points, keypoints[..., 2:]], axis=-1)


def _zoomed_boxes(boxes: np.ndarray, zoom: float) -> np.ndarray:
    return np.concatenate([(boxes[:, :2] + 0.5) * zoom - 0.5, boxes[:, 2:] * zoom], axis=1)
