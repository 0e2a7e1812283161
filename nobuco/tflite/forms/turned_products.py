"""The transpose of a product, as the product of the transposes, where fewer tensors are transposed so.

    before  TRANSPOSE (1, 49, 16) -> (1, 16, 49), BATCH_MATMUL (1, 16, 49), (1, 49, 49) with `adj_y`, RESHAPE (1, 16, 7, 7),
            TRANSPOSE (1, 7, 7, 16)
    after   BATCH_MATMUL (1, 49, 49), (1, 49, 16), RESHAPE (1, 7, 7, 16)

Attention over the places of a picture: PyTorch has the channels first, and here they are last before it and after it."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, is_constant, named_as, readers, sizes, source
from nobuco.tflite.forms.joining import MOST
from nobuco.tflite.forms.products import turned, turned_before
from nobuco.tflite.forms.transposes import row_of, turn_between


def _product(op: Any) -> Any | None:
    """The product that a transpose turns the other way, if nothing else reads it."""
    _, ops = row_of(op)
    first = source(ops[0].inputs[0])
    while ops and first.op.type != "BatchMatMulV2":
        first = source(ops.pop(0).outputs[0])
    if not ops or sum(1 for _ in readers(first)) != 1 or not first.dtype.is_floating:
        return None
    shape, turn = sizes(first), turn_between(first, ops)
    if shape is None or turn is None or len(shape) > MOST or any(sizes(x) is None for x in first.op.inputs):
        return None
    *batches, rows, columns = shape
    if any(list(x.shape[:-2]) != batches for x in first.op.inputs):
        return None
    swapped = [*range(len(batches)), len(shape) - 1, len(shape) - 2]
    return first.op if turn == type(turn).of(shape, swapped) and 1 not in (rows, columns) else None


def _transposes(x: Tensor, adjoint: bool) -> int:
    """How many it takes to have an operand as it is, or with its last two dims in the other order."""
    if is_constant(x):
        return 0
    found = turned_before(x)
    if found is None:
        return int(adjoint)
    return int(not found[1].is_none) if adjoint else 1


def _fits(op: Any) -> bool:
    product = _product(op)
    if product is None:
        return False
    flags = product.get_attr("adj_x"), product.get_attr("adj_y")
    now = sum(_transposes(x, flag) for x, flag in zip(product.inputs, flags, strict=True))
    then = sum(_transposes(x, not flag) for x, flag in zip(product.inputs, flags, strict=True))
    return then < now + 1


def _make(op: Any, now: Now) -> Tensor:
    product = _product(op)
    assert product is not None
    (a, b), adjoint = product.inputs, (product.get_attr("adj_x"), product.get_attr("adj_y"))
    left, right = (now(x) if flag else turned(x, now) for x, flag in ((b, adjoint[1]), (a, adjoint[0])))
    with named_as(product):
        made = tf.matmul(left, right)
    return tf.reshape(made, op.outputs[0].shape.as_list())


FORM = Form(("Transpose",), _fits, _make)
