"""Running products and the like, of known length: each step combines what lies twice as far apart
(Hillis and Steele, 1986)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from nobuco.tflite.lowering.values import Impossible, Pair, Rules, Tensor

REAL = Rules()
_X = TypeVar("_X", Tensor, Pair)


def scanned(op: Any, x: _X, combine: Callable[[_X, _X], _X], neutral: _X) -> _X:
    """What TensorFlow's Cumprod (axis, exclusive, reverse) does, for another way to combine."""
    axis: Any = tf.get_static_value(op.inputs[1])
    rank = op.inputs[0].shape.rank
    size = None if axis is None or rank is None else op.inputs[0].shape[int(axis)]
    if axis is None or rank is None or size is None:
        raise Impossible("a running combination along an axis of known size only")
    where = int(axis) % rank
    reverse, exclusive = op.get_attr("reverse"), op.get_attr("exclusive")
    if exclusive:
        x = _shifted(x, neutral, 1, where, reverse)
    step = 1
    while step < size:
        x = combine(x, _shifted(x, neutral, step, where, reverse))
        step *= 2
    return x


def _shifted(x: Any, neutral: Any, by: int, axis: int, reverse: bool) -> Any:
    """Moved by some places along an axis; what comes in is neutral."""
    if isinstance(x, Pair):
        parts = zip(x, neutral, strict=True)
        return Pair(*(_shifted(part, value, by, axis, reverse) for part, value in parts))
    lead = (slice(None),) * axis
    kept = x[(*lead, slice(by, None))] if reverse else x[(*lead, slice(None, -by))]
    ends = [(0, by) if reverse else (by, 0)]
    paddings = np.array([(0, 0)] * axis + ends + [(0, 0)] * (len(x.shape) - axis - 1))
    return tf.pad(kept, paddings, constant_values=neutral)


@REAL.rule("Cumprod")
def cumulative_product(op: Any, x: Tensor, axis: Tensor) -> Tensor:
    return scanned(op, x, tf.multiply, tf.ones([], x.dtype))


@REAL.rule("CumulativeLogsumexp")
def cumulative_logsumexp(op: Any, x: Tensor, axis: Tensor) -> Tensor:
    return scanned(op, x, _logaddexp, tf.constant(-np.inf, x.dtype))


def _logaddexp(a: Tensor, b: Tensor) -> Tensor:
    larger = tf.maximum(a, b)
    finite = tf.where(tf.math.abs(larger) < np.inf, larger, tf.zeros_like(larger))
    return tf.where(
        tf.math.abs(larger) < np.inf, finite + tf.math.log(tf.exp(a - finite) + tf.exp(b - finite)), larger
    )
