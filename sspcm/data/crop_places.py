"""Where people's crops lie on their frames: upright on the frame, or along the image radius."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wepdtof_pose.dataset import ROTATED_BOX_COLUMNS, PoseDataset
from wepdtof_pose.fisheye.people import radial_angle
from wepdtof_pose.geometry import boxes_to_center_scale, clip_boxes, crop_matrices


@dataclass(frozen=True)
class CropPlaces:
    """Crops of people before augmentation.

    Attributes:
        center: float32 (people, 2) in frame pixels.
        scale: float32 (people, 2) crop sides over 200 pixels.
        rotation: float64 (people,) degrees by which a crop is turned; its top is that direction
            of the frame, clockwise from up.
    """

    center: np.ndarray
    scale: np.ndarray
    rotation: np.ndarray

    def select(self, rows: np.ndarray) -> CropPlaces:
        """The places of these people."""
        return CropPlaces(self.center[rows], self.scale[rows], self.rotation[rows])

    def matrices(self, crop_size: tuple[int, int], window: tuple[int, int]) -> np.ndarray:
        """Affine matrices (people, 2, 3) from frame pixels to the window around each crop."""
        matrices = crop_matrices(self.center, self.scale, self.rotation, crop_size)
        matrices[:, :, 2] += (np.asarray(window) - np.asarray(crop_size)) / 2
        return matrices


def crop_places(
    boxes: np.ndarray,
    sizes: np.ndarray,
    crop_size: tuple[int, int],
    *,
    upright: bool = False,
    rotated: np.ndarray | None = None,
) -> CropPlaces:
    """Places of crops.

    As published, a crop is the box cut to the frame, grown to the crop's aspect ratio and padded.
    With `upright` it is turned so that the image radius points up: below a ceiling camera people
    point outwards, head away from the image's middle. It then holds the rotated box, or the box
    where that is not known.

    Args:
        boxes: (people, 4) x, y, w, h in pixels.
        sizes: (people, 2) or (2,) frame width and height in pixels.
        crop_size: (width, height) of crops in pixels.
        upright: turn the crops.
        rotated: (people, 5) rotated boxes cx, cy, w, h in pixels and degrees, NaN where unknown.
    """
    clipped, _ = clip_boxes(boxes, sizes)
    if not upright:
        center, scale = boxes_to_center_scale(clipped, crop_size)
        return CropPlaces(center, scale, np.zeros(len(center)))
    known = np.concatenate(
        [clipped[:, :2] + clipped[:, 2:] / 2, clipped[:, 2:], np.zeros((len(clipped), 1))], axis=1
    )
    if rotated is not None:
        known = np.where(np.isnan(rotated), known, rotated)
    middle = (np.asarray(sizes, dtype=np.float64) - 1) / 2
    outwards = radial_angle(known[:, :2], middle)
    turn = outwards - np.deg2rad(known[:, 4])
    cos, sin = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    width, height = known[:, 2], known[:, 3]
    extent = np.stack([width * cos + height * sin, width * sin + height * cos], axis=1)
    center, scale = boxes_to_center_scale(
        np.concatenate([known[:, :2] - extent / 2, extent], axis=1), crop_size
    )
    return CropPlaces(center, scale, np.rad2deg(outwards))


def places_of(
    dataset: PoseDataset, crop_size: tuple[int, int], *, upright: bool = False
) -> CropPlaces:
    """Places of the crops of all people of a data set; see `crop_places`."""
    sizes = dataset.frames[["width", "height"]].to_numpy()[dataset.frame_rows]
    rotated = dataset.people[list(ROTATED_BOX_COLUMNS)].to_numpy(dtype=np.float64)
    return crop_places(dataset.boxes, sizes, crop_size, upright=upright, rotated=rotated)
