"""Intervals over launches: the launch is the statistical unit; runs within a process are not independent.

No interval here assumes a shape of the scatter, and each covers the truth in at least 93 of 100 samples at every
number of launches for which it is given; the tests simulate that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil, comb
from statistics import median

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
FEWEST_FOR_INTERVAL = 5
"""The lowest and the highest of five launches enclose the median with 93.75 %, of four with 87.5 %."""
REPEATABLE = 0.005
"""Instruction counts of the same launch differ by a thousandth; what differs by more than this is a difference."""

_PILOT_DOUBT = 1.3  # a pilot of twelve launches may show a third less scatter than there is

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval.

    Attributes:
        value: The value.
        low: None where there are too few launches for an interval, or where none is needed.
        high: The same.
        n: How many launches, or pairs of launches, it rests on.
        exact: Whether instructions were counted: one launch decides, and there is no interval.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    exact: bool = False

    @property
    def missing(self) -> int:
        """How many more launches an interval takes; 0 where there is one, or where none is needed."""
        return 0 if self.exact else max(0, FEWEST_FOR_INTERVAL - self.n)

    @property
    def relative_half_width(self) -> float | None:
        """Half the interval's width as a share of the value; None without an interval."""
        if self.low is None or self.high is None:
            return None
        return (self.high - self.low) / 2 / self.value


def median_of_launches(medians: Sequence[float]) -> Estimate:
    """Median of the launches' medians."""
    return _estimate(np.asarray(medians, dtype=float))


def launches_needed(pilot: Estimate, precision: float, most: int) -> int:
    """How many launches make an interval as narrow as asked for, judged by a pilot that is a part of them.

    To be settled once: stopping as soon as an interval looks narrow picks the samples that happen to scatter little, and
    such intervals cover the truth in 91 of 100 samples instead of 95.

    Args:
        pilot: The figure of the first launches.
        precision: Half the interval's width, as a share of the value.
        most: The largest answer.
    """
    width = pilot.relative_half_width
    if width is None:
        return most
    return min(most, max(pilot.n, ceil(pilot.n * (width / precision) ** 2 * _PILOT_DOUBT)))


def counted(first: float, n: int) -> Estimate:
    """The figure of an emulated device, where the first launch decides and the other `n - 1` only repeat it."""
    return Estimate(first, None, None, n, exact=True)


def paired_ratio(numerator: Mapping[int, float], denominator: Mapping[int, float]) -> Estimate | None:
    """Median of the ratios within the rounds that both have.

    A drift that affects both alike (heat, another program) leaves the ratio within a round as it is.

    Args:
        numerator: The median of each launch, by round.
        denominator: The same.

    Returns:
        None when they have no round in common.
    """
    common = sorted(numerator.keys() & denominator.keys())
    if not common:
        return None
    return _estimate(np.asarray([numerator[r] / denominator[r] for r in common], dtype=float))


def unpaired_ratio(numerator: Sequence[float], denominator: Sequence[float]) -> Estimate:
    """How much larger the launches of one run are than those of another.

    The median of the ratios of all pairs (Hodges and Lehmann's estimate, of logarithms), with the interval that
    belongs to the test of Mann and Whitney.
    """
    ratios = np.divide.outer(np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)).ravel()
    few = min(len(numerator), len(denominator))
    value = float(np.median(ratios))
    if few < FEWEST_FOR_INTERVAL:
        return Estimate(value, None, None, few)
    ratios.sort()
    outside = _pairs_outside(len(numerator), len(denominator))
    return Estimate(value, float(ratios[outside]), float(ratios[-1 - outside]), few)


def median_interval(values: Values) -> tuple[Values, Values]:
    """The interval of the median over the last axis, of FEWEST_FOR_INTERVAL values or more.

    Args:
        values: Shape (..., launches).

    Returns:
        Its lower and upper ends, of shape (...).
    """
    n = values.shape[-1]
    ordered = np.sort(values, axis=-1)
    k, share = _order_statistic(n)
    low, high = ordered[..., k], ordered[..., n - 1 - k]
    if share:
        low = (1 - share) * low + share * ordered[..., k + 1]
        high = (1 - share) * high + share * ordered[..., n - 2 - k]
    return low, high


def _estimate(data: Values) -> Estimate:
    # For a handful of values this median takes a tenth of the time of NumPy's.
    value, n = median(data.tolist()), len(data)
    if n < FEWEST_FOR_INTERVAL:
        return Estimate(value, None, None, n)
    low, high = median_interval(data)
    return Estimate(value, float(low), float(high), n)


@cache
def _order_statistic(n: int) -> tuple[int, float]:
    """Which of `n` ordered values bounds the interval, from 0, and how far to go from it to the next one.

    The binomial distribution gives the confidence between two order statistics; between two such intervals it is
    interpolated as by Hettmansperger and Sheather (1986).
    """
    tail, k, confidence = 0.0, -1, 1.0
    while True:
        further = tail + comb(n, k + 1) / 2**n
        if 1 - 2 * further < CONFIDENCE or k + 2 > n // 2:
            break
        tail, k, confidence = further, k + 1, 1 - 2 * further
    if k < 0:
        return 0, 0.0
    next_confidence = 1 - 2 * (tail + comb(n, k + 1) / 2**n)
    between = (confidence - CONFIDENCE) / (confidence - next_confidence)
    number = k + 1
    return k, (n - number) * between / (number + (n - 2 * number) * between)


@cache
def _pairs_outside(n: int, m: int) -> int:
    """How many of the n * m ordered ratios lie below the interval, and as many above."""
    if n * m > 2500:
        spread = np.sqrt(n * m * (n + m + 1) / 12)
        return int(n * m / 2 - 1.96 * spread) - 1
    # How many orders of n and m values have each value of Mann and Whitney's statistic: the coefficients of the
    # Gaussian binomial coefficient, one factor after the other.
    counts = np.zeros(n * m + 1)
    counts[0] = 1
    for i in range(1, n + 1):
        for u in range(n * m, m + i - 1, -1):
            counts[u] -= counts[u - m - i]
        for u in range(i, n * m + 1):
            counts[u] += counts[u - i]
    below = np.cumsum(counts) / counts.sum()
    return int(np.searchsorted(below, (1 - CONFIDENCE) / 2, side="right")) - 1
