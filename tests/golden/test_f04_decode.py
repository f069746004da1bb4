"""Heatmap decoding against the recorded reference."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sspcm.heatmaps.decoding import Decoding, argmax_positions, blur_heatmaps, decode

PIXELS = 1e-3


@pytest.fixture(scope="module")
def recorded(golden_dir: Path) -> dict[str, np.ndarray]:
    with np.load(golden_dir / "f04_decode.npz") as content:
        return dict(content)


def test_maxima(recorded: dict[str, np.ndarray]) -> None:
    heatmaps = torch.tensor(recorded["heatmaps"])
    positions, maxima = argmax_positions(heatmaps)
    np.testing.assert_array_equal(positions.numpy(), recorded["max_preds_tensor"])
    np.testing.assert_array_equal(maxima.numpy(), recorded["max_vals_tensor"])
    positions, maxima = argmax_positions(heatmaps, masked=True)
    np.testing.assert_array_equal(positions.numpy(), recorded["max_preds"])
    np.testing.assert_array_equal(maxima.numpy()[..., None], recorded["max_vals"])


@pytest.mark.parametrize("method", ["none", "shift", "dark"])
def test_coordinates(recorded: dict[str, np.ndarray], method: Decoding) -> None:
    heatmaps = torch.tensor(recorded["heatmaps"])
    crops = {name: recorded[name] for name in ("center", "scale")}
    keypoints = decode(heatmaps, **crops, rotation=recorded["rot_deg"], method=method)
    np.testing.assert_allclose(keypoints[..., :2], recorded[f"preds_{method}"], atol=PIXELS)
    np.testing.assert_array_equal(keypoints[..., 2:], recorded[f"vals_{method}"])
    np.testing.assert_array_equal(heatmaps.numpy(), recorded["heatmaps"])


def test_blur(recorded: dict[str, np.ndarray]) -> None:
    expected = recorded["blurred"]
    heatmaps = torch.tensor(recorded["heatmaps"][: expected.shape[0], : expected.shape[1]])
    # The reference divides by the maximum of an empty map; ours has no NaN.
    with_peak = heatmaps.amax(dim=(2, 3)).numpy() > 0
    blurred = blur_heatmaps(heatmaps).numpy()
    assert np.isfinite(blurred).all()
    np.testing.assert_allclose(blurred[with_peak], expected[with_peak], atol=1e-6)
