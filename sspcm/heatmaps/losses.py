"""Heatmap losses: tensors in, a scalar out."""

from __future__ import annotations

from torch import Tensor


def heatmap_mse(predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean over joints of half the mean squared error, M in METHODS.md.

    M = 1/J sum_j 0.5 mean_{batch, pixels} (w_nj (p - t))^2. It is always divided by all J joints,
    and a fractional weight acts squared: both as published.

    Args:
        predicted: (N, J, H, W).
        target: (N, J, H, W).
        weight: (N, J).
    """
    error = (predicted - target) * weight[:, :, None, None]
    return 0.5 * error.square().mean()
