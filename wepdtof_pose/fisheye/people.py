"""Overhead fisheye geometry of people: where they stand, boxes cut upright, undistorted views.

Below a ceiling camera a person stands along the radius of the image: feet towards the middle, head
away from it. The lens models are in `wepdtof_pose.fisheye.lenses`. Points are image pixels with
integers at pixel centres, angles are radians unless a name says degrees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike

from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.fisheye.lenses import EquidistantLens, Floats, KannalaBrandtLens, Lens
from wepdtof_pose.geometry import rotated_box_corners


def lens_of_image(fields: Mapping[str, Any]) -> Lens:
    """Return the lens that the `fisheye` field of an image describes (see annotations/schema.json).

    Raises:
        InputError: a model that is not known, or values that make no lens.

    >>> lens_of_image({"model": "equidistant", "cx": 99.5, "cy": 99.5, "focal": 64.0,
    ...                "max_angle": 1.5}).radius
    96.0
    """
    models = {"equidistant": EquidistantLens, "kannala-brandt": KannalaBrandtLens}
    names = ["cx", "cy", "focal", "max_angle"]
    try:
        model = models[fields["model"]]
        if model is KannalaBrandtLens:
            names += ["k1", "k2", "k3", "k4"]
        return model(**{name: float(fields[name]) for name in names if name in fields})
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"not a usable 'fisheye' field: {error}") from error


def assumed_lens(width: int, height: int) -> EquidistantLens:
    """Return the equidistant lens of a half sphere whose circle fills the shorter side: a guess."""
    half = np.pi / 2
    return EquidistantLens((width - 1) / 2, (height - 1) / 2, min(width, height) / 2 / half, half)


def lens_of_frame(dataset: PoseDataset, row: int) -> tuple[Lens, bool]:
    """Return the lens of frame `row`, and whether the file states it (else `assumed_lens`)."""
    frame = dataset.frames.iloc[row]
    extra = frame["extra"] or {}
    if isinstance(extra.get("fisheye"), dict):
        return lens_of_image(extra["fisheye"]), True
    return assumed_lens(int(frame["width"]), int(frame["height"])), False


def lens_of_zoomed(lens: Lens, zoom: float) -> Lens:
    """Return the lens of the image enlarged `zoom` times; its corner at -0.5 does not move."""
    cx, cy = (zoom * (value + 0.5) - 0.5 for value in (lens.cx, lens.cy))
    return replace(lens, cx=cx, cy=cy, focal=zoom * lens.focal)


def radial_angle(points: ArrayLike, center: ArrayLike) -> Floats:
    """Return directions (...) from the centre to points (..., 2): clockwise from up, (-pi, pi].

    The centre itself has 0. A person who stands at a point points that way, feet to head.

    >>> np.rad2deg(radial_angle([[50, 0], [99, 50]], [50, 50])).tolist()
    [0.0, 90.0]
    """
    offset = np.asarray(points, dtype=np.float64) - np.asarray(center, dtype=np.float64)
    # 0 - y, as the angle of (0, -0.0) would be pi.
    return np.arctan2(offset[..., 0], 0.0 - offset[..., 1])


def angle_difference(first: ArrayLike, second: ArrayLike) -> Floats:
    """Return the angle first - second, brought into [-pi, pi)."""
    difference = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    return (difference + np.pi) % (2 * np.pi) - np.pi


def body_angle(keypoints: np.ndarray, joints: tuple[str, ...]) -> Floats:
    """Return directions (people,) in which people point in the image, hips to neck or shoulders.

    Clockwise from up, as `radial_angle`; NaN where the joints for it are not labelled.

    Args:
        keypoints: (people, joints, 3) x, y, visibility.
        joints: canonical joint names.
    """
    low = _middle(keypoints, joints, [("right_hip", "left_hip"), ("pelvis",)])
    pair = ("right_shoulder", "left_shoulder")
    high = _middle(keypoints, joints, [pair, ("neck",), ("upper_neck",), ("head_top",)])
    same = (np.abs(high - low) < 1e-9).all(axis=-1)
    return np.where(same, np.nan, radial_angle(high, low))


def upright_matrix(box: ArrayLike, size: tuple[int, int], *, padding: float = 1.0) -> Floats:
    """Return the affine matrix (2, 3) from the image to a crop in which a rotated box is upright.

    The box fills the crop but for what its shape leaves over; the side of the head is up.

    Args:
        box: (5,) cx, cy, w, h in pixels, and degrees clockwise from the vertical that points up.
        size: width and height of the crop in pixels.
        padding: crop size over box size.

    Raises:
        InputError: the box or the crop is empty.

    >>> matrix = upright_matrix([50, 40, 10, 20, 90], (100, 200))
    >>> (matrix @ [60, 40, 1]).round(6).tolist()
    [49.5, -0.5]
    """
    cx, cy, w, h, degrees = np.asarray(box, dtype=np.float64)
    if not (w > 0 and h > 0 and padding > 0):
        raise InputError(f"the rotated box {[cx, cy, w, h, degrees]} is empty")
    zoom = min(size[0] / w, size[1] / h) / padding
    angle = np.deg2rad(degrees)
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    linear = np.array([[cos, sin], [-sin, cos]])
    middle = (np.array(size, dtype=np.float64) - 1) / 2
    return np.concatenate([linear, (middle - linear @ [cx, cy])[:, None]], axis=1)


def upright_crop(
    image: np.ndarray, box: ArrayLike, size: tuple[int, int], *, padding: float = 1.0
) -> np.ndarray:
    """Return the upright crop (height, width, 3) of a rotated box; see `upright_matrix`."""
    matrix = upright_matrix(box, size, padding=padding)
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR)


def head_outwards(boxes: ArrayLike, center: ArrayLike) -> Floats:
    """Return the rotated boxes (..., 5) turned by half where their head side points to the centre.

    Angles of WEPDTOF and CEPDOF lie in [-90, 90] and so do not tell the head from the feet; below a
    ceiling camera the head of whoever stands or sits is the end away from the image centre.

    >>> head_outwards([50.0, 90.0, 10.0, 20.0, 10.0], [50, 50])[4]
    np.float64(-170.0)
    """
    boxes = np.array(boxes, dtype=np.float64)
    outwards = radial_angle(boxes[..., :2], center)
    inwards = np.abs(angle_difference(np.deg2rad(boxes[..., 4]), outwards)) > np.pi / 2
    turned = (boxes[..., 4] + 180 * inwards + 180) % 360 - 180
    boxes[..., 4] = np.where(inwards, turned, boxes[..., 4])
    return boxes


@dataclass(frozen=True)
class PerspectiveView:
    """A pinhole view out of a fisheye image: what a camera turned to a person would see.

    Attributes:
        lens: the fisheye.
        rotation: (3, 3), fisheye camera frame to view frame; rows are the view's right, down and
            forward.
        focal: pixels.
        size: width and height of the view in pixels.
    """

    lens: Lens
    rotation: np.ndarray
    focal: float
    size: tuple[int, int]

    def to_view(self, pixels: ArrayLike) -> Floats:
        """Return view pixels (..., 2) of fisheye pixels (..., 2); NaN behind the view."""
        rays = self.lens.unproject(pixels) @ self.rotation.T
        ahead = rays[..., 2:] > 1e-9
        flat = rays[..., :2] / np.where(ahead, rays[..., 2:], 1.0)
        return np.where(ahead, self.focal * flat + self._middle, np.nan)

    def to_image(self, pixels: ArrayLike) -> Floats:
        """Return the fisheye pixels (..., 2) of view pixels (..., 2)."""
        flat = (np.asarray(pixels, dtype=np.float64) - self._middle) / self.focal
        rays = np.concatenate([flat, np.ones_like(flat[..., :1])], axis=-1)
        return self.lens.project(rays @ self.rotation)

    def render(self, image: np.ndarray) -> np.ndarray:
        """Return the view (height, width, 3) of a fisheye image; black where it has nothing."""
        columns, rows = np.meshgrid(np.arange(self.size[0]), np.arange(self.size[1]))
        source = self.to_image(np.stack([columns, rows], axis=-1)).astype(np.float32)
        return cv2.remap(image, source[..., 0], source[..., 1], cv2.INTER_LINEAR)

    @property
    def _middle(self) -> Floats:
        return (np.array(self.size, dtype=np.float64) - 1) / 2


def person_view(
    lens: Lens,
    box: ArrayLike,
    size: tuple[int, int],
    *,
    padding: float = 1.25,
    outwards: bool = True,
) -> PerspectiveView:
    """Return an undistorted view of a person that shows the whole box with the head side up.

    Args:
        lens: of the image.
        box: (5,) rotated box, or (4,) x, y, w, h, which is taken along the radius.
        size: width and height of the view in pixels.
        padding: view size over box size.
        outwards: the head side is the one away from the image centre (see `head_outwards`); else
            it is the one that the angle points to.

    Raises:
        InputError: the box is empty, or so large that no flat view holds it.
    """
    box = np.asarray(box, dtype=np.float64)
    center = np.array([lens.cx, lens.cy])
    if len(box) == 5 and outwards:
        box = head_outwards(box, center)
    corners = rotated_box_corners(box) if len(box) == 5 else _box_corners(box)
    middle = corners.mean(axis=0)
    degrees = box[4] if len(box) == 5 else np.rad2deg(radial_angle(middle, center))
    if not np.ptp(corners, axis=0).max() > 0:
        raise InputError(f"the box {box.tolist()} is empty")
    angle = np.deg2rad(degrees)
    step = 1e-3 * max(lens.radius, 1.0)
    forward, above = lens.unproject(
        [middle, middle + step * np.array([np.sin(angle), -np.cos(angle)])]
    )
    up = above - (above @ forward) * forward
    up /= np.linalg.norm(up)
    rotation = np.stack([np.cross(forward, up), -up, forward])
    edges = np.concatenate(
        [np.linspace(a, b, 9) for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
    )
    rays = lens.unproject(edges) @ rotation.T
    if (rays[:, 2] < 0.05).any():
        raise InputError(f"the box {box.tolist()} is too large for a flat view")
    reach = np.abs(rays[:, :2] / rays[:, 2:]).max(axis=0)
    focal = float((np.array(size) / 2 / reach).min()) / padding
    return PerspectiveView(lens, rotation, focal, size)


def _box_corners(box: np.ndarray) -> np.ndarray:
    x, y, w, h = box
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])


def _middle(
    keypoints: np.ndarray, joints: tuple[str, ...], choices: list[tuple[str, ...]]
) -> np.ndarray:
    """Return the middle (people, 2) of the first choice of labelled joints, NaN for none."""
    found = np.full((len(keypoints), 2), np.nan)
    for names in reversed(choices):
        if set(names) <= set(joints):
            chosen = keypoints[:, [joints.index(name) for name in names]].astype(np.float64)
            known = (chosen[..., 2] > 0).all(axis=1)
            found[known] = chosen[known, :, :2].mean(axis=1)
    return found
