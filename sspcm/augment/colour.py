"""RandAugment of a batch without its geometric operations, with explicit draws.

Source: Cubuk et al., "RandAugment: Practical Automated Data Augmentation with a Reduced Search
Space", CVPRW 2020. The operations are those of Pillow (`ImageOps`, `ImageEnhance`) on images with
whole levels 0..255; they run on the device, each at once on all images that drew it. As in Xie et
al., ICCV 2021, rotation, shear and translation are left out: they would move the joints.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from sspcm.augment.occlusion import REFERENCE_WIDTH, inside_windows

HIGHEST_MAGNITUDE = 30
GREY = (125.0, 123.0, 114.0)
"""Level that fills the cut-out square, as in AutoAugment."""


@dataclass(frozen=True)
class ColourDraw:
    """Draws of RandAugment.

    Attributes:
        operation: (N, n) int64, rows of OPERATIONS, applied one after the other.
        centre: (N, n, 2) x, y in 0..1 of the image, where Cutout puts its square.
    """

    operation: Tensor
    centre: Tensor


def draw_colours(people: int, operations: int, *, generator: torch.Generator) -> ColourDraw:
    """Return random operations, drawn with replacement on the CPU."""
    chosen = torch.randint(len(OPERATIONS), (people, operations), generator=generator)
    return ColourDraw(chosen, torch.rand((people, operations, 2), generator=generator))


def rand_augment(
    pixels: Tensor, draw: ColourDraw, *, magnitude: int, released: bool = False
) -> Tensor:
    """Return pixels (N, 3, H, W) after each image's operations, applied in turn.

    Args:
        pixels: levels 0..255, floating point; they are rounded to whole levels.
        draw: the operations, on the CPU, so that choosing rows never waits for the device.
        magnitude: m of 0..30, the strength of all operations that have one.
        released: cut out a square of the size for crops 192 pixels wide, whatever the crop.
    """
    strength = magnitude / HIGHEST_MAGNITUDE
    result = pixels.round().clamp(0, 255)
    chosen, centres = draw.operation.cpu(), draw.centre.to(pixels.device, non_blocking=True)
    operations = OPERATIONS | ({"cutout": cut_fixed_square} if released else {})
    for turn in range(chosen.shape[1]):
        before, result = result, result.clone()
        for number, operation in enumerate(operations.values()):
            rows = (chosen[:, turn] == number).nonzero().squeeze(1)
            if len(rows):
                rows = rows.to(pixels.device, non_blocking=True)
                result[rows] = operation(before[rows], strength, centres[rows, turn])
    return result


def auto_contrast(pixels: Tensor, strength: float, centre: Tensor) -> Tensor:
    """Return each channel, stretched to the levels 0..255."""
    low, high = pixels.amin(dim=(2, 3), keepdim=True), pixels.amax(dim=(2, 3), keepdim=True)
    scale = 255 / (high - low).clamp(min=1)
    return torch.where(high > low, _levels(pixels * scale - low * scale), pixels)


def equalize(pixels: Tensor, strength: float, centre: Tensor) -> Tensor:
    """Return each channel, its histogram as flat as a lookup table can make it."""
    levels = pixels.long().flatten(2)
    counts = levels.new_zeros(*levels.shape[:2], 256)
    counts.scatter_add_(2, levels, torch.ones_like(levels))
    of_highest = counts.gather(2, levels.amax(dim=2, keepdim=True))
    step = (levels.shape[2] - of_highest) // 255
    below = counts.cumsum(dim=2) - counts
    table = ((below + step // 2) // step.clamp(min=1)).clamp(0, 255)
    equal = table.gather(2, levels).view(pixels.shape).to(pixels.dtype)
    return torch.where(step[..., None] > 0, equal, pixels)


def invert(pixels: Tensor, strength: float, centre: Tensor) -> Tensor:
    """Return the negative."""
    return 255 - pixels


def posterize(pixels: Tensor, strength: float, centre: Tensor) -> Tensor:
    """Return the highest 4 * strength bits of each level, at least one."""
    unit = float(2 ** (8 - max(1, int(4 * strength))))
    return torch.floor(pixels / unit) * unit


def solarize(pixels: Tensor, strength: float, centre: Tensor) -> Tensor:
    """Return the pixels with levels from 256 * strength on inverted."""
    return torch.where(pixels < 256 * strength, pixels, 255 - pixels)


def solarize_add(pixels: Tensor, strength: float, centre: Tensor) -> Tensor:
    """Return the pixels with levels below 128 raised by 110 * strength."""
    raised = (pixels + int(110 * strength)).clamp(max=255)
    return torch.where(pixels < 128, raised, pixels)


def colour(pixels: Tensor, strength: float, centre: Tensor) -> Tensor:
    """Return the pixels with saturation scaled by 0.1 + 1.8 * strength."""
    return _blend(_luma(pixels).expand_as(pixels), pixels, strength)


def contrast(pixels: Tensor, strength: float, centre: Tensor) -> Tensor:
    """Return the pixels with contrast about the mean luma scaled by 0.1 + 1.8 * strength."""
    mean = torch.floor(_luma(pixels).mean(dim=(2, 3), keepdim=True) + 0.5)
    return _blend(mean, pixels, strength)


def brightness(pixels: Tensor, strength: float, centre: Tensor) -> Tensor:
    """Return the pixels with brightness scaled by 0.1 + 1.8 * strength."""
    return _blend(torch.zeros_like(pixels), pixels, strength)


def sharpness(pixels: Tensor, strength: float, centre: Tensor) -> Tensor:
    """Return the pixels with sharpness scaled by 0.1 + 1.8 * strength; the border stays."""
    # The kernel is 5 in the middle and 1 around. Autocast would run a convolution in bfloat16.
    around = functional.avg_pool2d(pixels, 3, stride=1, divisor_override=1)
    inner = torch.floor((around + 4 * pixels[:, :, 1:-1, 1:-1]) / 13 + 0.5)
    smooth = pixels.clone()
    smooth[:, :, 1:-1, 1:-1] = inner
    return _blend(smooth, pixels, strength)


def cut_square(pixels: Tensor, strength: float, centre: Tensor) -> Tensor:
    """Return the pixels with a grey square around the centre, side 40 * strength at width 192."""
    return _grey_square(pixels, 20 * strength * pixels.shape[3] / REFERENCE_WIDTH, centre)


def cut_fixed_square(pixels: Tensor, strength: float, centre: Tensor) -> Tensor:
    """Return the pixels with a grey square around the centre, side 40 * strength (released)."""
    return _grey_square(pixels, 20 * strength, centre)


OPERATIONS: dict[str, Callable[[Tensor, float, Tensor], Tensor]] = {
    "auto_contrast": auto_contrast,
    "equalize": equalize,
    "invert": invert,
    "posterize": posterize,
    "solarize": solarize,
    "solarize_add": solarize_add,
    "colour": colour,
    "contrast": contrast,
    "brightness": brightness,
    "sharpness": sharpness,
    "cutout": cut_square,
}
"""Name -> function of whole levels (n, 3, H, W), strength in 0..1 and, for Cutout, centres (n, 2)
in 0..1 of the image."""


def _grey_square(pixels: Tensor, half_side: float, centre: Tensor) -> Tensor:
    height, width = pixels.shape[2:]
    half = torch.full_like(centre, half_side).round().long()
    middle = torch.stack([centre[:, 0] * width, centre[:, 1] * height], dim=1).long()
    inside = inside_windows(middle[:, None], half[:, None], (width, height))
    grey = torch.tensor(GREY, dtype=pixels.dtype).to(pixels.device, non_blocking=True)
    return torch.where(inside[:, None], grey[:, None, None], pixels)


def _luma(pixels: Tensor) -> Tensor:
    red, green, blue = pixels.split(1, dim=1)
    return torch.floor((red * 19595 + green * 38470 + blue * 7471 + 32768) / 65536)


def _blend(degenerate: Tensor, pixels: Tensor, strength: float) -> Tensor:
    factor = 0.1 + 1.8 * strength
    return _levels(degenerate + factor * (pixels - degenerate))


def _levels(pixels: Tensor) -> Tensor:
    """Return levels clipped to 0..255 and truncated to whole numbers, as in an image of bytes."""
    return torch.floor(pixels.clamp(0, 255))
