import copy

import pytest
import torch

from sspcm.heatmaps.targets import heatmap_mse
from sspcm.methods.pose_dual import PoseDual


def build(setting, **options):
    return PoseDual(setting, PoseDual.Options(**options)).train()


@pytest.mark.parametrize(("mode", "updates"), [("train", 3), ("eval", 2)])
def test_passes_are_those_of_the_table(make_setting, make_batch, watch, mode, updates):
    method = build(make_setting(), teacher_mode=mode)
    networks = (method.network_a, method.network_b)
    seen = [watch(network) for network in networks]
    method(make_batch())
    for network, passes in zip(networks, seen, strict=True):
        assert [(training, gradient) for _, training, gradient in passes] == [
            (True, True),
            (mode == "train", False),
            (True, True),
        ]
        assert int(network[1].num_batches_tracked) == updates


def test_each_network_learns_from_the_other_alone(make_setting, make_batch, gradients):
    method = build(make_setting(still=True), augmentation="affine")
    a, b = copy.deepcopy(method.network_a), copy.deepcopy(method.network_b)
    batch = make_batch()
    losses = method(batch)
    x_u, w_u = batch.unlabelled, batch.unlabelled_weight
    for network, pupil, teacher in ((method.network_a, a, b), (method.network_b, b, a)):
        expected = heatmap_mse(pupil(x_u), teacher(x_u).detach(), w_u)
        for found, wanted in zip(
            gradients(losses["consistency"], network), gradients(expected, pupil), strict=True
        ):
            torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-4)
    both = [
        heatmap_mse(network(batch.labelled), batch.target, batch.target_weight)
        for network in (a, b)
    ]
    assert losses["supervised"].item() == pytest.approx(0.5 * sum(both).item(), rel=1e-6)


def test_occluded_joints_are_those_of_the_teacher(make_setting, make_batch, spot, watch):
    places = {"A": (2, 3), "B": (6, 12)}
    method = build(make_setting(lambda role: spot(*places[role]), still=True), joints=1)
    seen = {"A": watch(method.network_a), "B": watch(method.network_b)}
    batch = make_batch(unlabelled=torch.ones(4, 3, 64, 32))
    draw = method.draw(4, batch.generator)
    for (patches,) in draw.operations:
        patches.jitter.zero_()
        patches.half_size.fill_(3)
    method.losses(batch, draw)
    for pupil, (column, row) in (("A", places["B"]), ("B", places["A"])):
        expected = torch.ones(64, 32)
        expected[4 * row - 3 : 4 * row + 3, 4 * column - 3 : 4 * column + 3] = 0
        hard = seen[pupil][2][0]
        torch.testing.assert_close(hard, expected.expand_as(hard), atol=1e-4, rtol=0)


def test_operations_are_drawn_for_each_network_and_the_warp_once(make_setting):
    method = build(make_setting())
    draw = method.draw(4, torch.Generator().manual_seed(0))
    (of_a,), (of_b,) = draw.operations
    assert not torch.equal(of_a.jitter, of_b.jitter)
    assert draw.view.scale.shape == (4,)


@pytest.mark.parametrize("released", [False, True])
def test_released_rand_augment_makes_one_image_for_both(make_setting, released):
    method = build(make_setting(released=released), augmentation="rand_augment")
    (of_a,), (of_b,) = method.draw(64, torch.Generator().manual_seed(0)).operations
    assert torch.equal(of_a.operation, of_b.operation) == released


@pytest.mark.parametrize("released", [False, True], ids=["corrected", "released"])
@pytest.mark.parametrize("augmentation", ["affine", "joint_cutout", "rand_augment"])
def test_every_variant_trains_both_networks(make_setting, make_batch, augmentation, released):
    method = build(make_setting(released=released), augmentation=augmentation)
    method(make_batch())["consistency"].backward()
    for network in (method.network_a, method.network_b):
        assert any(p.grad.abs().sum() > 0 for p in network.parameters())


def test_the_mean_map_is_scored_and_a_is_reported(make_setting, make_batch):
    method = build(make_setting()).eval()
    maps = method.heatmaps(make_batch().labelled)
    torch.testing.assert_close(maps["mean"], (maps["A"] + maps["B"]) / 2)
    assert method.reported in maps
    assert method.predictor() is method.network_a
