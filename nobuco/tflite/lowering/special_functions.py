"""Special functions by series and fitted polynomials, to float32's precision but for a few units in the last place.

Sources: the definitions and expansions in the NIST Digital Library of Mathematical Functions (DLMF), by section."""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np
import tensorflow as tf

from nobuco.tflite.lowering.fitted import Fitted, Powers
from nobuco.tflite.lowering.values import Rules, Tensor

REAL = Rules()
rule = REAL.rule

_MOST_TERMS = 2000  # of a series that goes on until it no longer changes
_SHIFT = 8  # gamma functions are computed this far from zero, where their asymptotic series are exact


def _is(condition: Tensor, then: Any, otherwise: Any) -> Tensor:
    """tf.where that takes numbers."""
    like = otherwise if tf.is_tensor(otherwise) else then
    return tf.where(condition, then + tf.zeros_like(like), otherwise + tf.zeros_like(like))


@rule("NextAfter")
def nextafter(op: Any, x: Tensor, towards: Tensor) -> Tensor:
    """The bits of a float are in its order, but for the sign; from zero the smallest of either sign."""
    bits = tf.bitcast(x, tf.int32)
    away = (towards > x) == (x > 0)
    moved = tf.bitcast(bits + tf.where(away, tf.ones_like(bits), -tf.ones_like(bits)), tf.float32)
    tiny = tf.sign(towards) * np.float32(np.finfo(np.float32).smallest_subnormal)
    moved = tf.where(x == 0, tiny, moved)
    moved = tf.where(x == towards, towards, moved)
    return tf.where(tf.math.is_nan(x) | tf.math.is_nan(towards), x + towards, moved)


# -- what TFLite computes as log(1 + x) and exp(x) - 1, of which nothing is left for small x. Nor of log(1 + x) corrected by
# what rounding 1 + x has lost: XNNPACK's logarithm is off by a unit in the last place of 1, whatever its own size.

_NEAR = 0.25  # of zero, where log(1 + x) is a series


@cache
def _twice_atanh(reach: float, degree: int) -> Powers:
    """2 atanh(z) / z as a function of z^2, up to `reach` (DLMF 4.38.5)"""
    return Powers(
        lambda w: 2 * math.atanh(math.sqrt(w)) / math.sqrt(w) if w > 1e-12 else 2 + w, 0.0, reach, degree
    )


@rule("Log1p")
def log1p(op: Any, x: Tensor) -> Tensor:
    """The logarithm of (1 + x) / (1 + near), which is nothing where x is near, and what is left of x there as
    2 atanh(near / (2 + near)). Without a choice between two values, so that delegates take it."""
    near = tf.clip_by_value(x, -_NEAR, _NEAR)
    z = near / (near + 2)
    return tf.math.log((1 + x) / (1 + near)) + z * _twice_atanh(1 / 49, 2)(tf.square(z))


@rule("Softplus")
def softplus(op: Any, x: Tensor) -> Tensor:
    """log(1 + exp(-|x|)) is 2 atanh(z), and z no more than a third. TFLite's log(1 + exp(x)) is infinite from 89 on."""
    share = tf.exp(-tf.abs(x))
    z = share / (share + 2)
    return tf.nn.relu(x) + z * _twice_atanh(1 / 9, 3)(tf.square(z))


@rule("Expm1")
def expm1(op: Any, x: Tensor) -> Tensor:
    return tf.tanh(0.5 * x) * (tf.exp(x) + 1)


# -- error functions (DLMF 7)


@cache
def _erf_near_zero() -> Fitted:
    """erf(sqrt(u)) / sqrt(u)"""
    return Fitted(
        lambda u: math.erf(math.sqrt(u)) / math.sqrt(u) if u > 1e-12 else 2 / math.sqrt(math.pi), 0.0, 1.0, 8
    )


@cache
def _erfc_far_out() -> Fitted:
    """x exp(x^2) erfc(x) as a function of 1/x"""

    def scaled(t: float) -> float:
        if t > 0.05:
            return math.erfc(1 / t) * math.exp(1 / t**2) / t
        u = t * t  # 7.12.1
        return (1 - u / 2 + 3 * u**2 / 4 - 15 * u**3 / 8 + 105 * u**4 / 16) / math.sqrt(math.pi)

    return Fitted(scaled, 0.0, 1.0, 14)


