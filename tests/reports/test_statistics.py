"""Intervals keep their word: simulated with the scatter that latencies have, at every n they are given for."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from reports.stats import (
    FEWEST_FOR_INTERVAL,
    Estimate,
    counted,
    launches_needed,
    median_interval,
    median_of_launches,
    paired_ratio,
    unpaired_ratio,
)

AT_LEAST = 0.93  # promised for a nominal 95 %
SIZES = [*range(FEWEST_FOR_INTERVAL, 16), 20, 30, 60]

Scatter = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def bimodal(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Three launches of ten land on the slow kind of core."""
    slow = random.random(shape) < 0.3
    return np.where(slow, 1.4, 1.0) * np.exp(random.normal(0, 0.02, shape))


# Relative to the fastest launch, as latencies scatter: symmetric, skewed to the slow side, with heavy tails, on two levels.
SCATTERS: dict[str, Scatter] = {
    "normal": lambda random, shape: random.normal(1, 0.02, shape),
    "log-normal": lambda random, shape: np.exp(random.normal(0, 0.5, shape)),
    "floor and exponential": lambda random, shape: 1 + random.exponential(0.1, shape),
    "heavy tail": lambda random, shape: 1 + 0.05 * random.pareto(1.5, shape),
    "bimodal": bimodal,
}


def enough(covered: np.ndarray, n: int, simulations: int) -> None:
    # Two standard errors of the simulation are allowed for: 0.4 % of 20,000.
    assert covered.mean() >= AT_LEAST - 2 * np.sqrt(0.07 * 0.93 / simulations), n


@pytest.mark.parametrize("name", SCATTERS)
def test_the_interval_of_a_median_covers_it(name: str) -> None:
    random, simulations = np.random.default_rng(1), 20_000
    truth = np.median(SCATTERS[name](random, (2_000_000,)))
    for n in SIZES:
        low, high = median_interval(SCATTERS[name](random, (simulations, n)))
        enough((low <= truth) & (truth <= high), n, simulations)


@pytest.mark.parametrize("name", SCATTERS)
def test_the_interval_of_a_ratio_covers_it(name: str) -> None:
    """The truth is 1.5; a drift, which both share within a round, comes on top."""
    random, simulations = np.random.default_rng(2), 20_000
    for n in SIZES:
        drift = np.linspace(1, 1.3, n)
        ours = SCATTERS[name](random, (simulations, n)) * drift
        theirs = 1.5 * SCATTERS[name](random, (simulations, n)) * drift
        low, high = median_interval(theirs / ours)
        ratio = paired_ratio(dict(enumerate(theirs[0])), dict(enumerate(ours[0])))
        assert ratio is not None and (ratio.low, ratio.high) == (low[0], high[0])
        enough((low <= 1.5) & (high >= 1.5), n, simulations)


@pytest.mark.parametrize("name", SCATTERS)
@pytest.mark.parametrize(("n", "m"), [(5, 5), (5, 12), (12, 12), (8, 30)])
def test_the_interval_between_two_runs_covers_the_ratio(name: str, n: int, m: int) -> None:
    random, simulations = np.random.default_rng(3), 4000
    covered = []
    for _ in range(simulations):
        ratio = unpaired_ratio(1.1 * SCATTERS[name](random, (n,)), SCATTERS[name](random, (m,)))
        assert ratio.low is not None and ratio.high is not None
        covered.append(ratio.low <= 1.1 <= ratio.high)
    enough(np.asarray(covered), n, simulations)


@pytest.mark.parametrize(("n", "m"), [(5, 5), (6, 9), (12, 12)])
def test_the_interval_between_two_runs_is_that_of_mann_and_whitney(n: int, m: int) -> None:
    random = np.random.default_rng(4)
    ours, theirs = random.lognormal(0, 0.3, n), random.lognormal(0, 0.3, m)
    ratio = unpaired_ratio(ours, theirs)
    assert ratio.low is not None and ratio.high is not None
    for factor, inside in ((1.001, True), (0.999, False)):
        p = mannwhitneyu(ours, theirs * ratio.low * factor, method="exact").pvalue
        assert (p > 0.05) == inside


