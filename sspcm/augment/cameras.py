"""Show a scene as other cameras would: light, colour, sharpness, noise, objects in between.

Drawn frames differ from real ones less in what people do than in what cameras make of it. Draws are
explicit: everything random in a batch is drawn on the CPU beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from sspcm.hardware import without_autocast

KERNEL = 9
"""Side, in pixels, of the kernel that blurs, smears or sharpens."""

_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class CameraDraw:
    """Random effects of N cameras on their pictures.

    Attributes:
        gain: (N, 3) channel factors: exposure and white balance.
        gamma: (N,) exponent of the levels.
        contrast: (N,) factor on the distance from the picture's mean.
        saturation: (N,) factor on the distance from grey.
        kernel: (N, `KERNEL`, `KERNEL`) convolution.
        coarseness: (N,) factor by which the resolution is reduced; 1 for none.
        noise: (N,) standard deviation, for levels in 0..1.
        boxes: (N, k, 4) left, top, width, height of covered windows, relative to the picture's
            sides; width 0 means none.
        donor: (N, k) picture of the batch that covers the window.
        seed: of the noise.
    """

    gain: Tensor
    gamma: Tensor
    contrast: Tensor
    saturation: Tensor
    kernel: Tensor
    coarseness: Tensor
    noise: Tensor
    boxes: Tensor
    donor: Tensor
    seed: int


def draw_cameras(count: int, *, windows: int = 3, generator: torch.Generator) -> CameraDraw:
    """Draw `count` cameras, each with up to `windows` covered windows."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    exposure = torch.exp(0.3 * normal(count, 1)) * torch.exp(0.1 * normal(count, 3))
    sides = 0.08 + 0.32 * uniform(count, windows, 2)
    corners = uniform(count, windows, 2) * 1.1 - 0.05 - sides / 2
    sides *= (uniform(count, windows, 1) < 0.35).float()
    return CameraDraw(
        gain=exposure,
        gamma=torch.exp(0.3 * normal(count)),
        contrast=torch.exp(0.25 * normal(count)),
        saturation=1.7 * uniform(count),
        kernel=_draw_kernels(normal(count), uniform(count, 3)),
        coarseness=torch.where(uniform(count) < 0.4, 1 + 1.8 * uniform(count), torch.ones(count)),
        noise=0.07 * uniform(count) ** 2,
        boxes=torch.cat([corners, sides], dim=2),
        donor=torch.randint(count, (count, windows), generator=generator),
        seed=int(torch.randint(2**31, (), generator=generator)),
    )


