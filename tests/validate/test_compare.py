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
