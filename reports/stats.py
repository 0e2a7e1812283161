"""Intervals over launches: the launch is the statistical unit; runs within a process are not independent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

RESAMPLES = 5000
CONFIDENCE = 0.95
FEWEST_FOR_INTERVAL = 3

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; `low` and `high` are None where there are too few launches for one."""

    value: float
    low: float | None
    high: float | None
    n: int


def median_of_launches(medians: Sequence[float]) -> Estimate:
    """Median of the launches' medians, with a percentile bootstrap interval over launches."""
    data = np.asarray(medians, dtype=float)
    return _estimate((data,), lambda a, axis=-1: np.median(a, axis=axis), float(np.median(data)))


def paired_ratio(numerator: Mapping[int, float], denominator: Mapping[int, float]) -> Estimate | None:
    """Ratio of medians over the rounds that both have.

    Rounds are resampled as pairs, so that a drift that affects both alike (heat, another program) does not widen
    the interval.

    Args:
        numerator: The median of each launch, by round.
        denominator: The same.

    Returns:
        None when they have no round in common.
    """
    common = sorted(numerator.keys() & denominator.keys())
    if not common:
        return None
    a = np.asarray([numerator[r] for r in common], dtype=float)
    b = np.asarray([denominator[r] for r in common], dtype=float)

    def ratio(x: Values, y: Values, axis: int = -1) -> Values:
        return np.median(x, axis=axis) / np.median(y, axis=axis)

    return _estimate((a, b), ratio, float(np.median(a) / np.median(b)))


def _estimate(data: tuple[Values, ...], statistic, value: float) -> Estimate:
    n = len(data[0])
    if n < FEWEST_FOR_INTERVAL:
        return Estimate(value, None, None, n)
    # Percentile, not BCa: for a median, BCa's correction is undefined whenever all launches are equal, as
    # they are on a device that counts instructions. The seed is fixed so that the same records give the same
    # table.
    result = bootstrap(
        data,
        statistic,
        paired=len(data) > 1,
        vectorized=True,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    interval = result.confidence_interval
    return Estimate(value, float(interval.low), float(interval.high), n)
