import numpy as np
import pytest

from sspcm.methods.position_inconsistency import (
    most_consistent_pair,
    position_agreement,
    position_mask,
    score_agreement,
    score_mask,
)


@pytest.fixture(scope="module")
def ensemble(recording):
    return recording("f06_ensemble.npz")


def test_the_most_consistent_pair_is_the_recorded_one(ensemble):
    maps = [ensemble(name) for name in ("A", "B", "A_prev", "B_prev")]
    pair = most_consistent_pair(*maps)
    np.testing.assert_array_equal(pair.index.numpy(), ensemble["pair_index"])
    np.testing.assert_allclose(pair.distance.numpy(), ensemble["pair_distance"], rtol=1e-6)
    np.testing.assert_allclose(pair.heatmaps.numpy(), ensemble["ensemble"], atol=1e-7)


@pytest.mark.parametrize("thresholds", ["default", "alt"])
def test_masks_and_agreements_are_the_recorded_ones(ensemble, thresholds):
    a, b = ensemble("A"), ensemble("B")
    score_threshold = float(ensemble[f"score_threshold_{thresholds}"])
    position_threshold = float(ensemble[f"kp_dist_threshold_{thresholds}"])

    def recorded(name: str) -> np.ndarray:
        return ensemble[f"{name}_{thresholds}"][..., 0]

    np.testing.assert_array_equal(
        score_mask(a, b, threshold=score_threshold).numpy(), recorded("score_mask")
    )
    np.testing.assert_array_equal(
        position_mask(a, b, threshold=position_threshold).numpy(), recorded("kp_dist_mask")
    )
    np.testing.assert_allclose(score_agreement(a, b).numpy(), recorded("score_diff_k"), atol=1e-6)
    np.testing.assert_allclose(
        position_agreement(a, b).numpy(), recorded("kp_dist_uncertainty_k"), atol=1e-6
    )
