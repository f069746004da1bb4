"""Quality of pseudo-labels: closed forms, and the measurement of a real cell."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.analyses.pseudo_label_quality import (
    SHARES,
    auc,
    label_quality,
    measure_pseudo_labels,
    quantile_bins,
    ranking,
)
from benchmarks.commands.main import main
from benchmarks.results.results import read_cell
from sspcm.data.crop_store import open_crop_stores
from sspcm.data.sets import make_sets
from sspcm.inference.open import open_networks
from wepdtof_pose.errors import InputError


def test_auc_is_the_share_of_pairs_in_order():
    right = np.array([True, False, True, False])
    assert auc(np.array([4.0, 3.0, 2.0, 1.0]), right) == 0.75
    assert auc(np.array([1.0, 1.0, 1.0, 1.0]), right) == 0.5
    assert auc(np.array([2.0, 1.0, 2.0, 1.0]), right) == 1.0
    assert auc(np.arange(4), np.ones(4, dtype=bool)) is None


def test_the_best_ranked_labels_are_kept_first():
    right = np.array([False] * 50 + [True] * 50)
    accuracy = ranking(np.arange(100.0), right)
    assert accuracy[SHARES.index(0.5)] == 1.0
    assert accuracy[SHARES.index(1.0)] == 0.5
    assert ranking(np.zeros(100), right) == pytest.approx([0.5] * len(SHARES))


def test_bins_have_equal_counts_in_order():
    values = np.random.default_rng(0).permutation(100) / 100
    bins = quantile_bins(values, values > 0.5)
    assert [part["joints"] for part in bins] == [10] * 10
    assert bins[0]["accuracy"] == 0.0
    assert bins[9]["value"] == pytest.approx(0.945)


def test_low_inconsistency_is_good():
    right = np.array([True, True, False, False])
    found = label_quality(right, np.array([0.9, 0.8, 0.2, 0.1]), np.array([0, 0.1, 5, 6]))
    assert found["accuracy"] == 0.5
    assert {signal: part["auc"] for signal, part in found["by"].items()} == {
        "confidence": 1.0,
        "inconsistency": 1.0,
    }
    assert set(label_quality(right, np.arange(4.0), None)["by"]) == {"confidence"}


@pytest.fixture(scope="module")
def dual(tiny_fisheye, bench_arguments, tmp_path_factory):
    """A finished cell of PoseDual with a pool of its own."""
    output = tmp_path_factory.mktemp("dual") / "out"
    more = ("--methods", "pose_dual", "--ratio", "8", "--preset", "quick")
    pool = ("--set", f"data.unlabelled={tiny_fisheye}", "--set", "data.upright=false")
    found = CliRunner().invoke(main, bench_arguments(tiny_fisheye, output, *more, *pool))
    assert found.exit_code == 0, found.output
    return read_cell(output / "cells" / "pose_dual-8-seed0")


def test_people_that_the_run_did_not_see_are_measured(comparison):
    cell = read_cell(comparison / "cells" / "sspcm-8-seed0")
    found = measure_pseudo_labels(cell)
    assert found["people"] == cell.result.people_train - 8
    assert set(found["by"]) == {"confidence", "inconsistency"}


def test_the_label_of_pose_dual_is_that_of_b_on_the_pool(dual):
    found = measure_pseudo_labels(dual)
    assert found["people"] == dual.result.people_unlabelled == 48 - dual.result.people_test
    networks = open_networks(dual.folder)
    sets = make_sets(dual.config.data)
    people = sets.train.select_people(sets.unlabelled)
    size = networks.crop_size
    (store,) = open_crop_stores(
        people, crop_size=size, window_size=size, folder=Path(dual.config.data.cache)
    )
    poses = networks.predict([store])
    labelled = people.keypoints[..., 2] > 0
    reach = 0.2 * np.sqrt(np.prod(people.boxes[:, 2:], axis=1))[:, None]

    def accuracy(name):
        error = np.linalg.norm(poses[name][..., :2] - people.keypoints[..., :2], axis=2)
        return (error <= reach)[labelled].mean()

    assert found["accuracy"] == pytest.approx(accuracy("B"))
    confidence = sum(part["value"] for part in found["by"]["confidence"]["bins"]) / 10
    assert confidence == pytest.approx(poses["B"][..., 2][labelled].mean(), rel=0.01)
    # The positions of the networks are compared as they are, without shifts between pixels.
    poses = networks.with_settings(decoding="none").predict([store])
    distance = np.linalg.norm(poses["A"][..., :2] - poses["B"][..., :2], axis=2)
    apart = (distance / (reach / 0.2))[labelled].mean()
    inconsistency = sum(part["value"] for part in found["by"]["inconsistency"]["bins"]) / 10
    assert inconsistency == pytest.approx(apart, rel=0.01)


def test_a_method_without_labels_of_one_view_says_so(comparison):
    with pytest.raises(InputError, match="method supervised"):
        measure_pseudo_labels(read_cell(comparison / "cells" / "supervised-8-seed0"))
