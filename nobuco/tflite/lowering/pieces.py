"""Tensors taken apart whose dtype TFLite's UNPACK, SPLIT or SPLIT_V has not: as slices, which it has of all."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.lowering.values import Rules, Tensor

REAL = Rules()
rule = REAL.rule


@rule("Unpack", when=lambda op: op.inputs[0].dtype == tf.int64 and op.inputs[0].shape.rank is not None)
def unstacked(op: Any, x: Tensor) -> list[Tensor]:
    axis = op.get_attr("axis") % op.inputs[0].shape.rank
    return [x[(slice(None),) * axis + (place,)] for place in range(op.get_attr("num"))]


def _is_split_along_a_known_dim(op: Any) -> bool:
    x, axis = (op.inputs[1], op.inputs[0]) if op.type == "Split" else (op.inputs[0], op.inputs[2])
    lacking = (tf.int64, tf.bool) if op.type == "Split" else (tf.bool,)
    known = tf.get_static_value(axis)
    if x.dtype not in lacking or x.shape.rank is None or known is None:
        return False
    return all(part.shape.rank is not None and part.shape[int(known)] is not None for part in op.outputs)


@rule("Split", when=_is_split_along_a_known_dim)
def split(op: Any, axis: Tensor, x: Tensor) -> list[Tensor]:
    return _parts(op, x, op.inputs[0])


@rule("SplitV", when=_is_split_along_a_known_dim)
def split_in_given_sizes(op: Any, x: Tensor, sizes: Tensor, axis: Tensor) -> list[Tensor]:
    return _parts(op, x, op.inputs[2])


def _parts(op: Any, x: Tensor, axis: Tensor) -> list[Tensor]:
    place = int(tf.get_static_value(axis)) % x.shape.rank
    begin, parts = 0, []
    for part in op.outputs:
        end = begin + part.shape[place]
        parts.append(x[(slice(None),) * place + (slice(begin, end),)])
        begin = end
    return parts
