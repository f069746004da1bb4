"""What makes an easy view hard: operations on the image, then one warp; and the warped targets.

A hard view is a row of operations (none: the warp alone). Each draws its random numbers and
applies them to a whole batch; several hard views of a step share one warp, as published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Generator, Tensor

from sspcm.augment import colour, mixing, occlusion
from sspcm.augment.cameras import draw_cameras, seen_by
from sspcm.augment.textures import draw_textures, in_other_textures
from sspcm.augment.views import ViewDraw
from sspcm.data.batches import Batch
from sspcm.data.normalisation import denormalise, normalise
from sspcm.heatmaps.decoding import argmax_positions
from sspcm.heatmaps.targets import HEATMAP_STRIDE
from sspcm.methods.method import MethodSetting


class Operation(Protocol):
    """One operation of a hard view."""

    def draw(self, setting: MethodSetting, people: int, generator: Generator) -> Any:
        """Return the random draws for a batch, a dataclass of CPU tensors."""

    def apply(self, setting: MethodSetting, images: Tensor, positions: Tensor, draw: Any) -> Tensor:
        """Return images (N, 3, H, W) after it; `positions` (N, J, 2) are of taught joints."""


HardView = tuple[Operation, ...]
"""Operations in the order they are applied."""


@dataclass(frozen=True)
class JointCutout:
    """Blank patches at so many joints (Xie et al., ICCV 2021)."""

    joints: int = 5

    def draw(self, setting: MethodSetting, people: int, generator: Generator) -> Any:
        """Draw patches around the joints that occlusion may draw."""
        return _draw_patches(setting, people, self.joints, generator)

    def apply(self, setting: MethodSetting, images: Tensor, positions: Tensor, draw: Any) -> Tensor:
        """Return the images with the patches blanked."""
        draw = _moved(draw, images.device)
        return occlusion.joint_cutout(images, positions, draw, released=setting.released)


@dataclass(frozen=True)
class CutOcclude:
    """Cover joints by patches around joints of other people (Huang et al., CVPR 2023)."""

    patches: int = 2

    def draw(self, setting: MethodSetting, people: int, generator: Generator) -> Any:
        """Draw patches around the joints that occlusion may draw."""
        return _draw_patches(setting, people, self.patches, generator)

    def apply(self, setting: MethodSetting, images: Tensor, positions: Tensor, draw: Any) -> Tensor:
        """Return the images with the joints covered."""
        draw = _moved(draw, images.device)
        return occlusion.cut_occlude(images, positions, draw, released=setting.released)


@dataclass(frozen=True)
class Cutout:
    """Blank windows anywhere (DeVries and Taylor 2017)."""

    holes: int = 5

    def draw(self, setting: MethodSetting, people: int, generator: Generator) -> Any:
        """Draw windows anywhere in the crop."""
        return _draw_windows(setting, people, self.holes, generator)

    def apply(self, setting: MethodSetting, images: Tensor, positions: Tensor, draw: Any) -> Tensor:
        """Return the images with the windows blanked."""
        return mixing.cutout(images, _moved(draw, images.device), released=setting.released)


@dataclass(frozen=True)
class CutMix:
    """Windows filled from other images of the batch (Yun et al., ICCV 2019)."""

    windows: int = 2

    def draw(self, setting: MethodSetting, people: int, generator: Generator) -> Any:
        """Draw windows anywhere in the crop, and the donors."""
        return _draw_windows(setting, people, self.windows, generator)

    def apply(self, setting: MethodSetting, images: Tensor, positions: Tensor, draw: Any) -> Tensor:
        """Return the images with the windows filled."""
        return mixing.cutmix(images, _moved(draw, images.device), released=setting.released)


@dataclass(frozen=True)
class Mixup:
    """Up to a quarter of another image of the batch mixed in (Zhang et al., ICLR 2018)."""

    def draw(self, setting: MethodSetting, people: int, generator: Generator) -> Any:
        """Return the donors and the share."""
        return mixing.draw_mixup(people, generator=generator)

    def apply(self, setting: MethodSetting, images: Tensor, positions: Tensor, draw: Any) -> Tensor:
        """Return the mixtures."""
        return mixing.mixup(images, _moved(draw, images.device))


@dataclass(frozen=True)
class RandAugment:
    """Random photometric operations (Cubuk et al., CVPRW 2020); magnitude in 0..30."""

    operations: int = 2
    magnitude: int = 20

    def draw(self, setting: MethodSetting, people: int, generator: Generator) -> Any:
        """Return the operations of each image."""
        return colour.draw_colours(people, self.operations, generator=generator)

    def apply(self, setting: MethodSetting, images: Tensor, positions: Tensor, draw: Any) -> Tensor:
        """Return the images after them; channels keep the order that the network sees."""
        levels = colour.rand_augment(
            denormalise(images), draw, magnitude=self.magnitude, released=setting.released
        )
        return normalise(levels, bgr=False)


@dataclass(frozen=True)
class HardDraw:
    """Draws of a step: of each hard view's operations, and the one warp of all."""

    operations: tuple[tuple[Any, ...], ...]
    view: ViewDraw


