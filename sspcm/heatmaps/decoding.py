"""Decode heatmaps to coordinates: the only place where coordinates leave the crop frame.

Heatmap pixel i lies on crop pixel 4 i, so the affine matrix of a crop of the heatmap's size takes
image pixels to heatmap pixels; `decode` applies its inverse.
"""

from __future__ import annotations

from typing import get_args

import numpy as np
import torch
from torch.nn import functional

from sspcm.choices import Decoding
from sspcm.hardware import without_autocast
from wepdtof_pose.errors import InputError
from wepdtof_pose.geometry import crop_matrices, invert_affine, transform_points

_SMALLEST = 1e-10


def decode(
    heatmaps: torch.Tensor,
    center: np.ndarray,
    scale: np.ndarray,
    *,
    rotation: np.ndarray | None = None,
    method: Decoding = "shift",
    blur_size: int = 11,
) -> np.ndarray:
    """Return keypoints (people, joints, 3) float32: x, y in image pixels, maximum of the heatmap.

    A joint whose maximum is not positive gets the corner of its crop.

    Args:
        heatmaps: (people, joints, H, W); not modified.
        center: (people, 2) crop centres in image pixels.
        scale: (people, 2) crop sides over 200 pixels.
        rotation: (people,) degrees by which the crops were turned; 0 if None.
        method: "shift" moves the maximum a quarter of a pixel towards its higher neighbour (Newell
            et al., ECCV 2016), "dark" takes a Newton step on the logarithm of the blurred heatmap
            (Zhang et al., CVPR 2020, equation 9), "none" keeps the pixel.
        blur_size: side of the Gaussian blur of "dark" in heatmap pixels (see `fitting_blur`).

    Raises:
        InputError: unknown method.
    """
    if method not in get_args(Decoding):
        raise InputError(f"unknown decoding {method!r}: choose one of {get_args(Decoding)}")
    heatmaps = heatmaps.detach().float()
    positions, maxima = argmax_positions(heatmaps, masked=True)
    if method == "shift":
        positions = shift_positions(heatmaps, positions)
    elif method == "dark":
        positions = newton_positions(blur_heatmaps(heatmaps, size=blur_size), positions)
    turned = np.zeros(len(heatmaps)) if rotation is None else rotation
    size = (heatmaps.shape[3], heatmaps.shape[2])
    to_image = invert_affine(crop_matrices(center, scale, turned, size))
    points = transform_points(positions.cpu().numpy().astype(np.float64), to_image)
    scores = maxima.cpu().numpy()[..., None]
    return np.concatenate([points, scores], axis=2).astype(np.float32)


def fitting_blur(sigma: float) -> int:
    """Return the blur size for "dark", in heatmap pixels, that fits targets of this sigma.

    Its standard deviation is the closest to sigma (see `blur_heatmaps`).

    >>> fitting_blur(2.0), fitting_blur(3.0)
    (11, 17)
    """
    return 2 * max(0, round((sigma - 0.8) / 0.3 + 1)) + 1


def argmax_positions(
    heatmaps: torch.Tensor, *, masked: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the positions (N, J, 2) float32 x, y of the maxima, and their values (N, J).

    Of equal maxima the first in row-major order counts.

    Args:
        heatmaps: (N, J, H, W).
        masked: put joints without a positive maximum at (0, 0).
    """
    width = heatmaps.shape[3]
    maxima, index = heatmaps.flatten(2).max(dim=2)
    columns = index % width
    rows = torch.div(index, width, rounding_mode="floor")
    positions = torch.stack([columns, rows], dim=2).float()
    if masked:
        positions = positions * (maxima > 0).unsqueeze(2)
    return positions, maxima


def shift_positions(heatmaps: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Return positions (N, J, 2) moved by 0.25 pixels towards the higher neighbour on each axis.

    Positions within a pixel of the border (two pixels at the top and left, as published) stay.
    """
    step = torch.stack(
        [
            _at(heatmaps, positions, +1, 0) - _at(heatmaps, positions, -1, 0),
            _at(heatmaps, positions, 0, +1) - _at(heatmaps, positions, 0, -1),
        ],
        dim=2,
    )
    inside = _inside(positions, heatmaps.shape, margin=1)
    return positions + 0.25 * step.sign() * inside.unsqueeze(2)


def newton_positions(heatmaps: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Return positions (N, J, 2) moved by a Newton step on the logarithm of blurred heatmaps.

    Second derivatives use steps of two pixels. Positions within two pixels of the border (one more
    at the top and left) and those with a singular Hessian stay.
    """

    def log_at(dx: int, dy: int) -> torch.Tensor:
        return _at(heatmaps, positions, dx, dy).double().clamp(min=_SMALLEST).log()

    here = log_at(0, 0)
    dx = 0.5 * (log_at(1, 0) - log_at(-1, 0))
    dy = 0.5 * (log_at(0, 1) - log_at(0, -1))
    dxx = 0.25 * (log_at(2, 0) - 2 * here + log_at(-2, 0))
    dyy = 0.25 * (log_at(0, 2) - 2 * here + log_at(0, -2))
    dxy = 0.25 * (log_at(1, 1) - log_at(1, -1) - log_at(-1, 1) + log_at(-1, -1))
    determinant = dxx * dyy - dxy * dxy
    regular = _inside(positions, heatmaps.shape, margin=2) & (determinant != 0)
    step = torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], dim=2)
    step = step / torch.where(regular, determinant, 1).unsqueeze(2)
    return positions + (step * regular.unsqueeze(2)).to(positions.dtype)


def blur_heatmaps(heatmaps: torch.Tensor, *, size: int = 11) -> torch.Tensor:
    """Return Gaussian-blurred copies (N, J, H, W), zero-padded, each rescaled to its old maximum.

    The standard deviation is OpenCV's default for the size: 2 for 11 pixels.
    """
    sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8
    offset = torch.arange(size, dtype=torch.float64, device=heatmaps.device) - (size - 1) / 2
    kernel = torch.exp(-(offset**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).to(heatmaps.dtype)
    maps = heatmaps.flatten(0, 1).unsqueeze(1)
    with without_autocast(maps.device):
        maps = functional.conv2d(maps, kernel.view(1, 1, 1, size), padding=(0, size // 2))
        maps = functional.conv2d(maps, kernel.view(1, 1, size, 1), padding=(size // 2, 0))
    blurred = maps.reshape(heatmaps.shape)
    before, after = heatmaps.amax(dim=(2, 3)), blurred.amax(dim=(2, 3))
    # Without a positive maximum there is no peak to refine, and nothing to divide by.
    ratio = torch.where(after > 0, before / torch.where(after > 0, after, 1), 1)
    return blurred * ratio[..., None, None]


def _at(heatmaps: torch.Tensor, positions: torch.Tensor, dx: int, dy: int) -> torch.Tensor:
    """Return the values (N, J) at an offset from whole-pixel positions, clamped to the map."""
    height, width = heatmaps.shape[2:]
    column = (positions[..., 0].long() + dx).clamp(0, width - 1)
    row = (positions[..., 1].long() + dy).clamp(0, height - 1)
    return heatmaps.flatten(2).gather(2, (row * width + column).unsqueeze(2)).squeeze(2)


def _inside(positions: torch.Tensor, shape: torch.Size, *, margin: int) -> torch.Tensor:
    x, y = positions.unbind(2)
    return (x > 1) & (x < shape[3] - margin) & (y > 1) & (y < shape[2] - margin)
