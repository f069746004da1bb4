"""Left/right flips against the recorded reference."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sspcm.data.batches import view_joints
from sspcm.heatmaps.flips import (
    average_flipped,
    flip_heatmaps,
    shift_right,
    shift_right_by,
)

TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def recorded(golden_dir: Path) -> dict[str, np.ndarray]:
    with np.load(golden_dir / "f03_flip.npz") as content:
        return dict(content)


@pytest.fixture(scope="module")
def permutation(recorded: dict[str, np.ndarray]) -> np.ndarray:
    order = np.arange(recorded["joints"].shape[1])
    for a, b in recorded["flip_pairs"]:
        order[a], order[b] = b, a
    return order


def test_keypoints(recorded: dict[str, np.ndarray], permutation: np.ndarray) -> None:
    people = len(recorded["joints"])
    mirrors = torch.tensor([[-1.0, 0, 0], [0, 1, 0]], dtype=torch.float64).repeat(people, 1, 1)
    mirrors[:, 0, 2] = torch.tensor(recorded["width"]) - 1
    joints, visibility = view_joints(
        torch.tensor(recorded["joints"][..., :2]),
        torch.tensor(recorded["vis"][..., 0]),
        mirrors,
        torch.ones(people, dtype=torch.bool),
        torch.from_numpy(permutation),
    )
    np.testing.assert_array_equal(visibility, recorded["vis_out"][..., 0])
    # The released code puts joints without a label at 0; here nobody reads them.
    labelled = visibility[..., None] > 0
    expected = recorded["joints_out"][..., :2]
    np.testing.assert_allclose(joints * labelled, expected, atol=TOLERANCE)


def test_heatmaps(recorded: dict[str, np.ndarray], permutation: np.ndarray) -> None:
    heatmaps = torch.tensor(recorded["heatmap"])
    of_flipped = torch.tensor(recorded["heatmap_of_flipped_image"])
    back = flip_heatmaps(of_flipped, permutation)
    np.testing.assert_array_equal(back.numpy(), recorded["flip_back"])
    np.testing.assert_array_equal(shift_right(back).numpy(), recorded["flip_back_shifted"])
    averaged = average_flipped(heatmaps, of_flipped, permutation)
    np.testing.assert_allclose(averaged.numpy(), recorded["averaged"], atol=TOLERANCE)


def test_subpixel_alignment(recorded: dict[str, np.ndarray], permutation: np.ndarray) -> None:
    back = flip_heatmaps(torch.tensor(recorded["heatmap_of_flipped_image"]), permutation)
    width = back.shape[3]
    for recording, pixels in (("False", 0.75), ("True", 0.75 * (width - 1) / width)):
        expected = recorded[f"flipped_subpixel_shift_align_{recording}"]
        np.testing.assert_allclose(
            shift_right_by(back, pixels).numpy(), expected, atol=1e-4, err_msg=recording
        )
