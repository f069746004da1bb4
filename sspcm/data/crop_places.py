"""Place people's crops on their frames: aligned with the frame, or head up below a ceiling camera.

Training, evaluation, prediction and export all place their crops here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from sspcm.choices import Up
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.errors import InputError
from wepdtof_pose.fisheye.people import head_outwards, radial_angle
from wepdtof_pose.geometry import boxes_to_center_scale, clip_boxes, crop_matrices

_LONGEST = 1e9
"""No picture has sides of so many pixels."""


@dataclass(frozen=True)
class CropPlaces:
    """Crops of people before augmentation.

    Attributes:
        center: float32 (people, 2) in frame pixels.
        scale: float32 (people, 2) crop sides over 200 pixels.
        rotation: float64 (people,) direction in the frame of a crop's top, in degrees clockwise
            from up.
    """

    center: np.ndarray
    scale: np.ndarray
    rotation: np.ndarray

    def select(self, rows: np.ndarray) -> CropPlaces:
        """Return the places of these people."""
        return CropPlaces(self.center[rows], self.scale[rows], self.rotation[rows])

    def grown(self, size: float) -> CropPlaces:
        """Return crops with the same centres and sides `size` times as long."""
        return CropPlaces(self.center, self.scale * np.float32(size), self.rotation)

    def matrices(self, crop_size: tuple[int, int], window: tuple[int, int]) -> np.ndarray:
        """Return matrices (people, 2, 3) from frame pixels to the window around each crop."""
        matrices = crop_matrices(self.center, self.scale, self.rotation, crop_size)
        matrices[:, :, 2] += (np.asarray(window) - np.asarray(crop_size)) / 2
        return matrices


def crop_places(
    boxes: np.ndarray,
    sizes: np.ndarray,
    crop_size: tuple[int, int],
    *,
    upright: bool = False,
    up: Up = "radius",
    rotated: np.ndarray | None = None,
    released: bool = False,
) -> CropPlaces:
    """Return the crops of people.

    A crop is the box, clipped to the frame, with its shorter side extended to the crop's aspect
    ratio, and padded. With `upright`, it is turned and encloses the rotated box, or the box if no
    rotated one is known: below a ceiling camera, people stand along the radius, head outwards.

    Args:
        boxes: (people, 4) x, y, w, h in pixels.
        sizes: (people, 2) or (2,) frame width and height in pixels.
        crop_size: (width, height) of crops in pixels.
        upright: turn the crops.
        up: the direction that points up in a turned crop; see `Up`.
        rotated: (people, 5) rotated boxes cx, cy, w, h in pixels and degrees, NaN where unknown.
            One without positive sides is not used.
        released: clip boxes to the frame as the released code does; see `clip_boxes`.

    Raises:
        InputError: `up` is none of the three.
    """
    if up not in get_args(Up):
        raise InputError(f"unknown direction {up!r}: choose one of {', '.join(get_args(Up))}")
    clipped, _ = clip_boxes(boxes, sizes, released=released)
    if not upright:
        center, scale = boxes_to_center_scale(clipped, crop_size)
        return CropPlaces(center, scale, np.zeros(len(center)))
    known = np.concatenate(
        [clipped[:, :2] + clipped[:, 2:] / 2, clipped[:, 2:], np.zeros((len(clipped), 1))], axis=1
    )
    turned = np.zeros(len(clipped), dtype=bool)
    if rotated is not None:
        turned = has_sides(rotated)
        known = np.where(turned[:, None], rotated, known)
    middle = (np.asarray(sizes, dtype=np.float64) - 1) / 2
    direction = radial_angle(known[:, :2], middle)
    if up != "radius":
        along = known if up == "angle" else head_outwards(known, middle)
        direction = np.where(turned, np.deg2rad(along[:, 4]), direction)
    turn = direction - np.deg2rad(known[:, 4])
    cos, sin = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    width, height = known[:, 2], known[:, 3]
    extent = np.stack([width * cos + height * sin, width * sin + height * cos], axis=1)
    center, scale = boxes_to_center_scale(
        np.concatenate([known[:, :2] - extent / 2, extent], axis=1), crop_size
    )
    return CropPlaces(center, scale, np.rad2deg(direction))


def has_sides(rotated: np.ndarray) -> np.ndarray:
    """Return which rotated boxes (people, 5) are known and have sides that can be cut out."""
    sides = rotated[:, 2:4]
    return ~np.isnan(rotated).any(axis=1) & ((sides > 0) & (sides < _LONGEST)).all(axis=1)


TURN = (
    "people are seen from a ceiling (rotated boxes or a fisheye lens in the file): --set "
    "data.upright=true would turn their crops head up"
)
"""What to say where `from_ceiling` holds and crops are not turned."""
TURNED = (
    "people are seen from a ceiling (rotated boxes or a fisheye lens in the file): crops are "
    "turned head up; not so with --set data.upright=false"
)
"""What to say where `from_ceiling` holds and crops are turned for it."""


def from_ceiling(dataset: PoseDataset) -> bool:
    """Return whether a data set shows people from a ceiling, so that crops should be turned.

    It does if most people have rotated boxes, or if frames state a fisheye lens.
    """
    rotated = np.isfinite(dataset.rotated_boxes).all(axis=1)
    if len(rotated) and rotated.mean() > 0.5:
        return True
    return any("fisheye" in (extra or {}) for extra in dataset.frames["extra"])


def places_of(
    dataset: PoseDataset,
    crop_size: tuple[int, int],
    *,
    upright: bool = False,
    up: Up = "radius",
    released: bool = False,
) -> CropPlaces:
    """Return the crops of all people of a data set; see `crop_places`."""
    sizes = dataset.frames[["width", "height"]].to_numpy()[dataset.frame_rows]
    return crop_places(
        dataset.boxes,
        sizes,
        crop_size,
        upright=upright,
        up=up,
        rotated=dataset.rotated_boxes,
        released=released,
    )
