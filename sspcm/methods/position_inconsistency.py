"""Pseudo-labels of two teachers: which pair agrees best in position, and which joints to trust.

Huang et al., CVPR 2023 (SSPCM): the four pairs out of {A, A'} x {B, B'} are compared by the
distance of their argmax positions, joint by joint; the most consistent pair's mean map is the
pseudo-label of the student. A' and B' are the teachers of an earlier period.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sspcm.heatmaps.decoding import argmax_positions


@dataclass(frozen=True)
class ConsistentPair:
    """The most consistent of the four pairs.

    Attributes:
        heatmaps: (N, J, H, W) mean of the chosen pair's maps.
        index: (N, J) which pair: 0 (A, B), 1 (A', B), 2 (A, B'), 3 (A', B').
        distance: (4, N, J) position inconsistency of every pair in heatmap pixels.
    """

    heatmaps: Tensor
    index: Tensor
    distance: Tensor


def most_consistent_pair(a: Tensor, b: Tensor, a_past: Tensor, b_past: Tensor) -> ConsistentPair:
    """Return the pair of maps with the smallest position inconsistency, for every person and joint.

    Ties go to the first pair in the order (A, B), (A', B), (A, B'), (A', B').

    Args:
        a: (N, J, H, W) maps of teacher A; b of B; a_past, b_past of A' and B'.
    """
    first, second = torch.stack([a, a_past]), torch.stack([b, b_past])
    count, people, joints = 2, a.shape[0], a.shape[1]
    positions = [
        argmax_positions(maps.flatten(0, 1))[0].view(count, people, joints, 2)
        for maps in (first, second)
    ]
    # Row order (A,B), (A',B), (A,B'), (A',B'): the first teacher changes fastest.
    difference = positions[0][None] - positions[1][:, None]
    distance = difference.float().square().sum(dim=-1).sqrt().flatten(0, 1)
    index = distance.argmin(dim=0)
    of_first, of_second = index % 2, index // 2
    chosen = 0.5 * (
        torch.where((of_first == 0)[..., None, None], a, a_past)
        + torch.where((of_second == 0)[..., None, None], b, b_past)
    )
    return ConsistentPair(heatmaps=chosen, index=index, distance=distance)


def score_mask(a: Tensor, b: Tensor, *, threshold: float) -> Tensor:
    """Return which joints (N, J) have a mean peak (max A + max B) / 2 above the threshold."""
    return (_peak(a) + _peak(b)) / 2 > threshold


def score_agreement(a: Tensor, b: Tensor) -> Tensor:
    """Return the agreement (N, J) of the two peak heights: clip(1 - |max A - max B|, 0, 1)."""
    return (1 - (_peak(a) - _peak(b)).abs()).clamp(0, 1)


def position_mask(a: Tensor, b: Tensor, *, threshold: float) -> Tensor:
    """Return which joints (N, J) have a position inconsistency below that share of the diagonal."""
    distance, diagonal = _clipped_distance(a, b)
    return distance / diagonal < threshold


def position_agreement(a: Tensor, b: Tensor) -> Tensor:
    """Return the agreement (N, J) in position: (D - d) / D; D is the diagonal, d cut to D - 1."""
    distance, diagonal = _clipped_distance(a, b)
    return (diagonal - distance) / diagonal


def _peak(heatmaps: Tensor) -> Tensor:
    return heatmaps.flatten(2).amax(dim=2)


def _clipped_distance(a: Tensor, b: Tensor) -> tuple[Tensor, float]:
    diagonal = float(a.shape[2] ** 2 + a.shape[3] ** 2) ** 0.5
    difference = (argmax_positions(a)[0] - argmax_positions(b)[0]).float()
    distance = difference.square().sum(dim=-1).sqrt()
    return distance.clamp(max=diagonal - 1), diagonal
