"""Ops that only change a shape, as RESHAPE, and those that repeat, as TILE: delegates have no others.

before  EXPAND_DIMS, SQUEEZE
after   RESHAPE

before  BROADCAST_TO (8,) -> (2, 3, 8)
after   RESHAPE (1, 1, 8), TILE"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, sizes


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


FORMS = (Form(("ExpandDims", "Squeeze"), _is_known, _reshape),)
GPU_FORMS = (Form(("BroadcastTo",), _is_repeated, _repeat),)
