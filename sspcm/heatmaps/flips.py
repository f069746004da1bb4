"""Left/right flips of heatmaps, and the average of a flip test.

`permutation` is `KeypointSet.flip_permutation`: joint j of a mirrored person was joint
permutation[j] before.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch

from wepdtof_pose.errors import InputError

Alignment = Literal["pixel", "subpixel", "none"]

Permutation = np.ndarray | torch.Tensor


def flip_heatmaps(heatmaps: torch.Tensor, permutation: Permutation) -> torch.Tensor:
    """Return heatmaps (N, J, H, W) mirrored, with left and right joints exchanged."""
    return heatmaps[:, _index(permutation, heatmaps.device)].flip(3)


def shift_right(heatmaps: torch.Tensor) -> torch.Tensor:
    """Return heatmaps (N, J, H, W) moved one column to the right; the first column stays."""
    return torch.cat([heatmaps[..., :1], heatmaps[..., :-1]], dim=3)


def shift_right_by(heatmaps: torch.Tensor, pixels: float) -> torch.Tensor:
    """Return heatmaps (N, J, H, W) moved right by 0 to 1 pixels: linear, zero outside."""
    before = torch.cat([torch.zeros_like(heatmaps[..., :1]), heatmaps[..., :-1]], dim=3)
    return (1 - pixels) * heatmaps + pixels * before


def average_flipped(
    heatmaps: torch.Tensor,
    heatmaps_of_flipped: torch.Tensor,
    permutation: Permutation,
    *,
    align: Alignment = "pixel",
) -> torch.Tensor:
    """Return the mean (N, J, H, W) of heatmaps and of those of the mirror images, flipped back.

    Heatmap pixel i lies on crop pixel 4 i, so mirroring the crop and mirroring its heatmap back
    leaves peaks 3/4 of a heatmap pixel too far left. "pixel" moves them by a whole pixel (as
    published), "subpixel" by exactly 3/4, "none" not at all.

    Raises:
        InputError: unknown alignment.
    """
    back = flip_heatmaps(heatmaps_of_flipped, permutation)
    if align == "pixel":
        back = shift_right(back)
    elif align == "subpixel":
        back = shift_right_by(back, 0.75)
    elif align != "none":
        raise InputError(f"unknown alignment {align!r}: choose one of {get_args(Alignment)}")
    return (heatmaps + back) * 0.5


def _index(permutation: Permutation, device: torch.device) -> torch.Tensor:
    return torch.as_tensor(permutation, dtype=torch.int64, device=device)
