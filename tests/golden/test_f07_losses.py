from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from sspcm.heatmaps.targets import heatmap_mse
from sspcm.methods.sspcm import Agreement, Sspcm, consistency_weights
from wepdtof_pose.errors import InputError

TOLERANCE = 3e-7
ALL = ("position_mask", "score", "position")
TRIPLE = {
    "yaml": ((), {}),
    "no_filter": ((), {"score_filter": False}),
    "score_diff": (("score",), {}),
    "kp_filter": (("position_mask",), {}),
    "all_else_branch": (ALL, {}),
    "both": (("position_mask",), {"either_filter": True}),
    "both_reweight": (ALL, {"either_filter": True}),
}


@pytest.fixture(scope="module")
def losses(recording):
    return recording("f07_losses.npz")


def weight(losses, name: str) -> Tensor:
    return losses(name)[..., 0]


def recorded_agreement(losses, used: Sequence[str]) -> Agreement:
    every = {
        "position_mask": weight(losses, "kp_dist_mask"),
        "score": weight(losses, "score_diff_k"),
        "position": weight(losses, "kp_dist_uncertainty_k"),
    }
    return Agreement(weight(losses, "score_mask"), **{name: every[name] for name in used})


def supervised(losses, networks: int) -> Tensor:
    terms = [
        heatmap_mse(losses(f"sup_ht{k}"), losses("sup_target"), weight(losses, "sup_weight"))
        for k in range(1, networks + 1)
    ]
    return sum(terms) * (0.5 if networks > 1 else 1.0)


def consistency(losses, students: Sequence[tuple[str, str]], weights: Sequence[Tensor]) -> Tensor:
    return sum(
        heatmap_mse(losses(student), losses(taught), w)
        for (student, taught), w in zip(students, weights, strict=True)
    )


def assert_recorded(losses, name: str, pose: Tensor, cons: Tensor) -> None:
    assert float(pose + cons) == pytest.approx(float(losses[f"val_{name}"]), abs=TOLERANCE)
    assert float(cons) == pytest.approx(float(losses[f"val_{name}_cons"]), abs=TOLERANCE)


@pytest.mark.parametrize(
    ("name", "power"), [("weighted", 1), ("unweighted", 0)], ids=["weighted", "unweighted"]
)
def test_single_loss(losses, name, power):
    value = heatmap_mse(
        losses("sup_ht1"), losses("sup_target"), weight(losses, "sup_weight") ** power
    )
    assert float(value) == pytest.approx(float(losses[f"val_JointsMSELoss_{name}"]), abs=TOLERANCE)


@pytest.mark.parametrize("name", list(TRIPLE))
def test_triple_losses(losses, name):
    used, options = TRIPLE[name]
    teacher, student = consistency_weights(
        weight(losses, "unsup_weight"), recorded_agreement(losses, used), **options
    )
    cons = consistency(
        losses,
        [
            ("cons_ht1", "unsup_ht_trans2"),
            ("cons_ht2", "unsup_ht_trans1"),
            ("cons_ht3", "unsup_ht_trans_ensemble"),
        ],
        [teacher, teacher, student],
    )
    assert_recorded(losses, f"PoseTriple_{name}", supervised(losses, 3), cons)


def test_either_filter_without_a_position_threshold_is_refused_where_released_code_ignores_it(
    losses,
):
    with pytest.raises(InputError, match="position_threshold"):
        Sspcm.Options(either_filter=True)
    assert losses["val_PoseTriple_both_without_kp_filter"] == losses["val_PoseTriple_yaml"]


@pytest.mark.parametrize("name", ["yaml", "all_else_branch"])
def test_gradients(losses, name):
    used, options = TRIPLE[name]
    teacher, student = consistency_weights(
        weight(losses, "unsup_weight"), recorded_agreement(losses, used), **options
    )
    for leaf, target, w, ratio in (
        ("sup_ht3", "sup_target", weight(losses, "sup_weight"), 0.5),
        ("cons_ht1", "unsup_ht_trans2", teacher, 1.0),
        ("cons_ht3", "unsup_ht_trans_ensemble", student, 1.0),
    ):
        maps = losses(leaf).requires_grad_()
        (ratio * heatmap_mse(maps, losses(target), w)).backward()
        torch.testing.assert_close(
            maps.grad, losses(f"grad_{name}_{leaf}"), atol=TOLERANCE, rtol=1e-5
        )


def test_dual_and_single_network_losses(losses):
    w = weight(losses, "unsup_weight")
    pair = [("cons_ht1", "unsup_ht_trans2"), ("cons_ht2", "unsup_ht_trans1")]
    assert_recorded(losses, "PoseCo", supervised(losses, 2), consistency(losses, pair, [w, w]))
    single = [("cons_ht1", "unsup_ht_trans1")]
    assert_recorded(losses, "PoseDis", supervised(losses, 1), consistency(losses, single, [w]))


def test_several_hard_views_add_up(losses):
    w = weight(losses, "unsup_weight")
    single = [(path, "unsup_ht_trans1") for path in ("cons_ht1", "cons_ht2", "extra1")]
    assert_recorded(
        losses, "MultiAugs_cons_sum", supervised(losses, 1), consistency(losses, single, [w] * 3)
    )
    dual = [
        *((path, "unsup_ht_trans2") for path in ("cons_ht1", "extra1")),
        *((path, "unsup_ht_trans1") for path in ("cons_ht2", "extra2")),
    ]
    assert_recorded(
        losses, "MultiAugs_dual_sum", supervised(losses, 2), consistency(losses, dual, [w] * 4)
    )
