import math

import pytest
import torch

from sspcm.heatmaps.targets import gaussian_targets


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
