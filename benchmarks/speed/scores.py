"""Speed of decoding and scoring: batched, against a loop over people and joints."""

from __future__ import annotations

from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.speed.timing import interleaved, ratio
from sspcm.heatmaps.decoding import decode
from wepdtof_pose.geometry import crop_matrices, invert_affine
from wepdtof_pose.keypoints import get_keypoint_set
from wepdtof_pose.scores.oks import joint_similarity

HEATMAP = (48, 64)


def measure_scores(people: int, *, repeats: int) -> dict[str, Any]:
    """Time the decoding of heatmaps (people, 14, 64, 48) and the OKS of the poses, ours and looped.

    The loop handles one person and joint at a time, like the released evaluation. Both must give
    the same numbers.

    Args:
        people: number of poses.
        repeats: repetitions.
    """
    generator = torch.Generator().manual_seed(0)
    joints = get_keypoint_set("wepdtof-pose-14")
    maps = torch.rand(people, len(joints), HEATMAP[1], HEATMAP[0], generator=generator)
    random = np.random.default_rng(0)
    center = random.uniform(100, 500, (people, 2)).astype(np.float32)
    scale = np.tile(np.array([0.72, 0.96], np.float32), (people, 1))
    truth = center[:, None] + random.normal(0, 30, (people, len(joints), 2))
    area = 0.53 * np.prod(scale * 200 / 1.25, axis=1)
    sigmas = joints.require_sigmas()

    def ours() -> np.ndarray:
        poses = decode(maps, center, scale)
        squared = ((poses[..., :2] - truth) ** 2).sum(axis=-1)
        return joint_similarity(squared, area, sigmas).mean(axis=1)

    def looped() -> np.ndarray:
        return np.array(
            [
                _similarity(maps[k].numpy(), center[k], scale[k], truth[k], area[k], sigmas)
                for k in range(people)
            ]
        )

    np.testing.assert_allclose(ours(), looped(), rtol=1e-3, atol=1e-4)
    seconds = interleaved({"ours": ours, "looped": looped}, repeats)
    return {
        "people": people,
        "people_per_second": {name: people / median(values) for name, values in seconds.items()},
        "looped_over_ours": ratio(seconds["looped"], seconds["ours"]),
    }


def _similarity(
    maps: np.ndarray,
    center: np.ndarray,
    scale: np.ndarray,
    truth: np.ndarray,
    area: float,
    sigmas: np.ndarray,
) -> float:
    """Return the mean keypoint similarity of one person."""
    back = invert_affine(crop_matrices(center[None], scale[None], np.zeros(1), HEATMAP))[0]
    total = 0.0
    for joint, heatmap in enumerate(maps):
        row, column = np.unravel_index(heatmap.argmax(), heatmap.shape)
        x, y = float(column), float(row)
        if 1 < column < heatmap.shape[1] - 1 and 1 < row < heatmap.shape[0] - 1:
            x += 0.25 * np.sign(heatmap[row, column + 1] - heatmap[row, column - 1])
            y += 0.25 * np.sign(heatmap[row + 1, column] - heatmap[row - 1, column])
        place = back[:, :2] @ np.array([x, y]) + back[:, 2]
        squared = float(((place - truth[joint]) ** 2).sum())
        total += np.exp(-squared / (2 * area * (2 * sigmas[joint]) ** 2))
    return total / len(maps)
