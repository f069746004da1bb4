import copy

import pytest
import torch

from sspcm.heatmaps.targets import heatmap_mse
from sspcm.methods.method import teacher_maps
from sspcm.methods.pose_dual import PoseDual
from sspcm.methods.sspcm import Sspcm
from wepdtof_pose.errors import InputError


def build(setting, **options):
    return Sspcm(setting, Sspcm.Options(**options)).train()


@pytest.mark.parametrize(("mode", "updates"), [("train", 3), ("eval", 2)])
def test_passes_are_those_of_the_table(make_setting, make_batch, watch, mode, updates):
    method = build(make_setting(), teacher_mode=mode)
    method.end_epoch()
    networks = (method.teacher_a, method.teacher_b, method.student, method.past_a, method.past_b)
    seen = [watch(network) for network in networks]
    method(make_batch())
    easy = (mode == "train", False)
    for passes in seen[:2]:
        assert [tuple(p[1:]) for p in passes] == [(True, True), easy, (True, True)]
    assert [tuple(p[1:]) for p in seen[2]] == [(True, True)] * 2
    for passes in seen[3:]:
        assert [tuple(p[1:]) for p in passes] == [easy]
    counts = [int(network[1].num_batches_tracked) for network in networks]
    assert counts == [updates, updates, 2, *[1 if mode == "train" else 0] * 2]


def test_the_past_is_that_of_the_epoch_before(make_setting, make_batch):
    method = build(make_setting())
    start = copy.deepcopy(method.teacher_a.state_dict())
    optimiser = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.1)
    sum(method(make_batch()).values()).backward()
    optimiser.step()
    assert all(torch.equal(v, start[k]) for k, v in method.past_a.state_dict().items())
    assert not torch.equal(method.teacher_a[0].weight, start["0.weight"])
    method.end_epoch()
    now = method.teacher_a.state_dict()
    assert all(torch.equal(v, now[k]) for k, v in method.past_a.state_dict().items())


@pytest.mark.parametrize(
    ("options", "epochs", "corrected"),
    [
        ({}, 0, False),
        ({}, 1, True),
        ({"warmup_epochs": 2}, 2, False),
        ({"warmup_epochs": 2}, 3, True),
        ({"time_correction": False}, 5, False),
    ],
)
def test_time_correction_starts_when_there_is_a_past(
    make_setting, make_batch, options, epochs, corrected
):
    method = build(make_setting(), **options)
    for _ in range(epochs):
        method.end_epoch()
    method(make_batch())
    assert ("inconsistency" in method.statistics) == corrected


def test_teachers_learn_from_one_another_and_the_student_from_their_mean(
    make_setting, make_batch, gradients
):
    options = {"patches": 0, "score_filter": False, "time_correction": False}
    method = build(make_setting(still=True), **options)
    a, b, c = (copy.deepcopy(n) for n in (method.teacher_a, method.teacher_b, method.student))
    batch = make_batch()
    x_u, w_u = batch.unlabelled, batch.unlabelled_weight
    consistency = method(batch)["consistency"]
    with torch.no_grad():
        t_a, t_b = copy.deepcopy(a)(x_u), copy.deepcopy(b)(x_u)
    for network, pupil, target in (
        (method.teacher_a, a, t_b),
        (method.teacher_b, b, t_a),
        (method.student, c, (t_a + t_b) / 2),
    ):
        expected = gradients(heatmap_mse(pupil(x_u), target, w_u), pupil)
        for found, wanted in zip(gradients(consistency, network), expected, strict=True):
            torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-4)


def test_its_teachers_are_those_of_pose_dual(make_setting, make_batch, gradients):
    setting = make_setting(still=True)
    ours = build(setting, patches=0, score_filter=False)
    dual = PoseDual(setting, PoseDual.Options(augmentation="affine")).train()
    losses = ours(make_batch()), dual(make_batch())
    for name in ("supervised", "consistency"):
        for found, expected in zip(
            gradients(losses[0][name], ours.teacher_a),
            gradients(losses[1][name], dual.network_a),
            strict=True,
        ):
            torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)


def test_joints_below_the_score_threshold_teach_nobody(make_setting, make_batch):
    assert build(make_setting(), score_threshold=1e6)(make_batch())["consistency"] == 0


def test_without_patches_the_hard_view_is_the_warp_alone(make_setting):
    draw = build(make_setting(), patches=0).draw(4, torch.Generator().manual_seed(0))
    assert draw.operations == ((), (), ())


def test_teachers_maps_are_float32_under_autocast(make_setting, make_batch):
    method = build(make_setting())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (maps,) = teacher_maps([method.student], make_batch().unlabelled, mode="train")
    assert maps.dtype is torch.float32


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"teacher_mode": "ema"}, "teacher_mode"),
        ({"either_filter": True}, "position_threshold"),
        ({"patches": -1}, "patches"),
        ({"warmup_epochs": -1}, "warmup_epochs"),
    ],
)
def test_bad_options_are_refused(options, named):
    with pytest.raises(InputError, match=f"method.options.*{named}"):
        Sspcm.Options(**options)
