"""Ops that only change a shape, as RESHAPE, and those that repeat, as TILE: delegates have no others.

before  EXPAND_DIMS, SQUEEZE
after   RESHAPE

before  BROADCAST_TO (8,) -> (2, 3, 8)
after   RESHAPE (1, 1, 8), TILE

before  MUL (1, 64, 192, 1), (1, 64, 1, 16)
after   TILE (1, 64, 192, 16), MUL: the classic GPU delegate repeats one operand, and not both"""

from __future__ import annotations

from math import prod
from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, is_constant, sizes
from nobuco.tflite.forms.joining import MOST, Joining, Sizes
from nobuco.tflite.forms.ranks import ELEMENTWISE
from nobuco.tflite.lowering.copying import copied


def _is_known(op: Any) -> bool:
    shape = op.outputs[0].shape
    return shape.rank is not None and shape.as_list().count(None) < 2


def _reshape(op: Any, now: Now) -> Tensor:
    shape = op.outputs[0].shape.as_list()
    return tf.reshape(now(op.inputs[0]), [-1 if size is None else size for size in shape])


def _is_repeated(op: Any) -> bool:
    return sizes(op.inputs[0]) is not None and sizes(op.outputs[0]) is not None


def _repeat(op: Any, now: Now) -> Tensor:
    wanted, shape = sizes(op.outputs[0]) or [], sizes(op.inputs[0]) or []
    shape = [1] * (len(wanted) - len(shape)) + shape
    times = [size if given != size else 1 for size, given in zip(wanted, shape, strict=True)]
    x = tf.reshape(now(op.inputs[0]), shape)
    return x if set(times) <= {1} else tf.tile(x, times)


def _repeats_both(op: Any) -> bool:
    shape = sizes(op.outputs[0])
    if shape is None or 0 in shape or len(op.inputs) != 2 or any(map(is_constant, op.inputs)):
        return False
    if any(tensor.shape.rank != len(shape) or sizes(tensor) == shape for tensor in op.inputs):
        return False
    return len(shape) <= MOST and _joined_to_repeat(op)[1] != _larger(op).shape.as_list()


def _larger(op: Any) -> Tensor:
    """The operand that has the more numbers, and is repeated the fewer times."""
    return max(op.inputs, key=lambda tensor: prod(tensor.shape.as_list()))


def _joined_to_repeat(op: Any) -> tuple[Joining, Sizes]:
    """Dims of the larger operand that are one when it is repeated, and its sizes with them joined, in four dims."""
    given, wanted = _larger(op).shape.as_list(), op.outputs[0].shape.as_list()
    joining = Joining.of([own != size for own, size in zip(given, wanted, strict=True)])
    return joining, [1] * (MOST - len(joining)) + joining.sizes(given)


def _repeat_one(op: Any, now: Now) -> Tensor:
    """In other dims than those of the op: TFLite's converter would take the TILE back."""
    larger = _larger(op)
    joining, given = _joined_to_repeat(op)
    wanted = op.outputs[0].shape.as_list()
    in_joined = [1] * (MOST - len(joining)) + joining.sizes(wanted)
    times = [(size or 1) // (own or 1) for size, own in zip(in_joined, given, strict=True)]
    repeated = tf.reshape(tf.tile(tf.reshape(now(larger), given), times), wanted)
    return copied(op, [repeated if tensor is larger else now(tensor) for tensor in op.inputs])[0]


def _has_fewer_dims(op: Any) -> bool:
    shape = sizes(op.outputs[0])
    if shape is None or len(shape) > MOST or len(op.inputs) != 2:
        return False
    return any(is_constant(each) and 1 < each.shape.rank < len(shape) for each in op.inputs)


def _in_all_dims(op: Any, now: Now) -> Tensor:
    rank = op.outputs[0].shape.rank
    given = [
        tf.reshape(now(each), [1] * (rank - each.shape.rank) + each.shape.as_list())
        if each.shape.rank > 1
        else now(each)
        for each in op.inputs
    ]
    return copied(op, given)[0]


FORMS = (Form(("ExpandDims", "Squeeze"), _is_known, _reshape),)
GPU_FORMS = (
    Form(("BroadcastTo",), _is_repeated, _repeat),
    Form(ELEMENTWISE, _repeats_both, _repeat_one),
)
# Tried last: a constant of other dims than the other operand, unless it is a number for each channel.
LAST_GPU_FORMS = (Form(ELEMENTWISE, _has_fewer_dims, _in_all_dims),)
