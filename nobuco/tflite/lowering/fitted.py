"""Functions of one variable as polynomials, fitted in double precision when a model is exported."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from nobuco.tflite.lowering.values import Tensor


class Fitted:
    """`function` on [low, high] by its interpolation at Chebyshev's points, for float32 tensors.

    A polynomial of a degree too small is an error here, not an inexact model: the fit is checked between its points.
    """

    def __init__(
        self, function: Callable[[float], float], low: float, high: float, degree: int, error: float = 1e-7
    ) -> None:
        self._low, self._high = low, high
        values = np.vectorize(function, otypes=[float])
        self._series = np.polynomial.chebyshev.chebinterpolate(lambda t: values(self._from_unit(t)), degree)
        between = np.linspace(-1, 1, 41)
        wanted = values(self._from_unit(between))
        found = np.polynomial.chebyshev.chebval(between, self._series)
        worst = float(np.max(np.abs(found - wanted)) / np.max(np.abs(wanted)))
        if not worst <= error:
            raise ArithmeticError(f"degree {degree} fits {function!r} on [{low}, {high}] to {worst:.1e} only")

    def __call__(self, x: Tensor) -> Tensor:
        """By Clenshaw's recurrence. Outside of [low, high] the value at the nearer end."""
        middle, reach = (self._low + self._high) / 2, (self._high - self._low) / 2
        t = (tf.clip_by_value(x, self._low, self._high) - middle) / reach
        twice = t + t
        later, latest = tf.zeros_like(t), tf.zeros_like(t) + np.float32(self._series[-1])
        for coefficient in self._series[-2:0:-1]:
            later, latest = latest, twice * latest - later + np.float32(coefficient)
        return t * latest - later + np.float32(self._series[0])

    def _from_unit(self, t: np.ndarray) -> np.ndarray:
        return (self._low + self._high) / 2 + (self._high - self._low) / 2 * t


class Powers:
    """`function` on [low, high], as `Fitted`, but as a polynomial of the powers of x, in two ops each: for narrow ranges
    beside zero, where these are as exact. Outside of the range it is any number."""

    def __init__(
        self, function: Callable[[float], float], low: float, high: float, degree: int, error: float = 2e-7
    ) -> None:
        values = np.vectorize(function, otypes=[float])
        fitted = np.polynomial.Chebyshev.interpolate(values, degree, [low, high])
        self._coefficients = fitted.convert(kind=np.polynomial.Polynomial).coef.astype(np.float32)
        between = np.linspace(low, high, 41)
        found = np.polynomial.polynomial.polyval(between, self._coefficients.astype(float))
        worst = float(np.max(np.abs(found / values(between) - 1)))
        if not worst <= error:
            raise ArithmeticError(f"degree {degree} fits {function!r} on [{low}, {high}] to {worst:.1e} only")

    def __call__(self, x: Tensor) -> Tensor:
        *lower, highest = self._coefficients
        value = highest
        for coefficient in lower[::-1]:
            value = value * x + coefficient
        return value
