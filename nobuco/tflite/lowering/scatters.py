"""Largest and smallest of what is sent to each place, by comparing every place with every index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from nobuco.tflite.lowering.values import Impossible, Rules, Tensor, static_shape

REAL = Rules()
rule = REAL.rule

_MOST = 1 << 22  # comparisons


@rule("TensorScatterMax")
def scatter_max(op: Any, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    return tf.maximum(x, _gathered(op, x, indices, updates, tf.reduce_max, x.dtype.min))


@rule("TensorScatterMin")
def scatter_min(op: Any, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    return tf.minimum(x, _gathered(op, x, indices, updates, tf.reduce_min, x.dtype.max))


def _gathered(
    op: Any, x: Tensor, indices: Tensor, updates: Tensor, reduce: Callable[..., Tensor], neutral: Any
) -> Tensor:
    sizes = static_shape(op.inputs[0], "a scatter")
    *lead, depth = static_shape(op.inputs[1], "a scatter")
    places, rest = int(np.prod(sizes[:depth])), int(np.prod(sizes[depth:]))
    sent = int(np.prod(lead))
    if places * sent * rest > _MOST:
        raise Impossible(f"a scatter of {sent} into {places} places is too large to be done by comparisons")
    strides = np.cumprod([1, *sizes[1:depth][::-1]])[::-1]
    flat = tf.reduce_sum(tf.reshape(tf.cast(indices, tf.int32), [sent, depth]) * strides.astype(np.int32), -1)
    hit = flat[:, None] == tf.range(places)
    values = tf.reshape(updates, [sent, 1, rest])
    empty = tf.zeros([1, places, rest], x.dtype) + tf.constant(neutral, x.dtype)
    return tf.reshape(reduce(tf.where(hit[:, :, None], values, empty), 0), sizes)