def _erf_and_erfc(x: Tensor) -> tuple[Tensor, Tensor]:
    size = tf.abs(x)
    near = x * _erf_near_zero()(tf.square(x))
    outside = tf.maximum(size, 1.0)
    tail = tf.exp(-tf.square(outside)) * _erfc_far_out()(1 / outside) / outside
    erf = tf.where(size < 1, near, tf.sign(x) * (1 - tail))
    return erf, tf.where(size < 1, 1 - near, tf.where(x > 0, tail, 2 - tail))


def _is_alone(op: Any) -> bool:
    """Not where TFLite makes one op of what it stands in: x/2 erfc(-x/sqrt 2), x/2 (1 + erf(x/sqrt 2))."""
    scaled = op.inputs[0].op
    factors = [tf.get_static_value(each) for each in scaled.inputs]
    root = [each for each in factors if each is not None and np.size(each) == 1]
    if scaled.type not in ("Mul", "RealDiv") or not root:
        return True
    if not any(np.isclose(np.abs(root[0]), each, atol=1e-5) for each in (math.sqrt(0.5), math.sqrt(2))):
        return True
    readers = op.outputs[0].consumers()
    if op.type == "Erf":
        readers = [
            reader for each in readers if each.type == "AddV2" for reader in each.outputs[0].consumers()
        ]
    halves = [other.op for each in readers if each.type == "Mul" for other in each.inputs]
    return not any(each.type == "Mul" and each is not op for each in halves)


@rule("Erf", when=_is_alone)
def erf(op: Any, x: Tensor) -> Tensor:
    return _erf_and_erfc(x)[0]


@rule("Erfc", when=_is_alone)
def erfc(op: Any, x: Tensor) -> Tensor:
    return _erf_and_erfc(x)[1]


@cache
def _inverse_erf() -> tuple[Fitted, Fitted]:
    """erfinv(x) / x as a function of w = -log(1 - x^2), near zero; of sqrt(w) further out."""

    def of(w: float) -> float:
        if w < 1e-9:
            return math.sqrt(math.pi) / 2
        x = math.sqrt(-math.expm1(-w))
        beyond = math.exp(-w) / (1 + x)  # 1 - x
        return -NormalDist().inv_cdf(beyond / 2) / math.sqrt(2) / x

    return Fitted(of, 0.0, 5.0, 10), Fitted(lambda root: of(root * root), math.sqrt(5), 9.3, 18)


def _erfinv(x: Tensor, w: Tensor) -> Tensor:
    """Of x, and of w = -log(1 - x^2), which has more digits than x near the ends."""
    near, far = _inverse_erf()
    size = tf.where(w < 5, near(w), far(tf.sqrt(tf.maximum(w, 0.0))))
    return x * _is(w == np.inf, np.float32(np.inf), tf.where(tf.math.is_nan(w), w, size))


@rule("Erfinv")
def erfinv(op: Any, x: Tensor) -> Tensor:
    return _erfinv(x, -tf.math.log((1 - x) * (1 + x)))


@rule("Ndtri")
def ndtri(op: Any, p: Tensor) -> Tensor:
    # 1 - (2p - 1)^2 is taken from p itself, which has more digits
    return math.sqrt(2) * _erfinv(2 * p - 1, -tf.math.log(4 * p * (1 - p)))


# -- gamma functions (DLMF 5)


def _log_gamma_of_large(x: Tensor) -> Tensor:
    """5.11.1, for x >= 8"""
    over = 1 / x
    square = tf.square(over)
    series = over * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))
    return (x - 0.5) * tf.math.log(x) - x + 0.5 * math.log(2 * math.pi) + series


