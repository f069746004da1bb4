"""The batches of a training step: easy views of people and their targets, on the device.

Every random draw comes from the step's own generator, so a run that is resumed, or that reads its
data in another order, sees the same batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from sspcm.augment.views import ViewDraw, ViewStrength, draw_views, plain_views, region_to_crop
from sspcm.data.crop_store import CropStore
from sspcm.data.normalisation import normalise
from sspcm.heatmaps.affine import invert, transform_points, warp
from sspcm.heatmaps.targets import HEATMAP_STRIDE, gaussian_targets


@dataclass(frozen=True)
class PoolView:
    """How the unlabelled easy views of a batch were made, and of whom.

    `rows`, `matrices`, `flip` and `plain` are on the CPU.

    Attributes:
        rows: (N,) int64 rows of the training people.
        matrices: (N, 2, 3) float64 from stored to crop pixels.
        flip: (N,) bool, whether a view is mirrored.
        plain: (N, 2, 3) float64 matrices of views without rotation, zoom or mirroring: the people
            as they are evaluated.
        through: function that warps the same people through other such matrices, to (N, 3, H, W)
            normalised; it resamples the stored pixels, not the easy views.
        redraw: function that draws other easy views of these people from a generator: their
            matrices (N, 2, 3) and (N,) bool, whether they are mirrored.
    """

    rows: Tensor
    matrices: Tensor
    flip: Tensor
    plain: Tensor
    through: Callable[[Tensor], Tensor]
    redraw: Callable[[torch.Generator], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Batch:
    """The input of a method's training step.

    Attributes:
        labelled: (N, 3, H, W) normalised easy views of labelled people.
        target: (N, J, H/4, W/4) their target heatmaps.
        target_weight: (N, J) 1 where the joint is labelled and in the crop.
        unlabelled: (N, 3, H, W) normalised easy views of the pool; None if the method needs none
            or the run is burning in.
        unlabelled_weight: (N, J) 1 for every joint of the labelled set's vocabulary.
        generator: source of the method's own random draws in this step (CPU).
        pool_view: how the unlabelled easy views were made; None if there are none.
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
    """The unlabelled people, for a method that labels them offline.

    Attributes:
        rows: (M,) rows of the training people, in ascending order.
        people: number of training people that `rows` indexes.
        batch_size: people per forward pass.
        views: function from rows to their normalised views (N, 3, H, W) and the matrices (N, 2, 3)
            float64 from stored to crop pixels that made them.
    """

    rows: np.ndarray
    people: int
    batch_size: int
    views: Callable[[np.ndarray, ViewDraw], tuple[Tensor, Tensor]]


def easy_views(
    regions: Tensor,
    matrices: Tensor,
    *,
    crop_size: tuple[int, int],
    bgr: bool,
) -> Tensor:
    """Return normalised easy views (N, 3, H, W) float32 of regions, on the regions' device.

    Args:
        regions: (N, S, S, 3) uint8 RGB, on the device.
        matrices: (N, 2, 3) float64 from region to crop pixels, on the CPU.
        crop_size: (width, height) in pixels.
        bgr: put the channels in BGR order, as the released code does.
    """
    pixels = regions.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    to_region = invert(matrices).to(regions.device, non_blocking=True)
    return normalise(warp(pixels, to_region, crop_size), bgr=bgr)


