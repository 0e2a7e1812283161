"""Padding without PADV2, which XNNPACK does not take.

before  PADV2 (8, 56, 56, 96) -> (8, 57, 56, 96), with 0.0
after   PAD

before  the same with 2.0
after   CONCATENATION of a constant (8, 1, 56, 96) and (8, 56, 56, 96)

before  the same with the least number there is
after   SLICE (8, 1, 56, 96), MINIMUM of that and the number, CONCATENATION: nothing is held in the file"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, sizes, static

_MOST = 1 << 16  # elements of one constant
_LEAST = float(np.finfo(np.float32).min)


def _sides(op: Any) -> list[tuple[int, int, int]] | None:
    """(axis, places before, places after) where there are any."""
    pairs = static(op.inputs[1])
    if pairs is None:
        return None
    return [(axis, int(first), int(last)) for axis, (first, last) in enumerate(pairs) if first or last]


def _is_of_zeros(op: Any) -> bool:
    value = static(op.inputs[2])
    return value is not None and not value and op.inputs[0].dtype == tf.float32


def _of_zeros(op: Any, now: Now) -> Tensor:
    return tf.pad(now(op.inputs[0]), now(op.inputs[1]))


def _fits(op: Any) -> bool:
    value, sides, shape = static(op.inputs[2]), _sides(op), sizes(op.outputs[0])
    if value is None or not value or not sides or shape is None or op.inputs[0].dtype != tf.float32:
        return False
    given = sizes(op.inputs[0])
    if float(value) <= _LEAST:
        return given is not None and all(max(first, last) <= given[axis] for axis, first, last in sides)
    elements = op.outputs[0].shape.num_elements()
    return all(elements // shape[axis] * max(first, last) <= _MOST for axis, first, last in sides)


def _make(op: Any, now: Now) -> Tensor:
    x, value = now(op.inputs[0]), float(static(op.inputs[2]))

    def filled(count: int, axis: int) -> list[Tensor]:
        shape = [count if place == axis else size for place, size in enumerate(x.shape.as_list())]
        if value <= _LEAST and count:
            return [tf.minimum(tf.slice(x, [0] * len(shape), shape), value)]
        return [tf.fill(shape, value)] if count else []

    for axis, first, last in _sides(op) or []:
        x = tf.concat([*filled(first, axis), x, *filled(last, axis)], axis)
    return x


ZEROS = Form(("PadV2",), _is_of_zeros, _of_zeros)
OTHERS = Form(("PadV2",), _fits, _make)