def draw_hard_view(
    setting: MethodSetting, hard_view: HardView, people: int, generator: Generator
) -> tuple[Any, ...]:
    """Return the draws of each operation of a hard view, in order."""
    return tuple(operation.draw(setting, people, generator) for operation in hard_view)


@torch.no_grad()
def as_other_cameras(images: Tensor, generator: Generator, *, textures: float = 0.0) -> Tensor:
    """Return normalised images (N, 3, H, W), each as a camera of its own shows it.

    `textures` is the share of them whose surfaces look different, too.
    """
    count = len(images)
    levels = seen_by(denormalise(images), draw_cameras(count, generator=generator))
    if textures:
        draw = draw_textures(count, probability=textures, generator=generator)
        levels = in_other_textures(levels, draw)
    return normalise(levels, bgr=False)


@torch.no_grad()
def make_hard_views(
    setting: MethodSetting,
    batch: Batch,
    hard_views: Sequence[HardView],
    joints: Sequence[Tensor],
    draw: HardDraw,
) -> list[Tensor]:
    """Return the hard views (N, 3, H, W) of one step, each made from the easy view.

    Where nothing is done to the easy views but the warp (PoseCons and PoseDual "affine"), all hard
    views are one, and where the batch says how the easy views were made, their warp and this one
    are applied together: pixels are resampled once, not twice.

    Args:
        setting: recipe and geometry.
        batch: with (N, 3, H, W) easy views of the pool.
        hard_views: the operations of each.
        joints: for each, where its network is taught that the joints are, (N, J, 2) in pixels of
            the easy view: those are occluded.
        draw: the draws.
    """
    easy, pool = batch.unlabelled, batch.pool_view
    assert easy is not None
    if not any(hard_views):
        if pool is not None and not setting.released:
            view = setting.warp_pool(pool, draw.view)
        else:
            view = setting.warp_images(easy, draw.view)
        return [view] * len(hard_views)
    made = []
    for hard_view, positions, draws in zip(hard_views, joints, draw.operations, strict=True):
        images = easy
        for operation, drawn in zip(hard_view, draws, strict=True):
            images = operation.apply(setting, images, positions, drawn)
        made.append(images)
    return list(setting.warp_images(torch.cat(made, dim=1), draw.view).chunk(len(made), dim=1))


def peaks_of(maps: Sequence[Tensor]) -> list[Tensor]:
    """Return the joints of maps (N, J, h, w): highest pixels (N, J, 2), in pixels of the view."""
    return [argmax_positions(one)[0] * HEATMAP_STRIDE for one in maps]


def warp_targets(setting: MethodSetting, maps: Sequence[Tensor], view: ViewDraw) -> list[Tensor]:
    """Return the teachers' maps (N, J, h, w) in the hard view."""
    return list(setting.warp_heatmaps(torch.cat(list(maps), dim=1), view).chunk(len(maps), dim=1))


def _draw_patches(setting: MethodSetting, people: int, patches: int, generator: Generator) -> Any:
    return occlusion.draw_patches(
        people,
        setting.occludable_joints,
        setting.joints,
        patches,
        crop_width=setting.crop_size[0],
        released=setting.released,
        generator=generator,
    )


def _draw_windows(setting: MethodSetting, people: int, windows: int, generator: Generator) -> Any:
    return mixing.draw_windows(
        people,
        windows,
        crop_size=setting.crop_size,
        released=setting.released,
        generator=generator,
    )


def _moved(draw: Any, device: torch.device) -> Any:
    """Return the draw with its tensors on the device."""
    values = {
        name: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
        for name, value in vars(draw).items()
    }
    return type(draw)(**values)
