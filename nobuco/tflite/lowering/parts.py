"""Tensors of a type that TFLite does not take apart, such as the two rows of edges in a graph, which are 64-bit integers:
each part is a slice."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.lowering.values import Impossible, Rules, Tensor

REAL = Rules()


@REAL.rule("Unpack", when=lambda op: op.inputs[0].dtype == tf.int64)
def unstacked(op: Any, x: Tensor) -> list[Tensor]:
    axis = op.get_attr("axis")
    return [_slice(x, axis, i) for i in range(len(op.outputs))]


@REAL.rule("Split", when=lambda op: op.inputs[1].dtype in (tf.int64, tf.bool))
def split(op: Any, axis: Tensor, x: Tensor) -> list[Tensor]:
    where, count = _axis(op.inputs[0]), len(op.outputs)
    each = (x.shape[where] or tf.shape(x)[where]) // count
    return [_slice(x, where, slice(i * each, (i + 1) * each)) for i in range(count)]


@REAL.rule("SplitV", when=lambda op: op.inputs[0].dtype == tf.bool)
def split_by_sizes(op: Any, x: Tensor, sizes: Tensor, axis: Tensor) -> list[Tensor]:
    known: Any = tf.get_static_value(op.inputs[1])
    if known is None or -1 in known:
        raise Impossible("bools are split by sizes that are known at conversion only")
    ends = known.cumsum()
    return [
        _slice(x, _axis(op.inputs[2]), slice(int(end - size), int(end)))
        for size, end in zip(known, ends, strict=True)
    ]


def _axis(tensor: Tensor) -> int:
    axis: Any = tf.get_static_value(tensor)
    if axis is None:
        raise Impossible("tensors are split along an axis that is known at conversion only")
    return int(axis)


def _slice(x: Tensor, axis: int, part: Any) -> Tensor:
    return x[(*(slice(None),) * (axis % x.shape.rank), part)]
