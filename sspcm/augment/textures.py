"""Show a scene in other textures: a random convolution of the picture, mixed into it.

Outlines stay where they are and surfaces look different each time, so that a network learns to go
by shapes (Xu et al., "Robust and Generalizable Visual Representation Learning via Random
Convolutions", ICLR 2021). For drawn people, whose clothes and rooms are few, where real ones are
meant.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from sspcm.hardware import without_autocast

SIDES = (1, 3, 5, 7)
"""Sides, in pixels, of the kernels: larger ones coarsen what they replace."""


@dataclass(frozen=True)
class TextureDraw:
    """Random textures of N pictures.

    Attributes:
        kernels: (N, 3, 3, K, K) from each channel to each channel, K the largest of `SIDES`; a
            smaller kernel has zeros around it.
        share: (N,) share of the convolved picture in the result; 0 leaves a picture as it is.
    """

    kernels: Tensor
    share: Tensor


def draw_textures(count: int, *, probability: float, generator: torch.Generator) -> TextureDraw:
    """Draw textures of `count` pictures, of which `probability` are changed."""
    largest = max(SIDES)
    kernels = torch.randn(count, 3, 3, largest, largest, generator=generator)
    sides = torch.tensor(SIDES)[torch.randint(len(SIDES), (count,), generator=generator)]
    away = (torch.arange(largest) - largest // 2).abs()
    inside = (away <= sides[:, None] // 2).float()
    changed = torch.rand(count, generator=generator) < probability
    return TextureDraw(
        kernels=kernels * (inside[:, :, None] * inside[:, None])[:, None, None],
        share=torch.rand(count, generator=generator) * changed,
    )


def in_other_textures(pixels: Tensor, draw: TextureDraw) -> Tensor:
    """Return pictures (N, 3, H, W), levels 0..255, in these textures.

    The convolved picture gets the mean and the contrast of the picture, the same in each channel.

    >>> draw = draw_textures(2, probability=0.5, generator=torch.Generator().manual_seed(0))
    >>> in_other_textures(torch.full((2, 3, 16, 8), 128.0), draw).shape
    torch.Size([2, 3, 16, 8])
    """
    count, device = len(pixels), pixels.device
    kernels = draw.kernels.to(device, non_blocking=True).flatten(0, 1)
    padded = functional.pad(pixels, (kernels.shape[-1] // 2,) * 4, mode="replicate")
    with without_autocast(device):
        convolved = functional.conv2d(
            padded.reshape(1, -1, *padded.shape[2:]), kernels, groups=count
        ).reshape(pixels.shape)
    spread, mean = torch.std_mean(convolved, dim=(2, 3), keepdim=True)
    contrast, light = torch.std_mean(pixels, dim=(2, 3), keepdim=True)
    contrast, light = (value.mean(dim=1, keepdim=True) for value in (contrast, light))
    convolved = (convolved - mean) / spread.clamp(min=1e-3) * contrast + light
    share = draw.share.to(device, non_blocking=True)[:, None, None, None]
    return (pixels + share * (convolved - pixels)).clamp(0, 255)