def seen_by(pixels: Tensor, draw: CameraDraw) -> Tensor:
    """Return pictures (N, 3, H, W), levels 0..255, as these cameras show them.

    >>> draw = draw_cameras(2, generator=torch.Generator().manual_seed(0))
    >>> seen_by(torch.full((2, 3, 16, 8), 128.0), draw).shape
    torch.Size([2, 3, 16, 8])
    """
    device = pixels.device
    levels = (_covered(pixels, draw) / 255).clamp(0, 1)
    kernel = draw.kernel.to(device, non_blocking=True)
    smooth = functional.pad(levels, (KERNEL // 2,) * 4, mode="replicate")
    with without_autocast(device):
        levels = functional.conv2d(
            smooth.reshape(1, -1, *smooth.shape[2:]),
            kernel[:, None].repeat_interleave(3, dim=0),
            groups=3 * len(levels),
        ).reshape(levels.shape)
    for index, factor in enumerate(draw.coarseness.tolist()):
        if factor > 1:
            levels[index] = _coarser(levels[index], factor)
    noise = torch.randn(levels.shape, generator=torch.Generator().manual_seed(draw.seed))
    levels = levels + noise.to(device, non_blocking=True) * _column(draw.noise, device)
    grey = (levels * levels.new_tensor(_LUMA)[:, None, None]).sum(dim=1, keepdim=True)
    levels = grey + (levels - grey) * _column(draw.saturation, device)
    mean = levels.mean(dim=(1, 2, 3), keepdim=True)
    levels = mean + (levels - mean) * _column(draw.contrast, device)
    levels = levels * draw.gain.to(device, non_blocking=True)[:, :, None, None]
    # Gamma moves mid-grey least, so that exposure and gamma do not add up.
    levels = levels.clamp(0, 1) ** _column(draw.gamma, device)
    return levels * 255


@torch.no_grad()
def with_statistics_of(images: Tensor, others: Tensor, chosen: Tensor) -> Tensor:
    """Return images, the chosen ones with the channel means and deviations of others.

    Kim et al., ECCV 2022, exchange these statistics between drawn and real pictures.

    Args:
        images: (N, 3, H, W).
        others: (N, 3, H, W), one for each image.
        chosen: (N,) bool.

    >>> found = with_statistics_of(torch.rand(1, 3, 8, 8), torch.ones(1, 3, 8, 8), torch.ones(1))
    >>> bool(torch.allclose(found, torch.ones_like(found)))
    True
    """
    spread, mean = torch.std_mean(images, dim=(2, 3), keepdim=True)
    spread_of_others, mean_of_others = torch.std_mean(others, dim=(2, 3), keepdim=True)
    moved = (images - mean) / spread.clamp(min=1e-6) * spread_of_others + mean_of_others
    return torch.where(
        chosen.to(images.device, non_blocking=True).bool()[:, None, None, None], moved, images
    )


def _column(values: Tensor, device: torch.device) -> Tensor:
    return values.to(device, non_blocking=True)[:, None, None, None]


def _covered(pixels: Tensor, draw: CameraDraw) -> Tensor:
    height, width = pixels.shape[2:]
    result = pixels.clone()
    windows = draw.boxes * draw.boxes.new_tensor([width, height, width, height])
    for index, (boxes, donors) in enumerate(
        zip(windows.tolist(), draw.donor.tolist(), strict=True)
    ):
        for (left, top, wide, high), donor in zip(boxes, donors, strict=True):
            if wide > 0:
                rows = slice(max(round(top), 0), max(round(top + high), 0))
                columns = slice(max(round(left), 0), max(round(left + wide), 0))
                # Mirrored across the picture, a window shows no part of the person in its place.
                source = pixels[donor].flip(1, 2) if donor != index else pixels[donor].flip(2)
                result[index, :, rows, columns] = source[:, rows, columns]
    return result


def _coarser(picture: Tensor, factor: float) -> Tensor:
    size = [max(round(side / factor), 1) for side in picture.shape[1:]]
    small = functional.interpolate(picture[None], size=size, mode="bilinear", antialias=True)
    return functional.interpolate(small, size=picture.shape[1:], mode="bilinear")[0]


def _draw_kernels(strength: Tensor, kind: Tensor) -> Tensor:
    """Return kernels (N, K, K) of sum 1: identity (a third), blur, smear on a line, sharpen."""
    at = torch.arange(KERNEL, dtype=torch.float32) - KERNEL // 2
    y, x = torch.meshgrid(at, at, indexing="ij")
    delta = ((x == 0) & (y == 0)).float()
    kernels = []
    for value, (which, turn, _) in zip(strength.abs().tolist(), kind.tolist(), strict=True):
        width = 0.4 + 0.6 * value
        blurred = torch.exp(-(x**2 + y**2) / (2 * width**2))
        blurred /= blurred.sum()
        if which < 0.33:
            kernels.append(delta)
        elif which < 0.58:
            kernels.append(blurred)
        elif which < 0.75:
            angle = torch.tensor(torch.pi * turn)
            along = x * torch.cos(angle) + y * torch.sin(angle)
            across = y * torch.cos(angle) - x * torch.sin(angle)
            line = (along.abs() <= 1 + 1.5 * value).float() * torch.exp(-2 * across**2)
            kernels.append(line / line.sum())
        else:
            kernels.append(delta + min(value, 2.0) * (delta - blurred))
    return torch.stack(kernels)
