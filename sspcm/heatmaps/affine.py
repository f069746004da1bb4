"""Batched affine warps of images and heatmaps.

Matrices (N, 2, 3) act on pixel coordinates whose integers are pixel centres. Heatmap pixel u is
crop pixel stride * u, so a matrix in crop pixels gives the heatmaps' matrix exactly. The released
code instead applies a matrix in normalised coordinates; both forms are here.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from sspcm.heatmaps.targets import HEATMAP_STRIDE


def warp(images: Tensor, output_to_input: Tensor, output_size: tuple[int, int]) -> Tensor:
    """Return images (N, C, h, w), resampled bilinearly through pixel matrices; black outside.

    Args:
        images: (N, C, H, W) floating point.
        output_to_input: (N, 2, 3) from output pixels to input pixels, any float type.
        output_size: (width, height) of the output in pixels.
    """
    (width, height), (in_height, in_width) = output_size, images.shape[2:]
    matrix = output_to_input.double()
    x = torch.arange(width, dtype=torch.float64, device=images.device)
    y = torch.arange(height, dtype=torch.float64, device=images.device)
    # A source coordinate is an x part plus a y part: no (N, h, w, 3) product is needed.
    columns = matrix[:, :, 0, None] * x
    rows = matrix[:, :, 1, None] * y + matrix[:, :, 2, None]
    source = rows[:, :, :, None] + columns[:, :, None, :]
    across = source[:, 0] / ((in_width - 1) / 2) - 1
    down = source[:, 1] / ((in_height - 1) / 2) - 1
    grid = torch.stack([across, down], dim=3).to(images.dtype)
    if images.is_cuda:
        # cuDNN's sampler gets the strides as they are, and may support only these.
        images = images.contiguous()
    return functional.grid_sample(
        images, grid, mode="bilinear", padding_mode="zeros", align_corners=True
    )


def view_matrices(scale: Tensor, rotation: Tensor, size: tuple[int, int]) -> Tensor:
    """Return matrices (N, 2, 3) float64, output to input pixels, that rotate and zoom.

    The centre of the image stays.

    Args:
        scale: (N,) input pixels per output pixel; above 1 zooms out.
        rotation: (N,) degrees.
        size: (width, height) of input and output in pixels.
    """
    angle = torch.deg2rad(rotation.double())
    cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
    linear = torch.stack([torch.stack([cos, sin], -1), torch.stack([-sin, cos], -1)], -2)
    centre = (torch.tensor(size, dtype=torch.float64, device=scale.device) - 1) / 2
    offset = centre - linear @ centre
    return torch.cat([linear, offset[:, :, None]], dim=2)


def heatmap_matrices(crop_matrices: Tensor, *, stride: float = HEATMAP_STRIDE) -> Tensor:
    """Return the same warps in heatmap pixels: offsets are divided by the stride."""
    return torch.cat([crop_matrices[..., :2], crop_matrices[..., 2:] / stride], dim=-1)


def invert(matrices: Tensor) -> Tensor:
    """Return the inverses (N, 2, 3) of affine matrices (N, 2, 3)."""
    linear = torch.linalg.inv(matrices[..., :2])
    return torch.cat([linear, -linear @ matrices[..., 2:]], dim=-1)


def compose(second: Tensor, first: Tensor) -> Tensor:
    """Return matrices (N, 2, 3) that apply `first`, then `second`."""
    linear = second[..., :2]
    return torch.cat([linear @ first[..., :2], linear @ first[..., 2:] + second[..., 2:]], dim=-1)


def transform_points(points: Tensor, matrices: Tensor) -> Tensor:
    """Return points (N, J, 2) transformed by matrices (N, 2, 3)."""
    return points @ matrices[:, :, :2].transpose(1, 2) + matrices[:, None, :, 2]


def normalised_theta(scale: Tensor, rotation: Tensor) -> Tensor:
    """Return the matrices (N, 2, 3) float64 of the released code, in normalised coordinates.

    On a crop that is not square such a matrix is a rotation and a shear.
    """
    angle = torch.deg2rad(rotation.double())
    cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
    zero = torch.zeros_like(cos)
    return torch.stack([torch.stack([cos, sin, zero], -1), torch.stack([-sin, cos, zero], -1)], -2)


def warp_normalised(images: Tensor, theta: Tensor, *, align_corners: bool = False) -> Tensor:
    """Return images (N, C, H, W) warped as the released code does; the grid is computed in float64.

    `align_corners` was True by default up to torch 1.2, and is False since.
    """
    grid = functional.affine_grid(theta.double(), list(images.shape), align_corners=align_corners)
    return functional.grid_sample(
        images,
        grid.to(images.dtype),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=align_corners,
    )
