"""Masks of attention, in numbers that half precision has: a GPU computes with those where it is let.

before  ADD scores, a mask of 0 and -1e9;  SOFTMAX
after   ADD scores, a mask of 0 and -30,000;  SOFTMAX

Beside either a score of any use vanishes. -1e9 is infinite in half precision, and what shaders make of that is their own:
ML Drift on WebGPU makes NaN of it. Only numbers that can be nothing but a mask: those of the attention itself, and tensors
in which all others are small."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, is_constant, readers, source, static
from nobuco.tflite.lowering.copying import copied

_LOWEST, _END_OF_HALF = -30_000.0, -65_504.0
_SMALL = 10_000.0
# Between mask and softmax; no product, which could make the mask as small as the scores.
_ON_THE_WAY = ("Add", "AddV2", "ExpandDims", "Reshape", "Squeeze")


def _is_a_mask(tensor: Tensor) -> bool:
    """Whether a constant is made of nothing but small numbers and some that half precision lacks."""
    values = [value for value in _leaves(tensor) if value.size]
    return any(value.min() < _END_OF_HALF for value in values) and all(map(_is_part_of_a_mask, values))


def _is_part_of_a_mask(value: np.ndarray) -> bool:
    small = np.abs(value) < _SMALL
    return bool((small | (value < _END_OF_HALF)).all()) and (value.size == 1 or bool(small.any()))


def _leaves(tensor: Tensor) -> Iterator[np.ndarray]:
    """The numbers that a constant is computed from."""
    tensor = source(tensor)
    value = _value(tensor)
    if value is None:
        for each in tensor.op.inputs:
            yield from _leaves(each)
    elif tensor.dtype.is_floating:
        yield np.asarray(value)


def _value(tensor: Tensor) -> np.ndarray | None:
    """Of a constant of the function, or of what it was given when it was made: an array, or a variable that is read."""
    value = static(tensor)
    if value is not None:
        return value
    is_read = tensor.op.type == "ReadVariableOp"
    given = source(tensor.op.inputs[0]) if is_read else tensor
    outer = next((outer for outer, inner in tensor.graph.captures if inner is given), None)
    if outer is None or tf.is_symbolic_tensor(outer):
        return None
    with tf.init_scope():
        return (tf.raw_ops.ReadVariableOp(resource=outer, dtype=tensor.dtype) if is_read else outer).numpy()


def _is_for_softmax(tensor: Tensor) -> bool:
    """Whether nothing but scores of a softmax come of it."""
    found = list(readers(tensor))
    return bool(found) and all(
        op is not None
        and (op.type == "Softmax" or (op.type in _ON_THE_WAY and _is_for_softmax(op.outputs[0])))
        for op in found
    )


def _added(op: Any) -> Tensor | None:
    """The mask that is added to scores."""
    if op.outputs[0].dtype != tf.float32 or not _is_for_softmax(op.outputs[0]):
        return None
    masks = [tensor for tensor in op.inputs if is_constant(tensor)]
    return masks[0] if len(masks) == 1 and _is_a_mask(masks[0]) else None


def _bound(op: Any) -> Tensor | None:
    """The one number of a mask that is computed: what is multiplied by it, or is at least that, is added later."""
    if op.outputs[0].dtype != tf.float32 or is_constant(op.outputs[0]) or not _is_for_softmax(op.outputs[0]):
        return None
    for tensor, other in (op.inputs, reversed(op.inputs)):
        value = static(tensor)
        if value is None or value.size != 1 or value.min() >= _END_OF_HALF:
            continue
        if op.type == "Maximum" or _is_yes_or_no(other):
            return tensor
    return None


def _is_yes_or_no(tensor: Tensor) -> bool:
    """Whether all numbers are zeros and ones: truth values, or one less them."""
    op = source(tensor).op
    if op.type == "Sub" and (one := static(op.inputs[0])) is not None and (one == 1).all():
        op = source(op.inputs[1]).op
    return op.type == "Cast" and op.inputs[0].dtype == tf.bool


def _make(op: Any, now: Now) -> Tensor:
    mask = _added(op) if op.type in ("Add", "AddV2") else _bound(op)
    assert mask is not None
    value = _value(source(mask))
    bounded = (
        tf.maximum(now(mask), _LOWEST)
        if value is None
        else tf.constant(np.maximum(value, np.float32(_LOWEST)))
    )
    return copied(op, [bounded if tensor is mask else now(tensor) for tensor in op.inputs])[0]


GPU_FORMS = (
    Form(("Add", "AddV2"), lambda op: _added(op) is not None, _make),
    Form(("Maximum", "Mul"), lambda op: _bound(op) is not None, _make),
)
