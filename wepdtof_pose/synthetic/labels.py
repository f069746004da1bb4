"""Labels of a rendered frame: keypoints with visibility, boxes, areas, rotated boxes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from wepdtof_pose.synthetic.background import Background
from wepdtof_pose.synthetic.bodies import JOINTS
from wepdtof_pose.synthetic.camera import SAMPLES, Camera
from wepdtof_pose.synthetic.figures import Figure, Picture
from wepdtof_pose.synthetic.flesh import PART_INDEX, PARTS
from wepdtof_pose.synthetic.rays import Array, Cones, hit_cone

LEAST_SHARE = 0.2
"""A person is labelled from this visible share of the own silhouette on."""
LEAST_PIXELS = 3e-4
"""A person is labelled from this share of the frame's pixels on."""

_TORSO = ("pelvis", "belly", "chest", "yoke", "neck", "extra", "right_buttock", "left_buttock")
_TORSO_THICKNESS = 0.13
_PELVIS_THICKNESS = 0.2
_TOUCH = 0.02


@dataclass(frozen=True)
class Label:
    """One labelled person: `keypoints` (14, 3), `box` x, y, w, h, `rotated_box` of 5."""

    keypoints: Array
    box: tuple[int, int, int, int]
    rotated_box: tuple[float, float, float, float, float]
    area: int
    track: int


def label_figures(
    camera: Camera, background: Background, figures: list[Figure], picture: Picture
) -> list[Label | None]:
    """Return a label for each figure; None for one of whom too little is seen."""
    labels: list[Label | None] = []
    for index, figure in enumerate(figures):
        mask, left, top = figure_mask(picture, index)
        area = int(mask.sum())
        enough = max(12.0, LEAST_PIXELS * camera.size**2)
        if area < enough or area < LEAST_SHARE * picture.whole[index]:
            labels.append(None)
            continue
        keypoints = label_keypoints(camera, background, figures, index)
        if (keypoints[:, 2] == 2).sum() < 2:
            labels.append(None)
            continue
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        box = (
            int(left + columns[0]),
            int(top + rows[0]),
            int(columns[-1] - columns[0] + 1),
            int(rows[-1] - rows[0] + 1),
        )
        y, x = np.nonzero(mask)
        turned = rotated_box(
            np.stack([x + left, y + top], axis=-1), (camera.lens.cx, camera.lens.cy)
        )
        labels.append(Label(keypoints, box, turned, area, figure.track))
    return labels


def figure_mask(picture: Picture, index: int) -> tuple[Array, int, int]:
    """Return which pixels (h, w) a figure covers by half or more, and left and top of the patch."""
    where = picture.places[index]
    if where is None:
        return np.zeros((0, 0), bool), 0, 0
    mine = picture.owner[where] == index
    rows, columns = mine.shape[0] // SAMPLES, mine.shape[1] // SAMPLES
    cover = mine.reshape(rows, SAMPLES, columns, SAMPLES).sum(axis=(1, 3))
    return 2 * cover >= SAMPLES**2, where[1].start // SAMPLES, where[0].start // SAMPLES


def label_keypoints(
    camera: Camera, background: Background, figures: list[Figure], index: int
) -> Array:
    """Return keypoints (14, 3) of one figure: exact projections, and visibility from depth.

    A joint is hidden (1) when the first surface along its ray is nearer than the joint and
    belongs to the room, to someone else or to another part of the own body. The own limb's
    surface never hides it; the torso's does from a body's thickness on. Outside the image
    circle the joint is not labelled (0).
    """
    joints = figures[index].body.joints
    pixels = camera.project(joints)
    way = joints - camera.position
    distance = np.linalg.norm(way, axis=1)
    hidden = _room_depth(camera, background, pixels) < distance - 0.03
    for other, figure in enumerate(figures):
        cones = figure.body.cones
        if other == index:
            hits = _hits(cones, camera.position, way)
            gap = (1 - hits) * distance
            hidden |= (gap > _tolerance()).any(axis=0)
        elif _may_hide(camera, figures[index], figure):
            hits = _hits(cones, camera.position, way)
            hidden |= ((1 - hits) * distance > 0.01).any(axis=0)
    inside = camera.lens.contains(pixels)
    at = np.floor(pixels + 0.5).astype(int)
    inside &= ((at >= 0) & (at < camera.size)).all(axis=1)
    visibility = np.where(inside, np.where(hidden, 1, 2), 0)
    return np.concatenate(
        [np.where(inside[:, None], pixels, 0), visibility[:, None]], axis=1
    ).astype(np.float32)


