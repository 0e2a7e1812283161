"""The one figure by which everything is judged."""

import numpy as np
import pytest

from nobuco.validate.compare import relative_error

ONES = np.ones(3, np.float32)
MIXED = np.array([1.0, np.nan, np.inf, -np.inf])


@pytest.mark.parametrize(
    ("actual", "expected", "error"),
    [
        (ONES * 1.5, ONES, 0.5),
        (ONES, ONES * 0, 1.0),
        (ONES * np.nan, ONES, np.inf),
        (ONES, ONES * np.nan, np.inf),
        (ONES * np.nan, ONES * np.nan, 0.0),
        (MIXED, MIXED, 0.0),
        (-MIXED, MIXED, np.inf),
        (MIXED * 2, MIXED, 1.0),
        (ONES[:2], ONES, np.inf),
        (np.array([True, False]), np.array([True, True]), 1.0),
        (np.zeros(0), np.zeros(0), 0.0),
        (np.array([1 + 1j]), np.array([1j]), 1.0),
    ],
)
def test_relative_error(actual, expected, error):
    assert relative_error(actual, expected) == error


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 1, 2), (3, 2, 1, 0)])
@pytest.mark.parametrize("reverse", [False, True])
def test_the_order_in_memory_does_not_matter(order, reverse):
    random = np.random.default_rng(0)
    actual, expected = random.standard_normal((2, 3, 50, 7, 90)).astype(np.float32)
    error = np.abs(actual - expected).max() / np.abs(expected).max()
    actual = np.ascontiguousarray(actual.transpose(order)).transpose(np.argsort(order))
    pair = (expected, actual) if reverse else (actual, expected)
    scale = np.abs(expected).max() / np.abs(pair[1]).max()
    assert relative_error(*pair) == pytest.approx(error * scale, rel=1e-6)
    actual[2, 40, 3, 80] = np.nan
    assert relative_error(*pair) == np.inf


def test_one_element_for_many():
    ours = np.broadcast_to(np.float32(2), (4, 5))
    assert relative_error(ours, np.ones((4, 5), np.float32)) == 1.0
    assert relative_error(np.ones((4, 5), np.float32), ours) == 0.5
    assert relative_error(np.ones((4, 5), np.float32)[::-1], ours) == 0.5
