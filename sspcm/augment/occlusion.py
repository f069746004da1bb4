"""Occlusion augmentations: Joint Cutout and Cut-Occlude, batched, with explicit draws.

Joint Cutout (Xie et al., ICCV 2021) blanks patches at predicted joints. Cut-Occlude (Huang et al.,
CVPR 2023) pastes the patch around a joint of one person over a joint of another. `released=True`
repeats the released code: swapped clamps in Joint Cutout, swapped axes and black fill where two
windows differ in Cut-Occlude (golden fixture f09).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

JITTER = 10.0
HALF_SIZE = (10, 20)
"""Half sizes of patches are drawn from 10..19 pixels, and centres are jittered by 10 pixels, at a
crop width of 192; both scale with the crop, except in the released code."""
REFERENCE_WIDTH = 192


@dataclass(frozen=True)
class PatchDraw:
    """Random patches of a batch.

    Attributes:
        jitter: (N, J, 2) x, y offsets of the patch centres in pixels.
        half_size: (N, J, 2) int64 half width and height in pixels.
        joint: (N, n) int64 covered joints.
        donor_joint: (N, n) int64 covering joints (Cut-Occlude only).
        donor: (N,) int64 image of the batch that the patches come from (Cut-Occlude only).
    """

    jitter: Tensor
    half_size: Tensor
    joint: Tensor
    donor_joint: Tensor
    donor: Tensor


def draw_patches(
    people: int,
    joints: Tensor,
    total_joints: int,
    patches: int,
    *,
    crop_width: int,
    released: bool = False,
    generator: torch.Generator,
) -> PatchDraw:
    """Return random patches, drawn on the CPU.

    Args:
        people: batch size N.
        joints: 1-D int64, the joints that may be drawn.
        total_joints: J of the heatmaps.
        patches: n patches per image.
        crop_width: crop width in pixels; sizes and jitter scale with it (factor 1 at 192).
        released: use the sizes and jitter for a width of 192, whatever the crop.
        generator: source of the draws.
    """
    shape = (people, total_joints, 2)
    if released:
        crop_width = REFERENCE_WIDTH
    jitter = torch.randn(shape, generator=generator) * (JITTER * crop_width / REFERENCE_WIDTH)
    half_size = draw_half_sizes(shape, crop_width=crop_width, generator=generator)
    chosen = joints[torch.randint(len(joints), (2, people, patches), generator=generator)]
    donor = torch.randint(people, (people,), generator=generator)
    return PatchDraw(jitter, half_size, chosen[0], chosen[1], donor)


def draw_half_sizes(
    shape: tuple[int, ...], *, crop_width: int, generator: torch.Generator
) -> Tensor:
    """Return half sizes of patches in pixels, int64 of this shape: 10..19 at width 192."""
    half_size = torch.randint(*HALF_SIZE, shape, generator=generator)
    return (half_size * (crop_width / REFERENCE_WIDTH)).round().long().clamp(min=1)


def joint_cutout(
    images: Tensor, positions: Tensor, draw: PatchDraw, *, released: bool = False
) -> Tensor:
    """Return images (N, C, H, W) with the patches around the drawn joints set to zero.

    Args:
        images: (N, C, H, W).
        positions: (N, J, 2) joint positions x, y in image pixels.
        draw: the patches; unless released, rows are clamped to the height, columns to the width.
        released: clamp as the released code does, which spares a tall image's rows from W on.
    """
    centre = _take(torch.trunc(positions.float() + draw.jitter), draw.joint)
    half = _take(draw.half_size, draw.joint)
    size = (images.shape[3], images.shape[2])
    hidden = inside_windows(centre, half, size, released=released)
    return images.masked_fill(hidden[:, None], 0.0)


def inside_windows(
    centre: Tensor, half: Tensor, size: tuple[int, int], *, released: bool = False
) -> Tensor:
    """Return a mask (N, height, width) of pixels in any window [centre - half, centre + half).

    Args:
        centre: (N, n, 2) whole x, y in pixels.
        half: (N, n, 2) half width and height in pixels.
        size: (width, height) of the images.
        released: clamp columns to the height and rows to the width, as the released code does.
    """
    width, height = size
    last_column, last_row = (height, width) if released else (width, height)
    low, high = centre - half, centre + half
    x = torch.arange(width, device=centre.device)
    y = torch.arange(height, device=centre.device)
    columns = (x >= low[..., :1]) & (x < high[..., :1].clamp(max=last_column))
    rows = (y >= low[..., 1:]) & (y < high[..., 1:].clamp(max=last_row))
    return (rows[..., :, None] & columns[..., None, :]).any(dim=1)


def cut_occlude(
    images: Tensor, positions: Tensor, draw: PatchDraw, *, released: bool = False
) -> Tensor:
    """Return images (N, C, H, W) with joints covered by patches around joints of other images.

    Patches are copied from the original images; a later patch covers an earlier one.

    Args:
        images: (N, C, H, W).
        positions: (N, J, 2) joint positions x, y in image pixels.
        draw: the patches; unless released, the part that fits in both images is pasted.
        released: swap the axes, and fill with zeros if the windows differ, as in the released code.
    """
    height, width = images.shape[2:]
    centre = torch.trunc(positions.float() + draw.jitter).long()
    target = _take(centre, draw.joint)
    donor = _take(centre[draw.donor], draw.donor_joint)
    half = _take(draw.half_size[draw.donor], draw.donor_joint)
    if released:
        # The released code reads the column from y and the row from x.
        target, donor, half = target.flip(-1), donor.flip(-1), half.flip(-1)
        windows = _released_windows
    else:
        windows = _shared_windows
    columns = windows(target[..., 0], donor[..., 0], half[..., 0], width)
    rows = windows(target[..., 1], donor[..., 1], half[..., 1], height)

    # NHWC views: one index per pixel moves all its channels.
    source = images.permute(0, 2, 3, 1)
    result = source.clone()
    donor_image = draw.donor[:, None, None]
    for patch in range(target.shape[1]):
        inside_x, from_x, fits_x = (part[:, patch] for part in columns)
        inside_y, from_y, fits_y = (part[:, patch] for part in rows)
        covered = inside_y[:, :, None] & inside_x[:, None, :]
        values = source[donor_image, from_y[:, :, None], from_x[:, None, :]]
        fits = (fits_x & fits_y)[:, None, None, None]
        result = torch.where(covered[..., None], torch.where(fits, values, 0.0), result)
    return result.permute(0, 3, 1, 2)


_Windows = tuple[Tensor, Tensor, Tensor]
"""Along one axis: the mask (N, n, size) of covered pixels, the donor's pixel (N, n, size) that each
shows, and whether (N, n) the donor's window fits (otherwise zeros are pasted)."""


