"""Pooling and padding of more dims than TFLite takes, as several with fewer."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from math import prod
from typing import Any

import tensorflow as tf

from nobuco.tflite.lowering.values import Impossible, Rules, Tensor

REAL = Rules()
rule = REAL.rule

_MOST_DIMS = 4  # of what TFLite pads
_NOT_PADDED = (tf.int8, tf.int16, tf.uint16)  # in 32 bits and back


@rule("AvgPool3D")
def average_pool(op: Any, x: Tensor) -> Tensor:
    return _in_space(op, x, tf.nn.avg_pool2d)


@rule("MaxPool3D")
def max_pool(op: Any, x: Tensor) -> Tensor:
    return _in_space(op, x, tf.nn.max_pool2d)


def _in_space(op: Any, x: Tensor, pool: Callable[..., Tensor]) -> Tensor:
    """Over height and width, then over depth. A mean over SAME's padding leaves it out, a dim at a time as well."""
    if op.get_attr("data_format") != b"NDHWC":
        raise Impossible("pooling with channels before space")
    _, depth, height, width, channels = _sizes(op.inputs[0], x)
    taps, steps = op.get_attr("ksize")[1:4], op.get_attr("strides")[1:4]
    padding = op.get_attr("padding").decode()
    flat = pool(tf.reshape(x, [-1, height, width, channels]), taps[1:], steps[1:], padding)
    _, height, width, _ = _sizes(flat, flat)
    rows = tf.reshape(flat, [-1, depth, height * width, channels])
    rows = pool(rows, [taps[0], 1], [steps[0], 1], padding)
    return tf.reshape(rows, [-1, _sizes(rows, rows)[1], height, width, channels])


def _sizes(known: Any, x: Tensor) -> list[Any]:
    """Of `x`, numbers where they are those of `known`, which has the same shape; else scalar tensors."""
    static = known.shape.as_list()
    computed = tf.shape(x) if None in static else None
    return [computed[axis] if size is None else size for axis, size in enumerate(static)]  # type: ignore[index]


def _is_not_padded(op: Any) -> bool:
    rank = op.inputs[0].shape.rank
    if rank is None or tf.get_static_value(op.inputs[1]) is None:
        return False
    return rank > _MOST_DIMS or op.inputs[0].dtype in _NOT_PADDED


@rule("Pad", "PadV2", when=_is_not_padded)
def pad(op: Any, x: Tensor, paddings: Tensor, *value: Tensor) -> Tensor:
    if op.inputs[0].dtype in _NOT_PADDED:
        wide = (tf.cast(each, tf.int32) for each in (x, *value))
        return tf.cast(_padded(op, *wide), op.inputs[0].dtype)
    return _padded(op, x, *value)


def _padded(op: Any, x: Tensor, *value: Tensor) -> Tensor:
    """Dims that are not padded are taken for one with their neighbours; then a few dims at a time."""
    known = tf.get_static_value(op.inputs[1])
    assert known is not None
    rank = len(known)
    sizes = _sizes(op.inputs[0], x)
    fill = {"constant_values": value[0]} if value else {}
    merged = [list(run) for _, run in groupby(range(rank), key=lambda i: -1 if not known[i].any() else i)]
    shape = [prod(sizes[i] for i in run) for run in merged]
    amounts = [known[run[0]] for run in merged]
    padded = [i for i, amount in enumerate(amounts) if amount.any()]
    x = tf.reshape(x, _one_left_open(shape))
    for place in padded:
        before, after = prod(shape[:place]), prod(shape[place + 1 :])
        rows = tf.reshape(x, _one_left_open([before, shape[place], after]))
        x = tf.pad(rows, [[0, 0], amounts[place], [0, 0]], **fill)
        shape[place] = shape[place] + int(amounts[place].sum())
    whole = [size + int(amount.sum()) for size, amount in zip(sizes, known, strict=True)]
    return tf.reshape(x, _one_left_open(whole))


def _one_left_open(sizes: list[Any]) -> list[Any]:
    """For a reshape, which finds one size by itself: the first that is computed."""
    computed = [i for i, size in enumerate(sizes) if tf.is_tensor(size)]
    return [-1 if i in computed[:1] else size for i, size in enumerate(sizes)]
