"""A product with weights over a dim that is brought to the end for it and back again, as a product from the left.

    before  TRANSPOSE (1, 4, 196, 196) -> (1, 196, 196, 4), FULLY_CONNECTED, TRANSPOSE (1, 4, 196, 196)
    after   RESHAPE (1, 4, 38416), BATCH_MATMUL of a constant (1, 4, 4) and that, RESHAPE (1, 4, 196, 196)

Heads of attention that are mixed before or after the softmax. GPU delegates take no constant on the left."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, is_constant, named_as, readers, sizes, source
from nobuco.tflite.forms.transposes import RELABELS, Turn, row_of, turn_between


@dataclass(frozen=True)
class _Mixture:
    """`before` are the sizes of the dims left of the one that is mixed, `after` of those right of it."""

    x: Tensor
    product: Any
    biases: tuple[Tensor, ...]
    before: int
    after: int


def _is_alone(tensor: Tensor) -> bool:
    return sum(1 for _ in readers(tensor)) == 1


def _mixture(op: Any) -> _Mixture | None:
    """What two transposes make of a product between them; None where it is something else."""
    made, back = row_of(op)
    biases: list[Tensor] = []
    while made.op.type in ("BiasAdd", "AddV2", *RELABELS) and _is_alone(made):
        given = source(made.op.inputs[0])
        if made.op.type not in RELABELS:
            bias = made.op.inputs[1]
            if bias.shape.rank != 1 or bias.shape[0] != made.shape[-1] or not is_constant(bias):
                return None
            biases.insert(0, bias)
        elif made.shape[-1] != given.shape[-1]:
            return None
        made = given
    product = made.op
    if product.type != "MatMul" or not _is_alone(made) or product.get_attr("transpose_a"):
        return None
    if not is_constant(product.inputs[1]):
        return None
    return _between(op, product, biases, back)


def _between(op: Any, product: Any, biases: list[Tensor], back: list[Any]) -> _Mixture | None:
    columns = source(product.inputs[0])
    ahead: list[Any] = []
    while columns.op.type in ("Transpose", *RELABELS) and _is_alone(columns):
        ahead.insert(0, columns.op)
        columns = source(columns.op.inputs[0])
        if ahead[0].type == "Transpose":
            break
    if not ahead or ahead[0].type != "Transpose":
        return None
    there = turn_between(columns, ahead)
    mixed, shape = product.inputs[0].shape[-1], sizes(op.outputs[0])
    came = turn_between(source(back[0].inputs[0]), back)
    if there is None or came is None or shape is None or mixed is None:
        return None
    # there: (before, mixed, after) -> (before, after, mixed), where all of one kind stay together
    found = _moved_last(there, mixed)
    width = product.outputs[0].shape[-1]
    if found is None or width is None:
        return None
    before, after = found
    if came != Turn.of([before, after, width], [0, 2, 1]):
        return None
    return _Mixture(columns, product, tuple(biases), before, after)


def _moved_last(turn: Turn, mixed: int) -> tuple[int, int] | None:
    *kept, moved = turn.order
    if turn.is_none or kept != sorted(kept) or turn.shape[moved] != mixed:
        return None
    return prod(turn.shape[:moved]), prod(turn.shape[moved + 1 :])


def _make(op: Any, now: Now) -> Tensor:
    found = _mixture(op)
    assert found is not None
    weight = now(found.product.inputs[1])
    left = weight if found.product.get_attr("transpose_b") else tf.transpose(weight)
    with named_as(found.product):
        y = tf.matmul(left[None], tf.reshape(now(found.x), [found.before, left.shape[1], found.after]))
        for bias in found.biases:
            y = y + tf.reshape(now(bias), [1, -1, 1])
    return tf.reshape(y, op.outputs[0].shape.as_list())


FORM = Form(("Transpose",), lambda op: _mixture(op) is not None, _make)
