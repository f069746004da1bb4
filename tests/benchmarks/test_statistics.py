"""Statistics against scipy's own and closed forms."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.statistics import paired_bootstrap, paired_difference, summarise

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
    ],
)
def test_what_is_more_than_noise(first, second, verdict):
    assert paired_difference(np.array(first), np.array(second)).verdict == verdict


def test_the_bootstrap_of_independent_people_is_near_the_normal_interval():
    random = np.random.default_rng(1)
    first, second = random.random(400), random.random(400) + 0.1
    found = paired_bootstrap(first, second, np.ones(400), np.arange(400))
    gain = second - first
    reach = 1.96 * gain.std() / 20
    assert found.mean == pytest.approx(gain.mean())
    assert (found.low, found.high) == pytest.approx(
        (gain.mean() - reach, gain.mean() + reach), abs=0.006
    )


def test_the_bootstrap_draws_whole_groups():
    gain = np.repeat(np.random.default_rng(2).normal(size=20), 50)
    alone = paired_bootstrap(np.zeros(1000), gain, np.ones(1000), np.arange(1000))
    grouped = paired_bootstrap(np.zeros(1000), gain, np.ones(1000), np.repeat(np.arange(20), 50))
    assert grouped.high - grouped.low > 4 * (alone.high - alone.low)


def test_the_bootstrap_of_nothing():
    zeros = np.zeros(3)
    assert paired_bootstrap(zeros, zeros, zeros, np.arange(3)) is None
    assert paired_bootstrap(zeros, zeros, np.ones(3), np.zeros(3)).low is None
