"""The plain data pipeline that ours is measured against, with the published code's work per person.

For every person it decodes the whole frame, warps the crop from it, draws the target maps joint by
joint, and normalises: a straightforward version with OpenCV and NumPy.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from sspcm.data.crop_places import CropPlaces, places_of
from sspcm.data.normalisation import IMAGENET_MEAN, IMAGENET_STD
from wepdtof_pose.dataset import PoseDataset
from wepdtof_pose.geometry import crop_matrices
from wepdtof_pose.images import image_file, read_image


class PlainLoader:
    """Augmented samples of a data set, one person at a time."""

    def __init__(self, dataset: PoseDataset, crop_size: tuple[int, int], *, sigma: float) -> None:
        self._dataset = dataset
        self._paths = [image_file(dataset.root, name) for name in dataset.frames["file_name"]]
        self._frames = dataset.frame_rows
        self._places: CropPlaces = places_of(dataset, crop_size)
        self._crop_size = crop_size
        self._sigma = sigma

    def sample(self, person: int, random: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return a normalised crop (3, H, W), target maps (J, H/4, W/4) and joint weights (J,)."""
        image = cv2.cvtColor(read_image(self._paths[self._frames[person]]), cv2.COLOR_BGR2RGB)
        zoom = float(np.clip(1 + 0.25 * random.standard_normal(), 0.75, 1.25))
        turn = float(np.clip(30 * random.standard_normal(), -60, 60)) * (random.random() < 0.6)
        matrix = crop_matrices(
            self._places.center[person : person + 1],
            self._places.scale[person : person + 1] * zoom,
            np.array([turn]),
            self._crop_size,
        )[0]
        crop = cv2.warpAffine(image, matrix, self._crop_size, flags=cv2.INTER_LINEAR)
        joints = self._dataset.keypoints[person]
        moved = joints[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        target, weight = self._targets(moved, joints[:, 2] > 0)
        levels = torch.from_numpy(crop.transpose(2, 0, 1)).float().div(255)
        mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
        pixels = (levels - mean[:, None, None]) / std[:, None, None]
        return pixels, torch.from_numpy(target), torch.from_numpy(weight)

    def _targets(self, joints: np.ndarray, visible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        width, height = self._crop_size[0] // 4, self._crop_size[1] // 4
        reach = int(3 * self._sigma)
        target = np.zeros((len(joints), height, width), np.float32)
        weight = visible.astype(np.float32)
        offsets = np.arange(2 * reach + 1) - reach
        bell = np.exp(-(offsets[None] ** 2 + offsets[:, None] ** 2) / (2 * self._sigma**2))
        for joint, (x, y) in enumerate(joints):
            column, row = int(x / 4 + 0.5), int(y / 4 + 0.5)
            left, right = max(0, column - reach), min(width, column + reach + 1)
            top, bottom = max(0, row - reach), min(height, row + reach + 1)
            if left >= right or top >= bottom:
                weight[joint] = 0
            elif weight[joint] > 0.5:
                target[joint, top:bottom, left:right] = bell[
                    top - row + reach : bottom - row + reach,
                    left - column + reach : right - column + reach,
                ]
        return target, weight
