"""Statistics against scipy's own and closed forms."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.results.statistics import grouped_difference, paired_difference, summarise

FIRST = np.array([0.31, 0.35, 0.29, 0.40])
SECOND = np.array([0.36, 0.37, 0.35, 0.41])


def test_the_interval_is_students():
    found = summarise(FIRST)
    low, high = stats.t.interval(0.95, 3, FIRST.mean(), stats.sem(FIRST))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert (found.mean, found.spread) == pytest.approx((FIRST.mean(), FIRST.std(ddof=1)))


def test_one_value_has_no_spread_and_nan_no_summary():
    found = summarise(np.array([0.3]))
    assert (found.mean, found.spread, found.low) == (0.3, None, None)
    assert summarise(np.array([0.3, np.nan])) is None
    assert summarise(np.array([])) is None


def test_the_paired_test_is_students():
    found = paired_difference(FIRST, SECOND)
    wanted = stats.ttest_rel(SECOND, FIRST)
    interval = wanted.confidence_interval(0.95)
    assert found.p == pytest.approx(wanted.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ([0.1, 0.2, 0.3], [0.21, 0.3, 0.4], "more than noise"),
        ([0.1, 0.2, 0.3], [0.3, 0.2, 0.1], "within noise"),
        ([0.1], [0.3], "one pair: noise unknown"),
        ([0.1, 0.2], [0.1, 0.2], "none"),
        ([0.1, 0.2], [0.2, 0.3], "all pairs differ alike: noise unknown"),
    ],
)
def test_what_is_more_than_noise(first, second, verdict):
    assert paired_difference(np.array(first), np.array(second)).verdict == verdict


def test_pairs_that_differ_alike_tell_nothing_of_the_noise():
    """Shares of the same joints often do, with two runs; rounding must not decide."""
    counts = np.random.default_rng(0).integers(100, 6000, size=(500, 2))
    found = [paired_difference(pair / 6873, (pair - 9) / 6873) for pair in counts]
    assert {(one.low, one.high, one.p, one.leaves_out_0) for one in found} == {
        (None, None, None, False)
    }
    groups = np.arange(8) // 2
    alike = grouped_difference(np.full(8, 3.0), np.full(8, 4.0), np.full(8, 7.0), groups)
    assert (alike.mean, alike.low, alike.p) == (pytest.approx(1 / 7), None, None)


def test_people_who_are_groups_of_their_own_are_independent():
    random = np.random.default_rng(1)
    first, second = random.random(400), random.random(400) + 0.1
    found = grouped_difference(first, second, np.ones(400), np.arange(400))
    wanted = stats.ttest_rel(second, first)
    interval = wanted.confidence_interval(0.95)
    assert found.p == pytest.approx(wanted.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_groups_count_as_wholes():
    gain = np.repeat(np.random.default_rng(2).normal(size=20), 50)
    alone = grouped_difference(np.zeros(1000), gain, np.ones(1000), np.arange(1000))
    grouped = grouped_difference(np.zeros(1000), gain, np.ones(1000), np.repeat(np.arange(20), 50))
    assert grouped.high - grouped.low > 4 * (alone.high - alone.low)


def test_few_groups_seldom_differ_by_chance():
    random = np.random.default_rng(3)
    wrong = 0
    for _ in range(400):
        gain = np.repeat(random.normal(size=4), 25) + random.normal(size=100)
        weights = random.integers(8, 15, size=100)
        found = grouped_difference(np.zeros(100), gain, weights, np.repeat(np.arange(4), 25))
        wrong += found.leaves_out_0
    assert wrong / 400 < 0.09


def test_groups_of_nothing():
    zeros = np.zeros(3)
    assert grouped_difference(zeros, zeros, zeros, np.arange(3)) is None
    assert grouped_difference(zeros, zeros, np.ones(3), np.zeros(3)).low is None
