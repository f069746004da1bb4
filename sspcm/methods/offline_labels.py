"""Pseudo-labels made once, off line: a trained network labels every unlabelled person.

Coordinates, not maps, are kept: of COCO's 150,000 people they fill some 40 MB, and from them the
target of any view can be drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from sspcm.augment.views import ViewDraw
from sspcm.data.batches import Pool, PoolView, view_joints
from sspcm.heatmaps.affine import compose, heatmap_matrices, invert, transform_points, warp
from sspcm.heatmaps.decoding import argmax_positions, shift_positions
from sspcm.heatmaps.targets import HEATMAP_STRIDE, gaussian_targets


@dataclass(frozen=True)
class Transform:
    """A view to predict in: mirrored, zoomed out by `scale`, turned by `rotation` degrees."""

    flip: bool = False
    scale: float = 1.0
    rotation: float = 0.0


UPRIGHT = Transform()


@dataclass(frozen=True)
class OfflineLabels:
    """Pseudo-labels of the training people, on the CPU; those that are not in the pool score 0.

    Attributes:
        joints: (people, J, 2) float32 x, y in stored pixels.
        scores: (people, J) float32 height of the map's peak.
    """

    joints: Tensor
    scores: Tensor


@torch.no_grad()
def label_pool(
    network: nn.Module,
    pool: Pool,
    *,
    transforms: Sequence[Transform],
    flip_permutation: Tensor,
) -> OfflineLabels:
    """Return the network's labels of every person of the pool.

    Args:
        network: images to maps; it is used in the mode it is in, which should be evaluation.
        pool: the people.
        transforms: maps are averaged over these views; the first must be `UPRIGHT`.
        flip_permutation: (J,) joint order of a mirrored person.
    """
    shape = (pool.people, len(flip_permutation))
    joints, scores = torch.zeros(*shape, 2), torch.zeros(shape)
    starts = range(0, len(pool.rows), pool.batch_size)
    for start in tqdm(starts, desc="pseudo-labels", leave=False, disable=None):
        rows = pool.rows[start : start + pool.batch_size]
        maps, upright = averaged_maps(network, pool, rows, transforms, flip_permutation)
        positions, maxima = argmax_positions(maps)
        in_crop = shift_positions(maps, positions).cpu().double() * HEATMAP_STRIDE
        joints[rows] = transform_points(in_crop, invert(upright)).float()
        scores[rows] = maxima.cpu()
    return OfflineLabels(joints, scores)


def averaged_maps(
    network: nn.Module,
    pool: Pool,
    rows: np.ndarray,
    transforms: Sequence[Transform],
    flip_permutation: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return maps (N, J, h, w) of upright crops, the mean over views, and crop matrices (N, 2, 3).

    The maps of each view are warped back into the upright crop; where a view does not show a part
    of the crop, the mean is over those that do (Radosavovic et al., CVPR 2018).
    """
    assert transforms[0] == UPRIGHT
    total, count, upright = torch.zeros(()), torch.zeros(()), torch.zeros(())
    for number, transform in enumerate(transforms):
        images, matrices = pool.views(rows, _same_view(transform, len(rows)))
        maps = network(images).float()
        if number == 0:
            total, count, upright = maps, torch.ones_like(maps[:, :1]), matrices
            continue
        if transform.flip:
            maps = maps[:, flip_permutation.to(maps.device)]
        to_view = heatmap_matrices(compose(matrices, invert(upright)))
        size = (maps.shape[3], maps.shape[2])
        shown = torch.cat([maps, torch.ones_like(maps[:, :1])], dim=1)
        shown = warp(shown, to_view.to(maps.device, non_blocking=True), size)
        total, count = total + shown[:, :-1], count + shown[:, -1:]
    return total / count, upright


def offline_targets(
    labels: OfflineLabels,
    view: PoolView,
    *,
    score_threshold: float,
    flip_permutation: Tensor,
    heatmap_size: tuple[int, int],
    sigma: float,
    exact: bool,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Return the target maps (N, J, h, w) and weights (N, J) of pseudo-labels in easy views.

    Args:
        labels: of all training people.
        view: which people, and the views.
        score_threshold: joints that do not score above it have weight 0.
        flip_permutation: (J,) joint order of a mirrored person.
        heatmap_size: (width, height) in heatmap pixels.
        sigma: standard deviation of the Gaussians in heatmap pixels.
        exact: centre them on the joints, not on the nearest pixels.
        device: where the maps are drawn.
    """
    joints, kept = view_joints(
        labels.joints[view.rows],
        (labels.scores[view.rows] > score_threshold).float(),
        view.matrices,
        view.flip,
        flip_permutation,
    )
    return gaussian_targets(
        joints.to(device, non_blocking=True),
        kept.to(device, non_blocking=True),
        heatmap_size,
        sigma=sigma,
        exact=exact,
    )


def _same_view(transform: Transform, people: int) -> ViewDraw:
    return ViewDraw(
        scale=torch.full((people,), transform.scale, dtype=torch.float64),
        rotation=torch.full((people,), transform.rotation, dtype=torch.float64),
        flip=torch.full((people,), transform.flip),
    )
