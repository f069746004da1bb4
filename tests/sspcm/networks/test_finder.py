import numpy as np
import pytest
import torch

from sspcm.networks.finder import (
    STRIDE,
    FinderNet,
    boxes_of_maps,
    finder_losses,
    finder_targets,
)

BOXES = np.array([[40.0, 50.0, 20.0, 60.0, 30.0], [101.3, 33.7, 50.0, 25.0, -150.0]])


def maps_of(target: np.ndarray) -> torch.Tensor:
    """Maps that tell exactly what the target tells."""
    maps = torch.from_numpy(target.copy())[None]
    maps[:, 0] = torch.logit(maps[:, 0].clamp(1e-4, 1 - 1e-4))
    return maps


def test_targets_are_read_back() -> None:
    found = boxes_of_maps(maps_of(finder_targets(BOXES, (18, 12))), threshold=0.5)[0]
    assert found[:, 5].min() > 0.99
    order = np.argsort(found[:, 0])
    np.testing.assert_allclose(found[order, :5], BOXES, rtol=1e-5)


def test_peak_is_in_the_cell_of_the_middle() -> None:
    target = finder_targets(BOXES[:1], (18, 12))
    assert np.unravel_index(target[0].argmax(), target[0].shape) == (6, 5)
    assert target[0].max() == 1
    assert finder_targets(np.zeros((0, 5)), (4, 4))[0].max() == 0


def test_losses_are_least_where_maps_are_right() -> None:
    target = torch.from_numpy(finder_targets(BOXES, (18, 12)))[None]
    right = finder_losses(maps_of(target[0].numpy()), target)
    assert all(float(right[name]) < 1e-5 for name in ("offset", "size", "direction"))
    wrong = maps_of(target[0].numpy()) + 0.5
    worse = finder_losses(wrong, target)
    assert all(float(worse[name]) > float(right[name]) for name in right)
    assert float(worse["size"]) == pytest.approx(1.0, rel=1e-4)


def test_frames_without_people_teach_emptiness() -> None:
    target = torch.from_numpy(finder_targets(np.zeros((0, 5)), (4, 4)))[None]
    losses = finder_losses(torch.zeros(1, 7, 4, 4), target)
    assert float(losses["centre"]) > 0
    assert float(losses["size"]) == 0


def test_best_come_first_and_not_too_many() -> None:
    maps = torch.full((1, 7, 8, 8), -5.0)
    maps[0, 0, ::2, ::2] = torch.arange(16.0).reshape(4, 4) / 4
    found = boxes_of_maps(maps, threshold=0.1, most=5)[0]
    assert len(found) == 5
    assert (np.diff(found[:, 5]) < 0).all()
    assert (boxes_of_maps(maps, threshold=0.99999)[0]).shape == (0, 6)


def test_network_keeps_its_frozen_stages() -> None:
    network = FinderNet(width=8, generator=torch.Generator().manual_seed(0))
    network.freeze(2)
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network(torch.rand(2, 3, 64, 64)).square().mean().backward()
    torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1).step()
    changed = {
        ".".join(name.split(".")[:3])
        for name, value in network.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert "backbone.blocks.4" not in changed
    assert "backbone.conv_stem.weight" not in changed
    assert "backbone.blocks.5" in changed
    assert STRIDE == 8
