"""Bessel functions of orders 0 and 1: fitted to their power series near zero, to their asymptotic ones far out.

Sources: the NIST Digital Library of Mathematical Functions (DLMF), chapter 10, by equation."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf

from nobuco.tflite.lowering.fitted import Fitted
from nobuco.tflite.lowering.values import Rules, Tensor

REAL = Rules()
rule = REAL.rule

_BORDER = (
    8.0  # of J, Y and I: the power series cost digits beyond, the asymptotic ones have not enough before
)
_K_BORDER = 2.0
_GAMMA = 0.5772156649015329


def _psi(n: int) -> float:
    """The digamma function of a whole number."""
    return -_GAMMA + sum(1 / k for k in range(1, n))


def _series(order: int, u: float, sign: int, weight: Callable[[int], float] = lambda k: 1.0) -> float:
    """The sum of weight(k) (sign u/4)^k / (k! (k + order)!), at u = x^2."""
    total, term = 0.0, 1.0
    for k in range(60):
        total += weight(k) * term
        term *= sign * u / 4 / ((k + 1) * (k + 1 + order))
    return total


def _psis(order: int) -> Callable[[int], float]:
    return lambda k: _psi(k + 1) + _psi(k + 1 + order)


@cache
def _near(order: int, sign: int, border: float) -> tuple[Fitted, Fitted]:
    """Of x^2: J or I over (x/2)^order (10.2.2, 10.25.2), and what Y or K has besides its logarithm and its pole (10.8.1,
    10.31.1)."""
    plain = Fitted(lambda u: _series(order, u, sign), 0.0, border**2, 18)
    besides = Fitted(lambda u: _series(order, u, sign, _psis(order)), 0.0, border**2, 18)
    return plain, besides


def _falling(order: int, x: Any, first: int, alternate: bool) -> Any:
    """The sum of a_k / x^k over every second k (10.17.1)."""
    total: Any = 0.0
    coefficient = 1.0
    for k in range(12):
        if k % 2 == first:
            sign = -1 if alternate and k // 2 % 2 else 1
            total = total + sign * coefficient / x**k
        coefficient *= (4 * order**2 - (2 * k + 1) ** 2) / ((k + 1) * 8)
    return total


@cache
def _waves(order: int) -> tuple[Fitted, Fitted]:
    """Of 1/x: the slow factors of cosine and sine in J and Y far out (10.17.3)."""
    even = Fitted(lambda t: _falling(order, 1 / t, 0, True) if t > 0 else 1.0, 0.0, 1 / _BORDER, 8)
    odd = Fitted(lambda t: _falling(order, 1 / t, 1, True) if t > 0 else 0.0, 0.0, 1 / _BORDER, 8)
    return even, odd


def _j_and_y(order: int, x: Tensor) -> tuple[Tensor, Tensor]:
    """For x >= 0."""
    plain, besides = _near(order, -1, _BORDER)
    small = tf.minimum(x, _BORDER)
    half = 0.5 * small
    power = half if order else tf.ones_like(half)
    j_near = power * plain(tf.square(small))
    y_near = (2 * tf.math.log(half) * j_near - power * besides(tf.square(small))) / math.pi
    if order:
        y_near -= 1 / (math.pi * half)
    even, odd = _waves(order)
    far = tf.maximum(x, _BORDER)
    phase = far - (order / 2 + 1 / 4) * math.pi
    size = tf.sqrt(2 / (math.pi * far))
    cos, sin = size * tf.cos(phase), size * tf.sin(phase)
    p, q = even(1 / far), odd(1 / far)
    j = tf.where(x <= _BORDER, j_near, p * cos - q * sin)
    y = tf.where(x <= _BORDER, y_near, p * sin + q * cos)
    nan = tf.zeros_like(y) + np.float32(np.nan)
    return j, tf.where(x < 0, nan, tf.where(x == 0, tf.zeros_like(y) - np.float32(np.inf), y))


@cache
def _i_near(order: int) -> Fitted:
    """exp(-x) I(x) over (x/2)^order"""
    return Fitted(lambda x: math.exp(-x) * _series(order, x * x, 1), 0.0, _BORDER, 20)


@cache
def _i_far(order: int) -> Fitted:
    """sqrt(x) exp(-x) I(x) as a function of 1/x, from its integral (10.32.3) and its asymptotic series (10.40.1)."""
    angles = (np.arange(400) + 0.5) * math.pi / 400

    def of(t: float) -> float:
        if t < 1 / 500:
            x = 1 / t if t else math.inf
            return (_falling(order, x, 0, False) - _falling(order, x, 1, False)) / math.sqrt(2 * math.pi)
        kernel = np.exp((np.cos(angles) - 1) / t) * np.cos(order * angles)
        return float(np.mean(kernel)) / math.sqrt(t)

    return Fitted(of, 0.0, 1 / _BORDER, 14)


def _scaled_i(order: int, x: Tensor) -> Tensor:
    size = tf.abs(x)
    small, far = tf.minimum(size, _BORDER), tf.maximum(size, _BORDER)
    near = _i_near(order)(small) * (0.5 * small if order else 1.0)
    value = tf.where(size <= _BORDER, near, _i_far(order)(1 / far) / tf.sqrt(far))
    return tf.sign(x) * value if order else value


@cache
def _k_far(order: int) -> Fitted:
    """sqrt(x) exp(x) K(x) as a function of 1/x, from its integral (10.32.9) and its asymptotic series (10.40.2)."""
    # cosh t - 1 as 2 sinh^2(t/2), which loses no digits
    points = np.linspace(0, 8, 8001)
    step, weights = points[1], np.cosh(order * points)
    weights[0] /= 2

    def of(t: float) -> float:
        if t < 1 / 500:
            x = 1 / t if t else math.inf
            return (_falling(order, x, 0, False) + _falling(order, x, 1, False)) * math.sqrt(math.pi / 2)
        return float(np.sum(np.exp(-2 * np.sinh(points / 2) ** 2 / t) * weights)) * step / math.sqrt(t)

    return Fitted(of, 0.0, 1 / _K_BORDER, 14)


def _scaled_k(order: int, x: Tensor) -> Tensor:
    """K(x) exp(x), for x > 0."""
    plain, besides = _near(order, 1, _K_BORDER)
    small, far = tf.minimum(x, _K_BORDER), tf.maximum(x, _K_BORDER)
    half = 0.5 * small
    u = tf.square(small)
    if order:
        near = 0.5 / half + tf.math.log(half) * half * plain(u) - 0.5 * half * besides(u)
    else:
        near = 0.5 * besides(u) - tf.math.log(half) * plain(u)
    value = tf.where(x <= _K_BORDER, near * tf.exp(small), _k_far(order)(1 / far) / tf.sqrt(far))
    infinite = tf.zeros_like(value) + np.float32(np.inf)
    return tf.where(x < 0, infinite * 0.0, tf.where(x == 0, infinite, value))


@rule("BesselJ0")
def j0(op: Any, x: Tensor) -> Tensor:
    return _j_and_y(0, tf.abs(x))[0]


@rule("BesselJ1")
def j1(op: Any, x: Tensor) -> Tensor:
    return tf.sign(x) * _j_and_y(1, tf.abs(x))[0]


@rule("BesselY0")
def y0(op: Any, x: Tensor) -> Tensor:
    return _j_and_y(0, x)[1]


@rule("BesselY1")
def y1(op: Any, x: Tensor) -> Tensor:
    return _j_and_y(1, x)[1]


@rule("BesselI0", "BesselI1")
def i(op: Any, x: Tensor) -> Tensor:
    root = tf.exp(0.5 * tf.abs(x))  # the whole may be finite where exp(x) is not
    return root * _scaled_i(int(op.type[-1]), x) * root


@rule("BesselI0e", "BesselI1e")
def scaled_i(op: Any, x: Tensor) -> Tensor:
    return _scaled_i(int(op.type[-2]), x)


@rule("BesselK0", "BesselK1")
def k(op: Any, x: Tensor) -> Tensor:
    return tf.exp(-x) * _scaled_k(int(op.type[-1]), x)


@rule("BesselK0e", "BesselK1e")
def scaled_k(op: Any, x: Tensor) -> Tensor:
    return _scaled_k(int(op.type[-2]), x)
