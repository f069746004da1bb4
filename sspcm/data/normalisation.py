"""Normalise images as networks expect them: ImageNet statistics, channels last in memory."""

from __future__ import annotations

import torch
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalise(pixels: Tensor, *, bgr: bool) -> Tensor:
    """Return images (N, 3, H, W) float32: 0..255 RGB, normalised with ImageNet's RGB statistics.

    They are channels-last in memory; pixels that already are need no copy.
    """
    std = torch.tensor(IMAGENET_STD) * 255
    mean = torch.tensor(IMAGENET_MEAN) * 255
    return _scale_channels(pixels.flip(1) if bgr else pixels, 1 / std, -mean / std)


def denormalise(images: Tensor) -> Tensor:
    """Return the pixels (N, 3, H, W), 0..255, of normalised images; channels keep their order."""
    return _scale_channels(
        images, torch.tensor(IMAGENET_STD) * 255, torch.tensor(IMAGENET_MEAN) * 255
    )


def _scale_channels(images: Tensor, factor: Tensor, offset: Tensor) -> Tensor:
    # Multiply whole image rows: broadcasting a vector of three would run three values at a time.
    rows = images.permute(0, 2, 3, 1).flatten(2).float()
    width = images.shape[3]
    factor, offset = (
        value.to(images.device, non_blocking=True).repeat(width) for value in (factor, offset)
    )
    return torch.addcmul(offset, rows, factor).unflatten(2, (width, 3)).permute(0, 3, 1, 2)
