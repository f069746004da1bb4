import pytest
import torch

from sspcm.heatmaps.losses import heatmap_mse


def test_two_by_two_maps_by_hand():
    predicted = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]], [[0.0, 2.0], [0.0, 0.0]]]])
    target = torch.zeros_like(predicted)
    # Joint 1: mean of squares 1/4, joint 2: 4/4; half of each, mean over two joints.
    assert heatmap_mse(predicted, target, torch.ones(1, 2)).item() == pytest.approx(0.3125)


def test_a_masked_joint_still_counts_in_the_mean_and_weights_act_squared():
    predicted, target = torch.ones(1, 2, 3, 3), torch.zeros(1, 2, 3, 3)
    assert heatmap_mse(predicted, target, torch.tensor([[1.0, 0.0]])).item() == pytest.approx(0.25)
    assert heatmap_mse(predicted, target, torch.tensor([[0.5, 0.5]])).item() == pytest.approx(0.125)
