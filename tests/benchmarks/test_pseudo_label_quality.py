"""Quality of pseudo-labels: closed forms, and the measurement of a real cell."""

import numpy as np
import pytest

from benchmarks.pseudo_label_quality import (
    SHARES,
    auc,
    label_quality,
    measure_pseudo_labels,
    quantile_bins,
    ranking,
)
from benchmarks.results import read_cell


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


def test_two_teachers_are_measured_on_people_that_the_run_did_not_see(comparison):
    cell = read_cell(comparison / "cells" / "sspcm-8-seed0")
    found = measure_pseudo_labels(cell)
    assert found["teachers"] == "A and B"
    assert found["people"] == cell.result["people_train"] - 8
    assert 0 <= found["accuracy"] <= 1
    one = measure_pseudo_labels(read_cell(comparison / "cells" / "supervised-8-seed0"))
    assert one["teachers"] == "A"
    assert set(one["by"]) == {"confidence"}