def _take(values: Tensor, joint: Tensor) -> Tensor:
    """Return the values (N, n, 2) of values (N, J, 2) at joints (N, n)."""
    return values.gather(1, joint[..., None].expand(-1, -1, 2))


def _shared_windows(target: Tensor, donor: Tensor, half: Tensor, size: int) -> _Windows:
    low = torch.maximum(-half, torch.maximum(-target, -donor))
    high = torch.minimum(half, size - torch.maximum(target, donor))
    offset = torch.arange(size, device=target.device) - target[..., None]
    inside = (offset >= low[..., None]) & (offset < high[..., None])
    pixel = (offset + donor[..., None]).clamp(0, size - 1)
    return inside, pixel, torch.ones_like(target, dtype=torch.bool)


def _released_windows(target: Tensor, donor: Tensor, half: Tensor, size: int) -> _Windows:
    last = size - 1
    donor_low = (donor - half).clamp(0, last)
    donor_high = (donor + half).clamp(0, last)
    low = (target - (donor_low - donor).abs()).clamp(0, last)
    high = (target + (donor_high - donor).abs()).clamp(0, last)
    excess = ((donor_high - donor_low) - (high - low)).abs()
    donor_low = torch.where(low == 0, donor_low + excess, donor_low)
    donor_high = torch.where(high == last, donor_high - excess, donor_high)
    # As in the released code, a negative end of a slice counts from the far end.
    donor_high = torch.where(donor_high < 0, donor_high + size, donor_high)
    pixel = torch.arange(size, device=target.device)
    inside = (pixel >= low[..., None]) & (pixel < high[..., None])
    shown = (pixel - low[..., None] + donor_low[..., None]).clamp(0, last)
    donor_length = (donor_high.clamp(max=size) - donor_low.clamp(max=size)).clamp(min=0)
    return inside, shown, (donor_length == high - low) & (donor_length > 0)
