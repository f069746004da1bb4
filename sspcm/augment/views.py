"""Random easy and hard views of a crop: the random values, and their matrices."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class ViewStrength:
    """How strongly views differ from the crop; the published values by default.

    Attributes:
        scale: standard deviation of the scale factor, which is clipped to 1 +- scale.
        rotation: standard deviation of the rotation in degrees, clipped to +- 2 rotation.
        rotation_probability: share of views that are rotated at all.
        flip_probability: share of views that are mirrored.
        translation: standard deviation of the shift along each side of the crop, as a share of that
            side, clipped to +- 2 translation: boxes that a finder gives are off as well.
    """

    scale: float = 0.25
    rotation: float = 30.0
    rotation_probability: float = 0.6
    flip_probability: float = 0.5
    translation: float = 0.0


EASY_VIEW = ViewStrength()
HARD_VIEW = ViewStrength(rotation_probability=0.8, flip_probability=0.0)


@dataclass(frozen=True)
class ViewDraw:
    """Scale factors (N,) and rotations (N,) in degrees, both float64, and mirroring (N,) bool.

    `shift` is (N, 2) float64: how far people are moved right and down, as shares of the crop's
    sides; None is not at all.
    """

    scale: Tensor
    rotation: Tensor
    flip: Tensor
    shift: Tensor | None = None


def draw_views(count: int, strength: ViewStrength, *, generator: torch.Generator) -> ViewDraw:
    """Return independent random views; for one strength the generator advances by the same amount.

    Only views that are shifted draw how far.
    """
    normals = torch.randn(2, count, dtype=torch.float64, generator=generator)
    uniforms = torch.rand(2, count, dtype=torch.float64, generator=generator)
    views = views_from_draws(normals[0], uniforms[0], normals[1], uniforms[1], strength)
    if not strength.translation:
        return views
    shift = strength.translation * torch.randn(count, 2, dtype=torch.float64, generator=generator)
    limit = largest_shift(strength)
    return replace(views, shift=shift.clamp(-limit, limit))


def largest_shift(strength: ViewStrength) -> float:
    """Return how far views move people at most, as a share of each side of the crop."""
    return 2 * strength.translation


def views_from_draws(
    z_scale: Tensor,
    u_rotate: Tensor,
    z_rotation: Tensor,
    u_flip: Tensor | None = None,
    strength: ViewStrength = HARD_VIEW,
) -> ViewDraw:
    """Return views from standard normals z and uniforms u, all (N,); unused normals may be NaN."""
    scale = (1 + strength.scale * z_scale).clamp(1 - strength.scale, 1 + strength.scale)
    limit = 2 * strength.rotation
    rotated = u_rotate <= strength.rotation_probability
    rotation = torch.where(rotated, (strength.rotation * z_rotation).clamp(-limit, limit), 0.0)
    flip = torch.zeros_like(rotated) if u_flip is None else u_flip < strength.flip_probability
    return ViewDraw(scale=scale, rotation=rotation, flip=flip)


def plain_views(count: int) -> ViewDraw:
    """Return views that change nothing."""
    return zoomed_views(count, 1)


def zoomed_views(count: int, scale: float) -> ViewDraw:
    """Return views that only zoom, by `scale` pixels of the crop per pixel."""
    return ViewDraw(
        scale=torch.full((count,), scale, dtype=torch.float64),
        rotation=torch.zeros(count, dtype=torch.float64),
        flip=torch.zeros(count, dtype=torch.bool),
    )


def region_to_crop(views: ViewDraw, region_size: int, crop_size: tuple[int, int]) -> Tensor:
    """Return matrices (N, 2, 3) float64 from a stored region to the crop that a view shows.

    A stored region is a square at crop resolution with the same centre as the crop. The view
    mirrors, zooms and rotates about this centre, as the published crop matrix does on the frame,
    and then shifts: crop = R F (p - centre) / scale + (width/2, height/2) + shift (width, height).
    """
    angle = torch.deg2rad(views.rotation)
    cos, sin = torch.cos(angle) / views.scale, torch.sin(angle) / views.scale
    mirror = torch.where(views.flip, -1.0, 1.0).to(cos.dtype)
    linear = torch.stack(
        [torch.stack([cos * mirror, sin], -1), torch.stack([-sin * mirror, cos], -1)], -2
    )
    sides = torch.tensor(crop_size, dtype=torch.float64, device=cos.device)
    middle = sides / 2 if views.shift is None else sides / 2 + views.shift * sides
    centre = torch.full((2,), region_size / 2, dtype=torch.float64, device=cos.device)
    return torch.cat([linear, (middle - linear @ centre)[:, :, None]], dim=2)
