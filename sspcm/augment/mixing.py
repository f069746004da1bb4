"""Cutout, CutMix and Mixup of a batch of images, with explicit draws.

The hard views of Zhou et al. 2024 (MultiAugs) build on Cutout (DeVries and Taylor 2017), CutMix
(Yun et al., ICCV 2019) and Mixup (Zhang et al., ICLR 2018). The targets remain those of the covered
image. `released=True` repeats the released code, which draws columns up to the height and rows up
to the width, and windows of the same size for every crop (golden fixture f09b).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sspcm.augment.occlusion import REFERENCE_WIDTH, draw_half_sizes, inside_windows

MIXUP_BETA = 0.2
MIXUP_SHARE = 0.25
"""Mixup adds at most a quarter of another image: its share is 0.25 b, b from Beta(0.2, 0.2)."""


@dataclass(frozen=True)
class WindowDraw:
    """Random windows anywhere in the images of a batch.

    Attributes:
        centre: (N, n, 2) int64 x, y in pixels.
        half_size: (N, n, 2) int64 half width and height in pixels.
        donor: (N,) int64 image that fills the windows of each (CutMix only): a permutation.
    """

    centre: Tensor
    half_size: Tensor
    donor: Tensor


@dataclass(frozen=True)
class MixupDraw:
    """Random values of Mixup: each image's partner (N,), and the partner's share in 0..0.25."""

    donor: Tensor
    share: float


def draw_windows(
    people: int,
    windows: int,
    *,
    crop_size: tuple[int, int],
    released: bool = False,
    generator: torch.Generator,
) -> WindowDraw:
    """Return random windows, drawn on the CPU.

    Args:
        people: batch size N.
        windows: n windows per image.
        crop_size: (width, height) in pixels; half sizes scale with the width (10..19 at 192).
        released: draw columns up to the height and rows up to the width, with the sizes for a width
            of 192, whatever the crop.
        generator: source of the draws.
    """
    width, height = (crop_size[1], crop_size[0]) if released else crop_size
    x = torch.randint(width, (people, windows), generator=generator)
    y = torch.randint(height, (people, windows), generator=generator)
    crop_width = REFERENCE_WIDTH if released else crop_size[0]
    half_size = draw_half_sizes((people, windows, 2), crop_width=crop_width, generator=generator)
    donor = torch.randperm(people, generator=generator)
    return WindowDraw(torch.stack([x, y], dim=2), half_size, donor)


def draw_mixup(people: int, *, generator: torch.Generator) -> MixupDraw:
    """Return a random permutation and one share for the whole batch, as published."""
    donor = torch.randperm(people, generator=generator)
    # torch's Beta distribution takes no generator.
    seed = int(torch.randint(2**62, (1,), generator=generator))
    beta = float(np.random.default_rng(seed).beta(MIXUP_BETA, MIXUP_BETA))
    return MixupDraw(donor, MIXUP_SHARE * beta)


def cutout(images: Tensor, draw: WindowDraw, *, released: bool = False) -> Tensor:
    """Return images (N, C, H, W) with the windows set to zero."""
    return images.masked_fill(_covered(images, draw, released=released), 0.0)


def cutmix(images: Tensor, draw: WindowDraw, *, released: bool = False) -> Tensor:
    """Return images (N, C, H, W) with the windows filled from another image of the batch."""
    covered = _covered(images, draw, released=released)
    return torch.where(covered, images[draw.donor], images)


def mixup(images: Tensor, draw: MixupDraw) -> Tensor:
    """Return images (N, C, H, W), each mixed with a share of another image of the batch."""
    return (1 - draw.share) * images + draw.share * images[draw.donor]


def _covered(images: Tensor, draw: WindowDraw, *, released: bool) -> Tensor:
    size = (images.shape[3], images.shape[2])
    return inside_windows(draw.centre, draw.half_size, size, released=released)[:, None]
