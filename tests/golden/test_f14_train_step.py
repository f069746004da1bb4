"""Whole optimisation steps with recorded draws, against the released code's numbers."""

import numpy as np
import pytest
import torch

from sspcm.augment.occlusion import JITTER, PatchDraw
from sspcm.augment.views import views_from_draws
from sspcm.data.batches import Batch
from sspcm.heatmaps.affine import normalised_theta
from sspcm.methods.hard_views import HardDraw
from sspcm.methods.method import MethodSetting
from sspcm.methods.pose_cons import PoseCons
from sspcm.methods.pose_dual import PoseDual
from sspcm.methods.sspcm import Sspcm
from sspcm.networks.resnet import PoseResNet

NETWORKS = {"A": 0, "B": 1, "C": 2, "past A": 3, "past B": 4}


@pytest.fixture(scope="module")
def steps(recording):
    return recording("f14_train_step.npz")


def setting(steps, formula_state):
    joints = steps["sup_target"].shape[1]
    height, width = steps["sup_x_int8"].shape[-2:]

    def make_network(role):
        return recorded_network(role, joints, formula_state)

    return MethodSetting(
        make_network=make_network,
        joints=joints,
        labelled_joints=torch.arange(joints),
        crop_size=(width, height),
        released=True,
    )


def recorded_network(role, joints, formula_state):
    network = PoseResNet(18, joints=joints)
    formula_state(network, first=1000 * NETWORKS[role])
    with torch.no_grad():
        for parameter in network.final_layer.parameters():
            parameter.mul_(0.1)
    return network


def recorded_batch(steps, step):
    return Batch(
        labelled=steps("sup_x_int8")[step].float() / 32,
        target=steps("sup_target"),
        target_weight=steps("sup_weight")[..., 0],
        unlabelled=steps("unsup_x_int8")[step].float() / 32,
        unlabelled_weight=steps("unsup_weight")[..., 0],
        generator=torch.Generator(),
    )


def recorded_view(steps, prefix):
    draws = [steps(f"{prefix}_draw_theta_{name}") for name in ("z_scale", "u", "z_rot")]
    return views_from_draws(*draws)


def recorded_patches(steps, prefix):
    def draw(name):
        return steps(f"{prefix}_{name}")

    return PatchDraw(
        jitter=draw("z") * JITTER,
        half_size=draw("size"),
        joint=draw("target_joint_idx"),
        donor_joint=draw("donor_joint_idx"),
        donor=draw("donor_image"),
    )


def recorded_cutout(steps, prefix):
    joint = steps(f"{prefix}_joint_idx")
    return PatchDraw(
        jitter=steps(f"{prefix}_z") * JITTER,
        half_size=steps(f"{prefix}_size"),
        joint=joint,
        donor_joint=joint,
        donor=torch.arange(len(joint)),
    )


def assert_network(steps, prefix, network, *, step):
    """Statistics, gradients and weights after a step; later steps carry Adam's sign flips."""
    close = 1e-5 if step == 0 else 4e-3

    def assert_close(value, name, relative):
        expected = np.asarray(steps[f"{prefix}_{name}"], dtype=np.float64)
        error = np.abs(value.detach().double().numpy() - expected).max()
        assert error <= relative * np.abs(expected).max(), name

    assert_close(network.bn1.running_mean, "bn1_mean", close)
    assert_close(network.bn1.running_var, "bn1_var", close)
    assert_close(network.layer4[1].bn2.running_mean, "l4_bn_mean", close)
    assert int(network.bn1.num_batches_tracked) == int(steps[f"{prefix}_bn1_batches"])
    norms = torch.stack([p.grad.norm() for p in network.parameters()])
    assert_close(norms, "grad_norms", 5e-5 if step == 0 else 4e-3)
    bias, expected_bias = network.final_layer.bias, steps[f"{prefix}_final_bias"]
    expected_head = steps[f"{prefix}_conv1_head"]
    head = network.conv1.weight.flatten()[: len(expected_head)]
    errors = np.abs(
        torch.cat([bias, head]).detach().numpy() - np.concatenate([expected_bias, expected_head])
    )
    # Adam moves each weight by 1e-3: where the gradient is about 0, to either side.
    assert errors.max() <= 2e-3 * (step + 1)
    if step == 0:
        assert (errors <= 2e-5).mean() >= 0.95


