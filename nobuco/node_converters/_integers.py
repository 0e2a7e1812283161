"""Arithmetic on 64-bit integers by ops that TFLite has for them: it adds, multiplies and compares them, and does little
else. Other dtypes go to TensorFlow's own ops."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.contract.context import fits_32_bits, note

NARROW = (tf.uint8, tf.int8, tf.uint16, tf.int16)  # computed with in 32 bits, and wrapped around


def absolute(x: Any) -> Any:
    if x.dtype.is_unsigned:
        return tf.identity(x)
    return tf.maximum(x, -x) if x.dtype == tf.int64 else tf.abs(x)


def negative(x: Any) -> Any:
    return tf.cast(-tf.cast(x, tf.int32), x.dtype) if x.dtype in NARROW else -x


def sign(x: Any) -> Any:
    if x.dtype.is_unsigned:
        return tf.cast(x > 0, x.dtype)
    return tf.cast(x > 0, x.dtype) - tf.cast(x < 0, x.dtype) if x.dtype == tf.int64 else tf.sign(x)


def inverted(x: Any) -> Any:
    """All bits the other way round: -1 - x in two's complement."""
    if x.dtype in NARROW:
        return tf.cast(-1 - tf.cast(x, tf.int32), x.dtype)
    return -1 - x if x.dtype in (tf.int32, tf.int64) else tf.bitwise.invert(x)


def in_32_bits(dtype: Any, *operands: Any) -> bool:
    """Whether 64-bit integers can be computed with in 32 bits, whatever the model's inputs; if so, the report says it."""
    fits = dtype == tf.int64 and all(map(fits_32_bits, operands))
    if fits:
        note("64-bit integers that need no more than 32 bits are computed in int32")
    return fits


def floor_divided(a: Any, b: Any, in_32_bits: bool = False) -> Any:
    if a.dtype.is_floating:
        # the same, but for TFLite's FLOOR_DIV, which ends the run where a divisor is zero
        return tf.floor(a / b)
    if a.dtype != tf.int64:
        return tf.math.floordiv(a, b)
    if in_32_bits:
        return tf.cast(tf.math.floordiv(tf.cast(a, tf.int32), tf.cast(b, tf.int32)), tf.int64)
    return _quotient(a - tf.math.floormod(a, b), b)


def truncated(a: Any, b: Any, in_32_bits: bool = False) -> Any:
    if a.dtype != tf.int64:
        return tf.truncatediv(a, b)
    if in_32_bits:
        return tf.cast(tf.truncatediv(tf.cast(a, tf.int32), tf.cast(b, tf.int32)), tf.int64)
    rest = sign(a) * tf.math.floormod(absolute(a), absolute(b))
    return _quotient(a - rest, b)


def _quotient(multiple: Any, b: Any) -> Any:
    """Of a multiple of `b`, exactly: each round divides what is left as floats, which are right to 22 bits at least."""
    divisor = tf.cast(b, tf.float32)
    quotient = tf.zeros_like(multiple)
    for _ in range(3):
        left = tf.cast(multiple - quotient * b, tf.float32)
        quotient += tf.cast(tf.round(left / divisor), tf.int64)
    return quotient


def powered(a: Any, exponent: Any) -> Any:
    """By repeated squaring where the exponent is a number."""
    if a.dtype in NARROW:
        return tf.cast(powered(tf.cast(a, tf.int32), tf.cast(exponent, tf.int32)), a.dtype)
    if a.dtype != tf.int64 or not isinstance(exponent, int) or exponent < 0:
        return tf.pow(a, tf.cast(exponent, a.dtype))
    result = tf.ones_like(a)
    while exponent:
        if exponent % 2:
            result = result * a
        a, exponent = a * a, exponent // 2
    return result


def place_of_extreme(x: Any, axis: int, arg: Any) -> Any:
    """`tf.argmax` or `tf.argmin`: the first place that holds the extreme."""
    if x.dtype != tf.int64:
        return arg(x, axis, output_type=tf.int64)
    reduce = tf.reduce_max if arg is tf.argmax else tf.reduce_min
    here = tf.cast(tf.equal(x, reduce(x, axis, keepdims=True)), tf.int32)
    return tf.argmax(here, axis, output_type=tf.int64)


def shifted_left(a: Any, count: int) -> Any:
    """By a number of places that leaves no doubt: a product."""
    return a * tf.constant(1 << count, a.dtype)
