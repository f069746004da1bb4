import numpy as np
import pytest

from sspcm.heatmaps.targets import gaussian_targets


@pytest.fixture(scope="module")
def targets(recording):
    return recording("f02_target.npz")


def settings(targets) -> list[str]:
    return [name.removeprefix("target_") for name in targets.names if name.startswith("target_")]


def test_targets_and_weights_are_the_recorded_ones(targets):
    assert settings(targets)
    for setting in settings(targets):
        expected = targets[f"target_{setting}"]
        sigma = float(setting.rsplit("_s", 1)[1])
        target, weight = gaussian_targets(
            targets(f"joints_{setting}")[..., :2],
            targets(f"vis_{setting}")[..., 0],
            (expected.shape[3], expected.shape[2]),
            sigma=sigma,
        )
        assert np.abs(target.numpy() - expected).max() <= 1e-7
        assert np.abs(weight.numpy() - targets[f"weight_{setting}"][..., 0]).max() <= 1e-7
