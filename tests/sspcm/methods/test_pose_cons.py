import copy

import pytest
import torch

from sspcm.heatmaps.targets import heatmap_mse
from sspcm.methods.pose_cons import PoseCons
from wepdtof_pose.errors import InputError


def build(setting, **options):
    return PoseCons(setting, PoseCons.Options(**options)).train()


@pytest.mark.parametrize(("mode", "updates"), [("train", 3), ("eval", 2)])
def test_passes_are_those_of_the_table(make_setting, make_batch, watch, mode, updates):
    method = build(make_setting(), teacher_mode=mode)
    passes = watch(method.network)
    batch = make_batch()
    method(batch)
    assert [(training, gradient) for _, training, gradient in passes] == [
        (True, True),
        (mode == "train", False),
        (True, True),
    ]
    assert torch.equal(passes[0][0], batch.labelled)
    assert torch.equal(passes[1][0], batch.unlabelled)
    assert int(method.network[1].num_batches_tracked) == updates
    assert method.network.training


def test_the_easy_view_teaches_the_hard_one_and_gets_no_gradient(
    make_setting, make_batch, gradients
):
    method = build(make_setting(still=True))
    before, batch = copy.deepcopy(method.network), make_batch()
    draw = method.draw(4, batch.generator)
    found = gradients(method.losses(batch, draw)["consistency"], method.network)
    easy = before(batch.unlabelled).detach()
    # With no warp the hard view is the easy one with patches blanked at peaks of the easy map.
    passes = []
    again = copy.deepcopy(before)
    hook = method.network.register_forward_pre_hook(lambda _, a: passes.append(a[0]))
    method.losses(batch, draw)
    hook.remove()
    loss = heatmap_mse(again(passes[2]), easy, batch.unlabelled_weight)
    for value, expected in zip(found, gradients(loss, again), strict=True):
        torch.testing.assert_close(value, expected)
    assert (passes[2] == 0).any()


def test_a_hard_view_that_is_the_easy_one_has_nothing_to_teach(make_setting, make_batch):
    method = build(make_setting(still=True), augmentation="affine")
    losses = method(make_batch())
    assert losses["consistency"].item() == pytest.approx(0, abs=1e-10)
    assert losses["supervised"].item() > 0


@pytest.mark.parametrize("released", [False, True], ids=["corrected", "released"])
@pytest.mark.parametrize("augmentation", ["affine", "joint_cutout", "rand_augment"])
def test_every_variant_learns(make_setting, make_batch, augmentation, released):
    method = build(make_setting(released=released), augmentation=augmentation)
    losses = method(make_batch())
    losses["consistency"].backward()
    assert losses["consistency"].item() > 0
    assert any(p.grad.abs().sum() > 0 for p in method.parameters())


def test_affine_ignores_the_options_of_the_others(make_setting, make_batch):
    def loss(**options):
        return build(make_setting(), augmentation="affine", **options)(make_batch())["consistency"]

    assert torch.equal(loss(), loss(joints=1, operations=3, magnitude=3))


def test_joint_cutout_draws_only_joints_that_the_labelled_set_has(make_setting):
    known = torch.tensor([2])
    for released, expected in ((False, {2}), (True, {0, 1, 2})):
        method = build(make_setting(labelled_joints=known, released=released))
        ((patches,),) = method.draw(50, torch.Generator().manual_seed(0)).operations
        assert set(patches.joint.unique().tolist()) == expected


def test_joints_without_weight_teach_nothing(make_setting, make_batch):
    method = build(make_setting())
    assert method(make_batch(unlabelled_weight=torch.zeros(4, 3)))["consistency"] == 0


def test_rand_augment_changes_the_hard_view_only(make_setting, make_batch, watch):
    plain, varied = (
        build(make_setting(still=True), augmentation=name) for name in ("affine", "rand_augment")
    )
    seen = [watch(method.network) for method in (plain, varied)]
    batch = make_batch()
    for method in (plain, varied):
        method(make_batch())
    assert torch.equal(seen[0][1][0], seen[1][1][0])
    torch.testing.assert_close(seen[0][2][0], batch.unlabelled, atol=1e-5, rtol=1e-5)
    assert (seen[1][2][0] - batch.unlabelled).abs().mean() > 0.1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"augmentation": "cutout"}, "augmentation"),
        ({"joints": 0}, "joints"),
        ({"operations": 0}, "operations"),
        ({"magnitude": 31}, "magnitude"),
        ({"teacher_mode": "ema"}, "teacher_mode"),
    ],
)
def test_bad_options_are_refused(options, named):
    with pytest.raises(InputError, match=f"method.options.*{named}"):
        PoseCons.Options(**options)
