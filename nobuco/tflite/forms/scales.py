"""A scale and a shift of columns behind a reshape, before it: TFLite's converter then folds them into the weights.

    before  FULLY_CONNECTED (196, 256), RESHAPE (1, 196, 256), MUL by (256,), ADD (256,)
    after   FULLY_CONNECTED (196, 256), RESHAPE (1, 196, 256)

BatchNorm of rows that were told apart for the product only, or put together for the BatchNorm."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, is_constant, readers, sizes, source
from nobuco.tflite.forms.transposes import RELABELS
from nobuco.tflite.lowering.copying import copied

_SCALES = ("Mul", "AddV2", "Sub", "BiasAdd")


def _scaled(op: Any) -> tuple[int, Tensor] | None:
    """Which operand is a product's, and that product; None where no reshape stands between."""
    for place, (x, vector) in enumerate((op.inputs, reversed(op.inputs))):
        if is_constant(vector) and not is_constant(x) and (place == 0 or op.type != "Sub"):
            width, made = op.outputs[0].shape[-1], _product(x)
            wide = vector.shape.rank == 1 and vector.shape[0] == width
            return (place, made) if wide and made is not None and made.shape[-1] == width else None
    return None


def _product(tensor: Tensor) -> Tensor | None:
    """What a product yields that becomes this one by reshapes, scales and shifts."""
    tensor, reshapes = source(tensor), 0
    while tensor.op.type in (*RELABELS, *_SCALES):
        if sum(1 for _ in readers(tensor)) != 1:
            return None
        op = tensor.op
        if op.type in RELABELS:
            given, reshapes = op.inputs[0], reshapes + 1
            if given.shape.rank is None or given.shape[-1] != tensor.shape[-1]:
                return None
        else:
            given = next((each for each in op.inputs if not is_constant(each)), None)
            if given is None or any(each.shape.rank != 1 for each in op.inputs if each is not given):
                return None
        tensor = source(given)
    if tensor.op.type != "MatMul" or not is_constant(tensor.op.inputs[1]) or not reshapes:
        return None
    return tensor if sum(1 for _ in readers(tensor)) == 1 and sizes(tensor) is not None else None


def _fits(op: Any) -> bool:
    return sizes(op.outputs[0]) is not None and _scaled(op) is not None


def _make(op: Any, now: Now) -> Tensor:
    found = _scaled(op)
    assert found is not None
    place, product = found
    operands = [now(tensor) for tensor in op.inputs]
    operands[place] = tf.reshape(operands[place], product.shape)
    return tf.reshape(copied(op, operands)[0], op.outputs[0].shape)


FORM = Form(("Mul", "AddV2", "Sub"), _fits, _make)