def test_two_sspcm_steps(steps, formula_state):
    method = Sspcm(setting(steps, formula_state), Sspcm.Options()).train()
    for past, now, role in (
        (method.past_a, method.teacher_a, "past A"),
        (method.past_b, method.teacher_b, "past B"),
    ):
        other = recorded_network(role, steps["sup_target"].shape[1], formula_state)
        for p, q, r in zip(past.parameters(), now.parameters(), other.parameters(), strict=True):
            p.data = 0.75 * q.data + 0.25 * r.data
    method.epochs_done = 1
    optimiser = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=1e-3)
    step = 0
    while f"sspcm{step}_loss" in steps.names:
        prefix = f"sspcm{step}"
        view = recorded_view(steps, prefix)
        theta = normalised_theta(view.scale, view.rotation)
        np.testing.assert_allclose(theta.numpy(), steps[f"{prefix}_theta"], atol=1e-12)
        patches = tuple((recorded_patches(steps, f"{prefix}_draw_{name}"),) for name in "ABC")
        optimiser.zero_grad()
        losses = method.losses(recorded_batch(steps, step), HardDraw(patches, view))
        sum(losses.values()).backward()
        close = 1e-5 if step == 0 else 1e-4
        assert losses["supervised"].item() == pytest.approx(
            float(steps[f"{prefix}_pose"]), rel=close
        )
        assert losses["consistency"].item() == pytest.approx(
            float(steps[f"{prefix}_cons"]), rel=close
        )
        kept = steps[f"{prefix}_score_mask"][..., 0] * steps["unsup_weight"][..., 0]
        assert method.statistics["joints_kept"].item() == pytest.approx((kept > 0).mean())
        for k in range(4):
            share = (steps[f"{prefix}_pair_index"] == k).mean()
            assert method.statistics[f"pair_{k}"].item() == pytest.approx(share, abs=0.02)
        optimiser.step()
        assert_network(steps, f"{prefix}_resnet", method.teacher_a, step=step)
        assert_network(steps, f"{prefix}_resnet2", method.teacher_b, step=step)
        assert_network(steps, f"{prefix}_final_resnet", method.student, step=step)
        np.testing.assert_allclose(
            method.past_a.bn1.running_mean.numpy(),
            steps[f"{prefix}_last_resnet_bn1_mean"],
            rtol=1e-4,
            atol=1e-6,
        )
        step += 1
    assert step >= 1


@pytest.mark.parametrize(
    ("prefix", "kind", "networks"),
    [
        ("dual", PoseDual, {"resnet": "network_a", "resnet2": "network_b"}),
        ("cons", PoseCons, {"resnet": "network"}),
    ],
    ids=["PoseDual", "PoseCons"],
)
def test_a_step_with_joint_cutout(steps, formula_state, prefix, kind, networks):
    method = kind(setting(steps, formula_state), kind.Options()).train()
    optimiser = torch.optim.Adam(method.parameters(), lr=1e-3)
    cutouts = tuple(
        (recorded_cutout(steps, f"{prefix}_draw_{role}"),) for role in "AB"[: len(networks)]
    )
    draw = HardDraw(cutouts, recorded_view(steps, prefix))
    losses = method.losses(recorded_batch(steps, 0), draw)
    sum(losses.values()).backward()
    assert losses["supervised"].item() == pytest.approx(float(steps[f"{prefix}_pose"]), rel=1e-5)
    assert losses["consistency"].item() == pytest.approx(float(steps[f"{prefix}_cons"]), rel=1e-5)
    assert sum(losses.values()).item() == pytest.approx(float(steps[f"{prefix}_loss"]), rel=1e-5)
    optimiser.step()
    for recorded, name in networks.items():
        assert_network(steps, f"{prefix}_{recorded}", getattr(method, name), step=0)
