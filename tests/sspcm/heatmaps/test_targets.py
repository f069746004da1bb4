import math

import pytest
import torch

from sspcm.heatmaps.targets import gaussian_targets, heatmap_mse


def one_joint(x, y, visibility=1.0):
    return gaussian_targets(torch.tensor([[[x, y]]]), torch.tensor([[visibility]]), (12, 16))


def test_peak_is_one_at_the_nearest_pixel_and_falls_off_as_a_gaussian():
    target, weight = one_joint(21.0, 30.0)
    assert weight.item() == 1
    assert target[0, 0, 8, 5] == 1
    assert target[0, 0, 8, 7].item() == pytest.approx(math.exp(-0.5))
    assert target[0, 0, 10, 7].item() == pytest.approx(math.exp(-1.0))


@pytest.mark.parametrize(
    ("x", "y", "weight"),
    [(-28, 10, 1.0), (-40, 10, 0.0), (76, 10, 0.0), (68, 10, 1.0), (10, 92, 0.0)],
    ids=["just left", "far left", "far right", "just right", "far below"],
)
def test_a_joint_whose_gaussian_misses_the_map_has_no_weight(x, y, weight):
    target, found = one_joint(float(x), float(y))
    assert found.item() == weight
    assert (target.max() > 0) == bool(weight)


def test_hidden_joints_have_an_empty_map():
    target, weight = one_joint(20.0, 20.0, visibility=0.0)
    assert target.abs().max() == 0
    assert weight.item() == 0


def test_an_exact_gaussian_is_centred_on_the_joint():
    target, weight = gaussian_targets(
        torch.tensor([[[21.0, 30.0]]]), torch.ones(1, 1), (12, 16), sigma=1.5, exact=True
    )
    x, y = torch.arange(12.0), torch.arange(16.0)
    distance = (x - 5.25).square() + (y[:, None] - 7.5).square()
    wanted = torch.exp(distance / (-2 * 1.5**2))
    near = ((x - 5.25).abs() <= 4.5) & ((y[:, None] - 7.5).abs() <= 4.5)
    assert weight.item() == 1
    assert torch.allclose(target[0, 0], wanted * near, atol=1e-6)


def test_exact_joints_keep_their_fractions_in_the_map():
    joints = 4 * (5 + 2 * torch.rand(1, 8, 2, generator=torch.Generator().manual_seed(0)))
    target, _ = gaussian_targets(joints, torch.ones(1, 8), (12, 12), sigma=1.5, exact=True)
    total = target.sum(dim=(2, 3))
    across = (target.sum(dim=2) * torch.arange(12.0)).sum(dim=2) / total
    assert torch.allclose(4 * across, joints[..., 0], atol=0.15)


def test_two_by_two_maps_by_hand():
    predicted = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]], [[0.0, 2.0], [0.0, 0.0]]]])
    target = torch.zeros_like(predicted)
    # Joint 1: mean of squares 1/4, joint 2: 4/4; half of each, mean over two joints.
    assert heatmap_mse(predicted, target, torch.ones(1, 2)).item() == pytest.approx(0.3125)


def test_a_masked_joint_still_counts_in_the_mean_and_weights_act_squared():
    predicted, target = torch.ones(1, 2, 3, 3), torch.zeros(1, 2, 3, 3)
    assert heatmap_mse(predicted, target, torch.tensor([[1.0, 0.0]])).item() == pytest.approx(0.25)
    assert heatmap_mse(predicted, target, torch.tensor([[0.5, 0.5]])).item() == pytest.approx(0.125)
