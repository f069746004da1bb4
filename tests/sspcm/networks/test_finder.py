import numpy as np
import pytest
import torch

from sspcm.networks.finder import (
    CHANNELS,
    LOSSES,
    STRIDE,
    FinderNet,
    boxes_of_maps,
    finder_losses,
    finder_targets,
)

BOXES = np.array([[40.0, 50.0, 20.0, 60.0, 30.0], [101.3, 33.7, 25.0, 50.0, -60.0]])


def maps_of(target: np.ndarray) -> torch.Tensor:
    """Maps that tell exactly what the target tells."""
    maps = torch.from_numpy(target[:CHANNELS].copy())[None]
    maps[:, 0] = torch.logit(maps[:, 0].clamp(1e-4, 1 - 1e-4))
    return maps


def test_targets_are_read_back() -> None:
    found = boxes_of_maps(maps_of(finder_targets(BOXES, (18, 12))), threshold=0.5)[0]
    assert found[:, 5].min() > 0.99
    order = np.argsort(found[:, 0])
    np.testing.assert_allclose(found[order, :5], BOXES, rtol=1e-5)


def test_a_peak_beside_the_middle_tells_of_the_same_box() -> None:
    target = finder_targets(BOXES[:1], (18, 12))
    target[0] = 0
    target[0, 7, 6] = 1
    found = boxes_of_maps(maps_of(target), threshold=0.5)[0]
    np.testing.assert_allclose(found[:, :5], BOXES[:1], rtol=1e-3)


def test_a_box_is_the_same_whichever_side_is_called_its_height() -> None:
    lying = BOXES[:1, [0, 1, 3, 2, 4]] + [0, 0, 0, 0, 90]
    one, other = (finder_targets(boxes, (18, 12)) for boxes in (BOXES[:1], lying))
    np.testing.assert_allclose(one, other, atol=1e-6)
    square = finder_targets(np.array([[40.0, 50.0, 30.0, 30.0, 77.0]]), (18, 12))
    assert np.abs(square[4:6]).max() == 0


def test_weights_of_each_box_have_the_sum_of_one() -> None:
    target = finder_targets(BOXES, (18, 12))
    x = np.arange(18)
    assert target[CHANNELS].sum() == pytest.approx(2)
    assert target[CHANNELS][:, x < 9].sum() == pytest.approx(1)


def test_of_two_people_the_nearer_has_a_cell() -> None:
    near = np.array([[40.0, 40.0, 20.0, 40.0, 0.0], [64.0, 40.0, 20.0, 30.0, 0.0]])
    target = finder_targets(near, (14, 10))
    roots = np.log(np.sqrt(near[:, 2] * near[:, 3]) / STRIDE)
    np.testing.assert_allclose(target[3, 5, [5, 6, 7, 8]], roots[[0, 0, 1, 1]], rtol=1e-5)


def test_peak_is_in_the_cell_of_the_middle() -> None:
    target = finder_targets(BOXES[:1], (18, 12))
    assert np.unravel_index(target[0].argmax(), target[0].shape) == (6, 5)
    assert target[0].max() == 1
    assert finder_targets(np.zeros((0, 5)), (4, 4))[0].max() == 0


def test_losses_are_least_where_maps_are_right() -> None:
    target = torch.from_numpy(finder_targets(BOXES, (18, 12)))[None]
    right = finder_losses(maps_of(target[0].numpy()), target)
    assert tuple(right) == LOSSES
    assert all(float(right[name]) < 1e-5 for name in ("way", "size", "stretch"))
    wrong = maps_of(target[0].numpy()) + 0.5
    worse = finder_losses(wrong, target)
    assert all(float(worse[name]) > float(right[name]) for name in right)
    # Half a cell both ways, over roots of 20 x 60 and 25 x 50 pixels; half a unit of the others.
    root = np.sqrt(BOXES[:, 2] * BOXES[:, 3]) / STRIDE
    assert float(worse["way"]) == pytest.approx(2 * (1 / root).mean(), rel=1e-4)
    assert float(worse["size"]) == pytest.approx(1.0, rel=1e-4)
    assert float(worse["stretch"]) == pytest.approx(1.0, rel=1e-4)


def test_frames_without_people_teach_emptiness() -> None:
    target = torch.from_numpy(finder_targets(np.zeros((0, 5)), (4, 4)))[None]
    losses = finder_losses(torch.zeros(1, 6, 4, 4), target)
    assert float(losses["centre"]) > 0
    assert float(losses["size"]) == 0


def test_best_come_first_and_not_too_many() -> None:
    maps = torch.full((1, 6, 8, 8), -5.0)
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
