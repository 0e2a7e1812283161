"""How wrong an output is."""

import numpy as np
import pytest

from bench.measure.accuracy import relative_error


def test_error_is_relative_to_the_largest_expected_value() -> None:
    assert relative_error(np.array([1.0, -4.2]), np.array([1.0, -4.0])) == pytest.approx(0.05)
    assert relative_error(np.array([0.0, 0.5, 0.0]), np.zeros(3)) == 0.5
    assert relative_error(np.zeros((0, 3)), np.zeros((0, 3))) == 0


@pytest.mark.parametrize(
    "bad", [np.array([1.0, np.nan]), np.array([1.0, np.inf]), np.array([1.0]), np.array([[1.0, 2.0]])]
)
def test_nan_infinity_and_other_shapes_are_infinitely_wrong(bad: np.ndarray) -> None:
    assert relative_error(bad, np.array([1.0, 2.0])) == float("inf")


def test_infinity_where_pytorch_has_it_is_right() -> None:
    masked = np.array([1.0, -np.inf])
    assert relative_error(masked.copy(), masked) == 0
    assert relative_error(np.array([1.0, np.inf]), masked) == float("inf")
