"""Measures of each person that statistics and plots stand on: place, size, direction, pose."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.fisheye.people import angle_difference, body_angle, radial_angle
from wepdtof_pose.scores.people import relative_radius

NO_VARIANCE = 1e-12
"""Variance of poses of size 1, in all joints together, up to which they are equal."""


def person_measures(dataset: PoseDataset) -> pd.DataFrame:
    """Return one row a person, in file order.

    Columns: `radius`, distance of the box from the image centre over half the shorter side (0
    below the camera, 1 at the rim of a full fisheye circle); `size`, root of the box area in
    pixels; `labelled` and `hidden` joints; `turn`, degrees in [-180, 180) clockwise from the radius
    (pointing outwards) to the body (hips to shoulders), NaN where the joints are not labelled;
    `tilt`, the same of the body's axis alone, in [-90, 90), from rotated boxes where no joints say;
    `usable`, as `PoseDataset.trainable`.
    """
    sizes = dataset.frames[["width", "height"]].to_numpy(dtype=np.float64)[dataset.frame_rows]
    boxes = dataset.boxes
    rotated = dataset.rotated_boxes
    turned = np.isfinite(rotated).all(axis=1)
    centers = np.where(turned[:, None], rotated[:, :2], boxes[:, :2] + (boxes[:, 2:] - 1) / 2)
    radius_angle = radial_angle(centers, (sizes - 1) / 2)
    body = body_angle(dataset.keypoints, dataset.keypoint_set.joints)
    axis = np.where(np.isnan(body), np.deg2rad(rotated[:, 4]), body)
    visibility = dataset.keypoints[..., 2]
    area = np.where(turned, rotated[:, 2] * rotated[:, 3], boxes[:, 2] * boxes[:, 3])
    return pd.DataFrame(
        {
            "radius": relative_radius(centers, sizes),
            "size": np.sqrt(np.maximum(area, 0)),
            "labelled": (visibility > 0).sum(axis=1),
            "hidden": (visibility == 1).sum(axis=1),
            "turn": np.rad2deg(angle_difference(body, radius_angle)),
            "tilt": np.rad2deg(angle_difference(2 * axis, 2 * radius_angle)) / 2,
            "usable": dataset.trainable(),
        }
    )


def upright_poses(dataset: PoseDataset) -> np.ndarray:
    """Return poses (people, joints, 2) of the people with all joints labelled, in a common form.

    Turned so that the body (hips to shoulders) points up (y is up), mirrored where needed so that
    the right shoulder is on the left as of somebody who faces us, centred on the mean of the
    joints, and scaled so that the root of the mean squared distance from it is 1.
    """
    complete = np.all(dataset.keypoints[..., 2] > 0, axis=1)
    complete &= (dataset.people["iscrowd"] == 0).to_numpy()
    keypoints = dataset.keypoints[complete].astype(np.float64)
    angle = body_angle(keypoints, dataset.keypoint_set.joints)
    keypoints, angle = keypoints[np.isfinite(angle)], angle[np.isfinite(angle)]
    points = keypoints[..., :2] - keypoints[..., :2].mean(axis=1, keepdims=True)
    cos, sin = np.cos(angle), np.sin(angle)
    across = points[..., 0] * cos[:, None] + points[..., 1] * sin[:, None]
    up = points[..., 0] * sin[:, None] - points[..., 1] * cos[:, None]
    joints = dataset.keypoint_set.joints
    if {"right_shoulder", "left_shoulder"} <= set(joints):
        right, left = (across[:, joints.index(f"{side}_shoulder")] for side in ("right", "left"))
        across = np.where(right > left, -1, 1)[:, None] * across
    poses = np.stack([across, up], axis=-1)
    spread = np.sqrt((poses**2).sum(axis=2).mean(axis=1))
    return poses[spread > 0] / spread[spread > 0, None, None]


def pose_modes(poses: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean pose (joints, 2), principal modes (modes, joints, 2) and their variances.

    A mode has unit length; the variances are in squared units of the poses, largest first.
    """
    mean = poses.mean(axis=0)
    flat = (poses - mean).reshape(len(poses), -1)
    variances, modes = np.linalg.eigh(flat.T @ flat / max(len(poses), 1))
    order = np.argsort(variances)[::-1]
    return mean, modes.T[order].reshape(-1, *mean.shape), np.maximum(variances[order], 0)
