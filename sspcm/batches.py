"""People in, tensors out: which people meet in a step, and their easy views on the device.

Every draw depends on (seed, epoch, step, rank) alone, so a run that is resumed, or that loads its
data otherwise, sees the same batches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sspcm.affine import invert, transform_points, warp
from sspcm.augment.views import ViewDraw, ViewStrength, draw_views, region_to_crop
from sspcm.crop_store import CropStore
from sspcm.heatmaps import gaussian_targets

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class PoolView:
    """Whose easy views the unlabelled images of a batch are, and how they were made.

    Attributes:
        rows: (N,) int64 rows of the training people.
        matrices: (N, 2, 3) float64 from stored to crop pixels.
        flip: (N,) bool, mirrored. All three are on the CPU.
    """

    rows: Tensor
    matrices: Tensor
    flip: Tensor


@dataclass(frozen=True)
class Batch:
    """What a method's training step sees.

    Attributes:
        labelled: (N, 3, H, W) normalised easy views of labelled people.
        target: (N, J, H/4, W/4) their target heatmaps.
        target_weight: (N, J) 1 where the joint is labelled and in the crop.
        unlabelled: (N, 3, H, W) normalised easy views of the pool; None if the method needs none
            or the run is burning in.
        unlabelled_weight: (N, J) 1 for every joint of the labelled set's vocabulary.
        generator: source of the method's own draws of this step (CPU).
        pool_view: how the unlabelled easy views were made; None where there are none.
    """

    labelled: Tensor
    target: Tensor
    target_weight: Tensor
    unlabelled: Tensor | None
    unlabelled_weight: Tensor
    generator: torch.Generator
    pool_view: PoolView | None = None


@dataclass(frozen=True)
class Pool:
    """The unlabelled people, for a method that labels them off line.

    Attributes:
        rows: (M,) rows of the training people, in ascending order.
        people: number of training people that rows are counted among.
        batch_size: people a pass.
        views: normalised views (N, 3, H, W) of rows, and the matrices (N, 2, 3) float64 from
            stored to crop pixels that made them.
    """

    rows: np.ndarray
    people: int
    batch_size: int
    views: Callable[[np.ndarray, ViewDraw], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class PairSampler:
    """Pairs of a labelled and an unlabelled person.

    An epoch is one pass over the unlabelled pool in random order (the labelled set if that is
    larger); each is paired with a labelled person drawn with replacement. The last pairs that do
    not fill a batch are left out; every epoch has its own order. With `epoch_steps` an epoch is
    that many steps instead: part of a pass, or several passes one after the other. `released` draws
    the partners as the released code does (`released_partners`) and shuffles the pairs.
    """

    labelled: np.ndarray
    unlabelled: np.ndarray
    batch_size: int
    seed: int
    epoch_steps: int = 0
    rank: int = 0
    processes: int = 1
    released: bool = False

    @property
    def steps(self) -> int:
        """Optimiser steps an epoch."""
        return self.epoch_steps or max(1, self._pairs // (self.batch_size * self.processes))

    @property
    def _pairs(self) -> int:
        return max(len(self.labelled), len(self.unlabelled))

    def epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Store rows of labelled and unlabelled people, each (steps, batch_size)."""
        random = np.random.default_rng([self.seed, epoch, _STREAM_PAIRS])
        wanted = self.steps * self.batch_size * self.processes
        passes = -(-wanted // self._pairs)
        order = np.concatenate([random.permutation(self._pairs) for _ in range(passes)])[:wanted]
        if self.released:
            partners = released_partners(len(self.labelled), self._pairs, epoch)[order]
        else:
            partners = random.integers(len(self.labelled), size=wanted)
        order %= len(self.unlabelled)
        shape = (self.steps, self.processes, self.batch_size)
        labelled = self.labelled[partners].reshape(shape)[:, self.rank]
        return labelled, self.unlabelled[order].reshape(shape)[:, self.rank]


def released_partners(labelled: int, pairs: int, epoch: int) -> np.ndarray:
    """Labelled item of each pair, (pairs,) int64, in an epoch (from 0) of the released code.

    Numpy's legacy generator is seeded with 1314 when the data set is built; every epoch draws once
    more, with replacement (fixture f12, where nothing else draws in between).
    """
    random = np.random.RandomState(1314)
    for _ in range(epoch):
        random.choice(labelled, pairs)
    return random.choice(labelled, pairs)


def step_generator(seed: int, epoch: int, step: int, rank: int = 0) -> torch.Generator:
    """The CPU generator of one training step."""
    state = np.random.SeedSequence([seed, epoch, step, rank, _STREAM_STEP])
    return torch.Generator().manual_seed(int(state.generate_state(1, np.uint64)[0] >> 1))


def easy_views(
    regions: Tensor,
    views: ViewDraw,
    *,
    crop_size: tuple[int, int],
    bgr: bool,
) -> tuple[Tensor, Tensor]:
    """Normalised easy views and the matrices that made them.

    Args:
        regions: (N, S, S, 3) uint8 RGB, on the device.
        views: the draws, N of them.
        crop_size: (width, height) in pixels.
        bgr: hand the channels over in BGR order, as the released code does.

    Returns:
        Images (N, 3, H, W) float32 and matrices (N, 2, 3) float64 from region to crop pixels.
    """
    matrices = region_to_crop(views, regions.shape[1], crop_size)
    pixels = regions.permute(0, 3, 1, 2).float()
    crops = warp(pixels, invert(matrices).to(regions.device), crop_size)
    return normalise(crops, bgr=bgr), matrices


def normalise(pixels: Tensor, *, bgr: bool) -> Tensor:
    """Images (N, 3, H, W) in 0..255 RGB, normalised with the ImageNet RGB statistics."""
    mean = torch.tensor(IMAGENET_MEAN, device=pixels.device)[:, None, None] * 255
    std = torch.tensor(IMAGENET_STD, device=pixels.device)[:, None, None] * 255
    ordered = pixels.flip(1) if bgr else pixels
    return (ordered - mean) / std


def denormalise(images: Tensor) -> Tensor:
    """Pixels (N, 3, H, W) in 0..255 of normalised images; channels keep their order."""
    mean = torch.tensor(IMAGENET_MEAN, device=images.device)[:, None, None] * 255
    std = torch.tensor(IMAGENET_STD, device=images.device)[:, None, None] * 255
    return images * std + mean


def view_joints(
    joints: Tensor,
    visibility: Tensor,
    matrices: Tensor,
    flipped: Tensor,
    flip_permutation: Tensor,
) -> tuple[Tensor, Tensor]:
    """Joints (N, J, 2) and visibility (N, J) in the view: moved, and left and right exchanged."""
    moved = transform_points(joints.double(), matrices)
    return (
        torch.where(flipped[:, None, None], moved[:, flip_permutation], moved),
        torch.where(flipped[:, None], visibility[:, flip_permutation], visibility),
    )


class BatchMaker:
    """Makes the batch of a step: raw regions go up as uint8, the rest is done on the device."""

    def __init__(
        self,
        store: CropStore,
        *,
        strength: ViewStrength,
        sigma: float,
        flip_permutation: np.ndarray,
        labelled_joints: np.ndarray,
        device: torch.device,
        bgr: bool,
        memory_format: torch.memory_format,
    ) -> None:
        self._store = store
        self._strength = strength
        self._sigma = sigma
        self._device = device
        self._bgr = bgr
        self._memory_format = memory_format
        self._flip_permutation = torch.from_numpy(flip_permutation)
        self._unlabelled_weight = torch.from_numpy(labelled_joints.astype(np.float32)).to(device)

    def make(
        self,
        labelled: np.ndarray,
        unlabelled: np.ndarray | None,
        generator: torch.Generator,
    ) -> Batch:
        """The batch of these store rows; the generator gives the views, then the method's draws."""
        views = draw_views(len(labelled), self._strength, generator=generator)
        images, matrices = self.views(labelled, views)
        joints, visibility = view_joints(
            torch.from_numpy(self._store.joints[labelled]),
            torch.from_numpy(self._store.visibility[labelled]),
            matrices,
            views.flip,
            self._flip_permutation,
        )
        heatmap_size = (self._store.crop_size[0] // 4, self._store.crop_size[1] // 4)
        target, weight = gaussian_targets(
            joints.to(self._device),
            visibility.to(self._device),
            heatmap_size,
            sigma=self._sigma,
        )
        pool, pool_view = None, None
        if unlabelled is not None:
            pool_views = draw_views(len(unlabelled), self._strength, generator=generator)
            pool, pool_matrices = self.views(unlabelled, pool_views)
            pool_view = PoolView(torch.from_numpy(unlabelled), pool_matrices, pool_views.flip)
        return Batch(
            labelled=images,
            target=target,
            target_weight=weight * self._unlabelled_weight,
            unlabelled=pool,
            unlabelled_weight=self._unlabelled_weight.expand(len(labelled), -1),
            generator=generator,
            pool_view=pool_view,
        )

    def views(self, rows: np.ndarray, views: ViewDraw) -> tuple[Tensor, Tensor]:
        """Normalised views (N, 3, H, W) of these store rows and their matrices (N, 2, 3)."""
        regions = torch.from_numpy(self._store.pixels[rows]).to(self._device, non_blocking=True)
        images, matrices = easy_views(
            regions, views, crop_size=self._store.crop_size, bgr=self._bgr
        )
        return images.contiguous(memory_format=self._memory_format), matrices


_STREAM_PAIRS = 1
_STREAM_STEP = 2
