"""Statistics of a few runs: spread, 95 % intervals, and paired tests.

Runs with the same seed and labelled subset see the same people and start from the same weights, so
methods are compared run by run. With two or three runs the intervals are wide, as they should be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
ROUNDING = 1e-12
"""Scores from 0 to 1 that differ by less than this are equal."""


@dataclass(frozen=True)
class Summary:
    """Mean of values; spread (standard deviation) and interval are None for a single value."""

    mean: float
    spread: float | None
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences.

    Interval and p are None for a single pair, and if all pairs differ equally: a spread of 0 says
    nothing about the noise.

    Attributes:
        mean: of the second values minus the first.
        low: lower end of the 95 % interval.
        high: upper end.
        p: two-sided probability of so large a difference if there were none.
        pairs: number of pairs.
    """

    mean: float
    low: float | None
    high: float | None
    p: float | None
    pairs: int

    @property
    def verdict(self) -> str:
        """Whether the difference is more than noise: the 95 % interval excludes 0."""
        if self.low is None or self.high is None:
            if self.pairs > 1:
                return "all pairs differ alike: noise unknown" if self.mean else "none"
            return "one pair: noise unknown"
        return "more than noise" if self.leaves_out_0 else "within noise"

    @property
    def leaves_out_0(self) -> bool:
        """Whether there is an interval that excludes 0."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


def p_text(p: float | None) -> str:
    """Return a probability as text for tables."""
    return "n/a" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def summarise(values: np.ndarray) -> Summary | None:
    """Return a summary of values (n,) with Student's t interval; None for NaN or no values."""
    if not len(values) or np.isnan(values).any():
        return None
    mean = float(values.mean())
    if len(values) < 2:
        return Summary(mean, None, None, None, len(values))
    spread = float(values.std(ddof=1))
    reach = _t_quantile(len(values) - 1) * spread / np.sqrt(len(values))
    return Summary(mean, spread, mean - reach, mean + reach, len(values))


def mean_and_spread(values: np.ndarray, *, factor: float = 100.0) -> str:
    """Return `mean ± standard deviation`, without spread for one value; n/a if undefined."""
    found = summarise(values)
    if found is None:
        return "n/a"
    mean = f"{factor * found.mean:.1f}"
    return mean if found.spread is None else f"{mean} ± {factor * found.spread:.1f}"


def paired_difference(first: np.ndarray, second: np.ndarray) -> Difference | None:
    """Return Student's paired t test of values (n,) and partners (n,); None as in `summarise`."""
    found = summarise(np.asarray(second) - np.asarray(first))
    if found is None:
        return None
    return _tested(found)


def grouped_difference(
    first: np.ndarray, second: np.ndarray, weights: np.ndarray, groups: np.ndarray
) -> Difference | None:
    """Return the difference of two weighted means over people who are sampled in groups.

    It is a ratio of sums over groups, with its linearised variance and Student's t (Cochran,
    *Sampling Techniques*, 1977, chapter 6). A bootstrap's intervals are too narrow for few groups.

    Args:
        first: (people,) values, for example right joints.
        second: (people,) values of the other run for the same people.
        weights: (people,) denominators of the means, for example labelled joints.
        groups: (people,) frame or scene of each; people in one are not independent.

    Returns:
        The difference, with groups as its pairs; None if all weights are 0.
    """
    if not weights.sum():
        return None
    _, index = np.unique(groups, return_inverse=True)
    count = int(index.max()) + 1
    gain = np.bincount(index, second - first, minlength=count)
    weight = np.bincount(index, weights, minlength=count)
    mean = float(gain.sum() / weight.sum())
    if count < 2:
        return Difference(mean, None, None, None, count)
    spread = float((gain - mean * weight).std(ddof=1) / weight.mean())
    reach = _t_quantile(count - 1) * spread / np.sqrt(count)
    return _tested(Summary(mean, spread, mean - reach, mean + reach, count))


def _t_quantile(freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


def _tested(found: Summary) -> Difference:
    """Return the difference that this summary describes, with Student's t test."""
    from scipy.special import stdtr

    mean = found.mean if abs(found.mean) > ROUNDING else 0.0
    if found.spread is None or found.spread <= ROUNDING:
        return Difference(mean, None, None, None, found.count)
    t = abs(mean) / (found.spread / np.sqrt(found.count))
    return Difference(
        mean, found.low, found.high, float(2 * stdtr(found.count - 1, -t)), found.count
    )