@pytest.mark.parametrize("n", range(1, FEWEST_FOR_INTERVAL))
def test_too_few_launches_have_no_interval_and_say_how_many_are_missing(n: int) -> None:
    for estimate in (
        median_of_launches([1.0] * n),
        paired_ratio(dict.fromkeys(range(n), 1.0), dict.fromkeys(range(9), 1.0)),
        unpaired_ratio([1.0] * n, [1.0] * 9),
    ):
        assert estimate is not None
        assert (estimate.low, estimate.high, estimate.n) == (None, None, n)
        assert estimate.missing == FEWEST_FOR_INTERVAL - n


def test_counted_instructions_need_no_interval() -> None:
    estimate = counted(95.2, 2)
    assert (estimate.value, estimate.low, estimate.high, estimate.missing) == (95.2, None, None, 0)


def test_equal_launches_have_an_interval_of_no_width() -> None:
    estimate = median_of_launches([95159.0] * 5)
    assert (estimate.low, estimate.value, estimate.high) == (95159.0, 95159.0, 95159.0)
    assert estimate.relative_half_width == 0


def test_the_interval_of_a_median_lies_between_order_statistics() -> None:
    launches = np.random.default_rng(1).normal(100, 1, size=101)
    estimate = median_of_launches(list(launches))
    # The 41st and the 61st value have 95.4 % between them, the 42nd and the 60th have 93 %.
    outer_low, inner_low, inner_high, outer_high = np.sort(launches)[[40, 41, 59, 60]]
    assert estimate.low is not None and estimate.high is not None
    assert outer_low <= estimate.low <= inner_low and inner_high <= estimate.high <= outer_high


def test_pairing_sees_through_drift() -> None:
    # The machine gets three times slower during the run; the ratio stays what it is.
    ours = {r: 10.0 * (1 + 2 * r / 19) for r in range(20)}
    theirs = {r: 1.5 * value for r, value in ours.items()}
    ratio = paired_ratio(theirs, ours)
    assert ratio is not None and ratio.low is not None and ratio.high is not None
    assert ratio.value == pytest.approx(1.5)
    assert ratio.high - ratio.low < 1e-9


def test_a_ratio_uses_common_rounds_only() -> None:
    ratio = paired_ratio({0: 2.0, 1: 2.0, 2: 2.0, 7: 99.0}, {0: 1.0, 1: 1.0, 2: 1.0, 8: 99.0})
    assert ratio is not None
    assert (ratio.value, ratio.n) == (2.0, 3)
    assert paired_ratio({0: 1.0}, {1: 1.0}) is None


@pytest.mark.parametrize("precision", [0.02, 0.03, 0.05, 0.1])
@pytest.mark.parametrize("name", ["normal", "log-normal", "floor and exponential"])
def test_the_interval_covers_after_a_pilot_has_settled_how_many_launches(name: str, precision: float) -> None:
    """Looking after each launch whether it is narrow yet would leave 91 %."""
    random, simulations, pilot, most = np.random.default_rng(5), 20_000, 12, 60
    truth = np.median(SCATTERS[name](random, (2_000_000,)))
    launches = SCATTERS[name](random, (simulations, most))
    low, high = median_interval(launches[:, :pilot])
    medians = np.median(launches[:, :pilot], axis=-1)
    needed = np.asarray(
        [
            launches_needed(Estimate(*figures, n=pilot), precision, most)
            for figures in zip(medians, low, high, strict=True)
        ]
    )
    covered = np.zeros(simulations, dtype=bool)
    for n in np.unique(needed):
        low, high = median_interval(launches[needed == n, :n])
        covered[needed == n] = (low <= truth) & (truth <= high)
    enough(covered, pilot, simulations)


def test_a_wide_pilot_asks_for_more_launches() -> None:
    assert launches_needed(Estimate(100.0, 98.5, 101.5, 12), 0.02, 200) == 12
    assert launches_needed(Estimate(100.0, 96.0, 104.0, 12), 0.02, 200) == 63
    assert launches_needed(Estimate(100.0, 50.0, 150.0, 12), 0.02, 200) == 200