def log_gamma(x: Tensor) -> Tensor:
    reflected = tf.where(x < 0.5, 1 - x, x)
    small = tf.minimum(reflected, float(_SHIFT))
    product = small
    for step in range(1, _SHIFT):
        product *= small + step
    shifted = _log_gamma_of_large(small + _SHIFT) - tf.math.log(product)
    positive = tf.where(
        reflected < _SHIFT, shifted, _log_gamma_of_large(tf.maximum(reflected, float(_SHIFT)))
    )
    sine = tf.abs(tf.sin(math.pi * (x - tf.floor(x))))  # 5.5.3
    mirrored = math.log(math.pi) - tf.math.log(sine) - positive
    infinite = ((x <= 0) & (x == tf.floor(x))) | tf.math.is_inf(x)
    return _is(infinite, np.float32(np.inf), tf.where(x < 0.5, mirrored, positive))


@rule("Lgamma")
def lgamma(op: Any, x: Tensor) -> Tensor:
    return log_gamma(x)


@rule("Digamma")
def digamma(op: Any, x: Tensor) -> Tensor:
    reflected = tf.where(x <= 0, 1 - x, x)
    far = reflected + _SHIFT
    steps = 1 / reflected
    for step in range(1, _SHIFT):
        steps += 1 / (reflected + step)
    square = tf.square(1 / far)  # 5.11.2
    series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square / 240)))
    positive = tf.math.log(far) - 0.5 / far - series - steps
    part = x - tf.floor(x)
    mirrored = positive - math.pi * tf.cos(math.pi * part) / tf.sin(math.pi * part)  # 5.5.4
    value = tf.where(x <= 0, mirrored, positive)
    value = _is((x < 0) & (part == 0), np.float32(np.nan), value)
    return _is(x == 0, np.float32(-np.inf), value)


def _incomplete_gamma(a: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """The regularised lower and upper function: a series (8.7.1) where x < a + 1, a continued fraction (8.9.2) beyond."""
    a, x = a + tf.zeros_like(x), x + tf.zeros_like(a)
    low = x < a + 1
    start = tf.exp(a * tf.math.log(x) - x - log_gamma(a))
    xs = tf.where(low, x, tf.zeros_like(x))
    term = 1 / a
    total = term
    n = tf.zeros([], tf.float32)
    _, term, total = tf.while_loop(
        lambda n, term, total: (n < _MOST_TERMS) & tf.reduce_any(term > 1e-8 * total),
        lambda n, term, total: (n + 1, term * xs / (a + n + 1), total + term * xs / (a + n + 1)),
        (n, term, total),
    )
    lower = total * start
    xf = tf.where(low, a + 2, x)
    b = xf + 1 - a
    c = _is(b == b, np.float32(1e30), b)
    d = 1 / b

    def lentz(n: Any, b: Any, c: Any, d: Any, h: Any, change: Any) -> Any:
        weight = -n * (n - a)
        b = b + 2
        d = 1 / _apart(weight * d + b)
        c = _apart(b + weight / c)
        return n + 1, b, c, d, h * d * c, tf.abs(d * c - 1)

    *_, fraction, _ = tf.while_loop(
        lambda n, b, c, d, h, change: (n < _MOST_TERMS) & tf.reduce_any(change > 1e-7),
        lentz,
        (n + 1, b, c, d, d, tf.ones_like(d)),
    )
    upper = fraction * start
    lower, upper = tf.where(low, lower, 1 - upper), tf.where(low, 1 - lower, upper)
    lower, upper = _is(x == 0, np.float32(0), lower), _is(x == 0, np.float32(1), upper)
    lower, upper = _is(tf.math.is_inf(x), np.float32(1), lower), _is(tf.math.is_inf(x), np.float32(0), upper)
    wrong = (a < 0) | (x < 0)
    return _is(wrong, np.float32(np.nan), lower), _is(wrong, np.float32(np.nan), upper)


def _apart(x: Tensor) -> Tensor:
    """Kept away from zero."""
    return _is(tf.abs(x) < 1e-30, np.float32(1e-30), x)


@rule("Igamma")
def igamma(op: Any, a: Tensor, x: Tensor) -> Tensor:
    return _incomplete_gamma(a, x)[0]


@rule("Igammac")
def igammac(op: Any, a: Tensor, x: Tensor) -> Tensor:
    return _incomplete_gamma(a, x)[1]
