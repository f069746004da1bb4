"""Gaussian target heatmaps, and the loss of predicted heatmaps.

Heatmap pixel u stands for crop pixel x = stride * u: integer coordinates are pixel centres in both
frames, and their origins coincide.
"""

from __future__ import annotations

import torch
from torch import Tensor

HEATMAP_STRIDE = 4
"""Crop pixels per heatmap pixel, for every network."""


def gaussian_targets(
    joints: Tensor,
    visibility: Tensor,
    heatmap_size: tuple[int, int],
    *,
    stride: float = HEATMAP_STRIDE,
    sigma: float = 2.0,
    exact: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return target heatmaps and joint weights (Xiao et al., ECCV 2018).

    The Gaussian is cut to a square of 6 sigma + 1 pixels. With `exact`, it is centred on the joint
    (Zhang et al., CVPR 2020). As published, it is centred on the nearest heatmap pixel, where its
    peak is exactly 1; the centre is truncated towards zero, so a joint up to 1.5 heatmap pixels
    left of or above the map is drawn at its border.

    Args:
        joints: (N, J, 2) x, y in crop pixels.
        visibility: (N, J) weight of each joint; a map is drawn only where it is above 0.5.
        heatmap_size: (width, height) in heatmap pixels.
        stride: crop pixels per heatmap pixel.
        sigma: standard deviation in heatmap pixels.
        exact: centre the Gaussians on the joints rather than on the nearest pixels.

    Returns:
        Targets (N, J, H, W) float32 and weights (N, J) float32; a joint whose Gaussian lies
        entirely outside has weight 0.
    """
    width, height = heatmap_size
    reach = 3 * sigma
    mean = joints / stride if exact else torch.trunc(joints / stride + 0.5)
    x, y = mean.unbind(-1)
    outside = (x - reach >= width) | (y - reach >= height) | (mean + reach + 1 < 0).any(dim=-1)
    weight = torch.where(outside, 0.0, visibility).float()

    # The Gaussian is separable: width + height exponentials per joint suffice.
    drawn = (weight > 0.5)[..., None]
    across = _bell(mean[..., 0, None], width, sigma) * drawn
    down = _bell(mean[..., 1, None], height, sigma)
    return down[..., :, None] * across[..., None, :], weight


def fitting_sigma(crop_size: tuple[int, int]) -> float:
    """Return the standard deviation, in heatmap pixels, that fits crops of this (width, height).

    It is a 32nd of the map's longer side as published (2 at 48 x 64, 3 at 72 x 96), at least 1.5:
    narrower Gaussians lose their shape on whole pixels.

    >>> fitting_sigma((192, 256)), fitting_sigma((96, 128))
    (2.0, 1.5)
    """
    return max(1.5, max(crop_size) / HEATMAP_STRIDE / 32)


def _bell(mean: torch.Tensor, size: int, sigma: float) -> torch.Tensor:
    """Return Gaussians (..., size) float32 with means (..., 1), zero beyond 3 sigma."""
    distance = torch.arange(size, device=mean.device) - mean
    bell = torch.exp(distance.square() * (-0.5 / sigma**2))
    return (bell * (distance.abs() <= 3 * sigma)).float()


def heatmap_mse(predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the mean over joints of half the mean squared error.

    M = 1/J sum_j 0.5 mean_{batch, pixels} (w_nj (p - t))^2. As published, the sum is always divided
    by all J joints, and fractional weights are squared.

    Args:
        predicted: (N, J, H, W).
        target: (N, J, H, W).
        weight: (N, J).
    """
    error = (predicted - target) * weight[:, :, None, None]
    return 0.5 * error.square().mean()
