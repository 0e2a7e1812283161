"""Intervals against values that are known without a bootstrap."""

import numpy as np
import pytest

from reports.stats import median_of_launches, paired_ratio


def test_interval_of_a_median_agrees_with_order_statistics() -> None:
    launches = np.random.default_rng(1).normal(100, 1, size=101)
    estimate = median_of_launches(list(launches))
    # The binomial interval for the median of 101: the 41st and the 61st value (95.4 %).
    low, high = np.sort(launches)[[40, 60]]
    assert estimate.value == np.median(launches)
    assert estimate.low == pytest.approx(low, abs=0.1)
    assert estimate.high == pytest.approx(high, abs=0.1)
    assert estimate.n == 101


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    draws = np.random.default_rng(2).normal(10, 1, size=(100, 15))
    estimates = [median_of_launches(list(row)) for row in draws]
    covered = sum(e.low is not None and e.high is not None and e.low <= 10 <= e.high for e in estimates)
    assert 88 <= covered <= 100


def test_equal_launches_have_an_interval_of_no_width() -> None:
    estimate = median_of_launches([95159.0] * 3)
    assert (estimate.low, estimate.value, estimate.high) == (95159.0, 95159.0, 95159.0)


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_launches_have_no_interval(n: int) -> None:
    estimate = median_of_launches([1.0] * n)
    assert (estimate.low, estimate.high, estimate.n) == (None, None, n)


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


def test_the_same_launches_give_the_same_interval() -> None:
    values = list(np.random.default_rng(3).normal(1, 0.1, size=12))
    assert median_of_launches(values) == median_of_launches(values)