def rotated_box(
    pixels: Array, centre: tuple[float, float]
) -> tuple[float, float, float, float, float]:
    """Return the rotated box cx, cy, w, h, angle of the pixels (n, 2) of a mask; `w <= h`.

    The angle is in degrees within [-90, 90], clockwise from the vertical axis that points up
    (the WEPDTOF form). People stand along the radius of a ceiling camera, so the box is aligned
    with the radius through the person; close to the `centre`, where the radius says nothing,
    it is the smallest rectangle.
    """
    points = pixels.astype(np.float64)
    middle = points.mean(axis=0)
    out = middle - centre
    spread = points.max(axis=0) - points.min(axis=0)
    if np.hypot(*out) > 0.5 * spread.max():
        up = out / np.hypot(*out)
    else:
        _, sides, angle = cv2.minAreaRect(pixels.astype(np.float32))
        turn = np.deg2rad(angle)
        long = (
            (np.cos(turn), np.sin(turn)) if sides[0] > sides[1] else (-np.sin(turn), np.cos(turn))
        )
        up = np.array(long)
    across = np.array([-up[1], up[0]])
    u, v = points @ across, points @ up
    width, height = np.ptp(u) + 1, np.ptp(v) + 1
    centre_ = (u.max() + u.min()) / 2 * across + (v.max() + v.min()) / 2 * up
    if width > height:
        width, height, up = height, width, across
    angle = np.rad2deg(np.arctan2(up[0], -up[1]))
    angle = angle - 180 if angle > 90 else angle + 180 if angle < -90 else angle
    x, y, w, h, degrees = (round(float(v), 2) for v in (*centre_, width, height, angle))
    return x, y, w, h, degrees


def _tolerance() -> Array:
    """Return by how many metres (parts, joints) a part may lie before a joint without hiding it."""
    margins = np.full((len(PARTS), len(JOINTS)), _TOUCH)
    own = {
        "shoulder": ("upper_arm",),
        "elbow": ("upper_arm", "forearm"),
        "wrist": ("forearm", "hand"),
        "hip": ("thigh", "buttock"),
        "knee": ("thigh", "shin"),
        "ankle": ("shin", "foot"),
    }
    torso = [PART_INDEX[name] for name in _TORSO]
    margins[torso] = _TORSO_THICKNESS
    for column, joint in enumerate(JOINTS):
        side, _, name = joint.partition("_")
        parts = [f"{side}_{part}" for part in own.get(name, ())]
        if joint == "head_top":
            parts = ["skull", "hair", "face"]
        elif joint == "neck":
            parts = ["neck"]
        if name == "hip":
            margins[torso, column] = _PELVIS_THICKNESS
        margins[[PART_INDEX[part] for part in parts], column] = np.inf
    return margins


def _hits(cones: Cones, origin: Array, way: Array) -> Array:
    return hit_cone(cones, slice(None), origin, way.T)


def _may_hide(camera: Camera, figure: Figure, other: Figure) -> bool:
    ways = [f.body.joints.mean(axis=0) - camera.position for f in (figure, other)]
    a, b = (way / np.linalg.norm(way) for way in ways)
    reach = sum(1.2 / max(float(np.linalg.norm(way)), 0.5) for way in ways)
    return float(np.arccos(np.clip(a @ b, -1, 1))) < reach


def _room_depth(camera: Camera, background: Background, pixels: Array) -> Array:
    at = np.floor((pixels + 0.5) * SAMPLES).astype(int)
    last = background.depth.shape[0] - 1
    at = np.clip(at, 0, last)
    return background.depth[at[:, 1], at[:, 0]]