def view_joints(
    joints: Tensor,
    visibility: Tensor,
    matrices: Tensor,
    flipped: Tensor,
    flip_permutation: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return joints (N, J, 2) and visibility (N, J) in the views; mirroring swaps the sides."""
    moved = transform_points(joints.double(), matrices)
    return (
        torch.where(flipped[:, None, None], moved[:, flip_permutation], moved),
        torch.where(flipped[:, None], visibility[:, flip_permutation], visibility),
    )


@dataclass(frozen=True)
class RawViews:
    """Pixels of easy views on the host, and the matrices of these views.

    Attributes:
        pixels: uint8 RGB: (N, S, S, 3) stored regions where a GPU warps them, (N, H, W, 3) crops
            where the host does.
        matrices: (N, 2, 3) float64 from stored to crop pixels.
        flip: (N,) bool, whether a view is mirrored.
    """

    pixels: Tensor
    matrices: Tensor
    flip: Tensor


@dataclass(frozen=True)
class RawBatch:
    """The host's part of a batch; so far, `generator` has drawn the views and nothing else."""

    rows: np.ndarray
    labelled: RawViews
    pool_rows: np.ndarray | None
    pool: RawViews | None
    generator: torch.Generator


class BatchMaker:
    """Makes the batch of a step.

    Views are warped from the stored regions, which were warped from the frames. So in both recipes
    a view is resampled twice; the published pipeline cuts it straight from the frame
    (docs/methods/recipes.md).

    With a GPU, the host only reads: it uploads raw uint8 regions, and the GPU warps and normalises
    them. Without one, OpenCV warps the regions in uint8, as the released pipeline warps frames:
    several times faster on a CPU, and equal up to rounding to whole levels.
    """

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
        exact_targets: bool = True,
    ) -> None:
        self._store = store
        self._strength = strength
        self._sigma = sigma
        self._exact_targets = exact_targets
        self._device = device
        self._host_warps = device.type == "cpu"
        self._bgr = bgr
        self._memory_format = memory_format
        self._flip_permutation = torch.from_numpy(flip_permutation)
        self._vocabulary = torch.from_numpy(labelled_joints.astype(np.float32)).to(device)

    def read(
        self, labelled: np.ndarray, unlabelled: np.ndarray | None, generator: torch.Generator
    ) -> RawBatch:
        """Return the host's part of a batch of these store rows; `generator` draws the views."""
        views = self._read(labelled, draw_views(len(labelled), self._strength, generator=generator))
        pool = None
        if unlabelled is not None:
            draw = draw_views(len(unlabelled), self._strength, generator=generator)
            pool = self._read(unlabelled, draw)
        return RawBatch(labelled, views, unlabelled, pool, generator)

    def finish(self, raw: RawBatch) -> Batch:
        """Return the finished batch: images, targets and weights, made on the device."""
        stored, labelled = self._store.joints(raw.rows)
        joints, visibility = view_joints(
            torch.from_numpy(stored),
            torch.from_numpy(labelled),
            raw.labelled.matrices,
            raw.labelled.flip,
            self._flip_permutation,
        )
        width, height = self._store.crop_size
        heatmap_size = (width // HEATMAP_STRIDE, height // HEATMAP_STRIDE)
        target, weight = gaussian_targets(
            joints.to(self._device, non_blocking=True),
            visibility.to(self._device, non_blocking=True),
            heatmap_size,
            sigma=self._sigma,
            exact=self._exact_targets,
        )
        pool, pool_view = raw.pool, None
        if pool is not None:
            assert raw.pool_rows is not None
            pool = replace(pool, pixels=pool.pixels.to(self._device, non_blocking=True))
            pool_view = PoolView(
                torch.from_numpy(raw.pool_rows),
                pool.matrices,
                pool.flip,
                region_to_crop(
                    plain_views(len(raw.pool_rows)), self._store.window_size[0], (width, height)
                ),
                through=partial(self._through, raw.pool_rows, pool),
                redraw=partial(self._drawn_views, len(raw.pool_rows)),
            )
        return Batch(
            labelled=self._images(raw.labelled),
            target=target,
            target_weight=weight * self._vocabulary,
            unlabelled=None if pool is None else self._images(pool),
            unlabelled_weight=self._vocabulary.expand(len(raw.rows), -1),
            generator=raw.generator,
            pool_view=pool_view,
        )

    def views(self, rows: np.ndarray, draw: ViewDraw) -> tuple[Tensor, Tensor]:
        """Return the normalised views (N, 3, H, W) of store rows, and their matrices (N, 2, 3)."""
        raw = self._read(rows, draw)
        return self._images(raw), raw.matrices

    def _read(self, rows: np.ndarray, draw: ViewDraw) -> RawViews:
        side, crop_size = self._store.window_size[0], self._store.crop_size
        matrices = region_to_crop(draw, side, crop_size)
        if self._host_warps:
            return RawViews(self._warped(rows, matrices), matrices, draw.flip)
        pinned = self._device.type == "cuda"
        pixels = torch.empty(len(rows), side, side, 3, dtype=torch.uint8, pin_memory=pinned)
        self._store.read_into(rows, pixels.numpy())
        return RawViews(pixels, matrices, draw.flip)

    def _drawn_views(self, people: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return matrices (N, 2, 3) of fresh easy views, and (N,) whether they are mirrored."""
        draw = draw_views(people, self._strength, generator=generator)
        side = self._store.window_size[0]
        return region_to_crop(draw, side, self._store.crop_size), draw.flip

    def _warped(self, rows: np.ndarray, matrices: Tensor) -> Tensor:
        width, height = self._store.crop_size
        pixels = torch.empty(len(rows), height, width, 3, dtype=torch.uint8)
        self._store.warp_into(rows, matrices.numpy(), pixels.numpy())
        return pixels

    def _through(self, rows: np.ndarray, raw: RawViews, matrices: Tensor) -> Tensor:
        """Return images (N, 3, H, W) of the people of `raw`, warped through other matrices."""
        pixels = self._warped(rows, matrices) if self._host_warps else raw.pixels
        return self._images(replace(raw, pixels=pixels, matrices=matrices))

    def _images(self, raw: RawViews) -> Tensor:
        pixels = raw.pixels.to(self._device, non_blocking=True)
        if self._host_warps:
            images = normalise(pixels.permute(0, 3, 1, 2), bgr=self._bgr)
        else:
            images = easy_views(
                pixels, raw.matrices, crop_size=self._store.crop_size, bgr=self._bgr
            )
        return images.contiguous(memory_format=self._memory_format)


def read_ahead(readers: Iterable[Callable[[], RawBatch]]) -> Iterator[RawBatch]:
    """Yield the readers' results in order; each is read while the step before it computes."""
    with ThreadPoolExecutor(_READERS) as pool:
        waiting: deque[Future[RawBatch]] = deque()
        try:
            for reader in readers:
                waiting.append(pool.submit(reader))
                if len(waiting) > _READERS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


_READERS = 2
