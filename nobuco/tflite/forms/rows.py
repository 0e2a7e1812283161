"""Transposes before and behind a product with weights, as one: what is done to its rows may be done before it or after it.

    before  TRANSPOSE (16, 32, 96) -> (32, 16, 96), FULLY_CONNECTED (32, 16, 384), TRANSPOSE (16, 32, 384)
    after   FULLY_CONNECTED (16, 32, 384)

    before  TRANSPOSE (64, 3, 49, 32) -> (64, 49, 3, 32), FULLY_CONNECTED (64, 49, 96), RESHAPE (8, 8, 7, 7, 96),
            TRANSPOSE (8, 7, 8, 7, 96)
    after   RESHAPE (8, 8, 3, 7, 7, 32), TRANSPOSE (8, 7, 8, 7, 3, 32), FULLY_CONNECTED (56, 56, 96)

Recurrent layers along the columns of a picture; the windows of Swin, and the heads of attention inside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, is_constant, named_as, readers, sizes, source
from nobuco.tflite.forms.joining import MOST, MOST_OF_TFLITE
from nobuco.tflite.forms.transposes import RELABELS, Move, Turn, is_fit, moves_of, row_of, turn_of

_ADDS = ("BiasAdd", "AddV2", "Mul")


@dataclass(frozen=True)
class _Product:
    """`ahead` and `behind` are the transposes and reshapes before and after it; `adds` the ops that add a vector to its
    result, or scale that by a number."""

    op: Any
    adds: tuple[Any, ...]
    x: Tensor
    ahead: list[Move]
    behind: list[Move]

    @property
    def depth(self) -> int:
        return self.op.inputs[0].shape[-1]

    @property
    def width(self) -> int:
        return self.op.outputs[0].shape[-1]

    def made(self, x: Tensor, now: Now) -> Tensor:
        """The product of rows, and what is added to it."""
        turned = self.op.get_attr("transpose_b")
        with named_as(self.op):
            y = tf.matmul(tf.reshape(x, [-1, self.depth]), now(self.op.inputs[1]), transpose_b=turned)
            for add in self.adds:
                by = now(_constant(add))
                y = y * by if add.type == "Mul" else tf.nn.bias_add(y, by)
        return y


def _constant(op: Any) -> Tensor | None:
    """What an op adds to another tensor, or scales it by."""
    return next((tensor for tensor in op.inputs if is_constant(tensor)), None)


def _other(op: Any) -> Tensor:
    return next(tensor for tensor in op.inputs if tensor is not _constant(op))


def _is_added(op: Any, width: int | None) -> bool:
    by = _constant(op)
    if by is None:
        return False
    if op.type == "Mul":
        return by.shape.rank == 0
    return by.shape.rank == 1 and by.shape[0] == width == op.outputs[0].shape[-1]


def _product(op: Any) -> _Product | None:
    """The product whose result a transpose, after reshapes and vectors added to it, turns."""
    made, behind = row_of(op)
    adds: list[Any] = []
    while made.op.type in (*_ADDS, *RELABELS) and sum(1 for _ in readers(made)) == 1:
        before = made.op
        if before.type not in RELABELS and _constant(before) is None:
            return None
        (behind if before.type in RELABELS else adds).insert(0, before)
        made = source(before.inputs[0] if before.type in RELABELS else _other(before))
    product = made.op
    if product.type != "MatMul" or product.get_attr("transpose_a") or not is_constant(product.inputs[1]):
        return None
    if not all(_is_added(add, made.shape[-1]) for add in adds):
        return None
    x, ahead = _ahead(product)
    first, last = moves_of(ahead), moves_of(behind)
    shape = sizes(op.outputs[0])
    if not ahead or first is None or last is None or shape is None or sizes(x) is None or sizes(made) is None:
        return None
    return _Product(product, tuple(adds), x, first, last)


def _ahead(product: Any) -> tuple[Tensor, list[Any]]:
    """The transposes and reshapes whose result the product reads, from the first transpose on, and what that reads."""
    x, ops = source(product.inputs[0]), []
    while x.op.type in ("Transpose", *RELABELS):
        ops.insert(0, x.op)
        x = source(x.op.inputs[0])
    while ops and ops[0].type != "Transpose":
        x = ops.pop(0).outputs[0]
    return x, ops


def _of_rows(turn: Turn, columns: int) -> Turn | None:
    """A turn that leaves the columns as they are, with these as a dim of their own."""
    last = len(turn.shape) - 1
    if turn.order[last] != last or turn.shape[last] % columns:
        return None
    inner = turn.shape[last] // columns
    return Turn((*turn.shape[:last], inner, columns), (*turn.order, last + 1))


def _later(found: _Product, most: int) -> Turn | None:
    """What is to be done behind the product, with nothing before it."""
    shape = sizes(found.x)
    before = None if shape is None else turn_of(shape, found.ahead)
    rows = None if before is None or before.is_none else _of_rows(before, found.depth)
    if rows is None:
        return None
    start = [*rows.shape[:-1], found.width]
    again = ("Reshape", list(found.op.outputs[0].shape))
    turn = turn_of(start, [("Transpose", list(rows.order)), again, *found.behind])
    # of more dims it was measured to cost more than the transpose that it saves
    return turn if turn is not None and len(turn.shape) <= min(most, MOST) else None


def _earlier(found: _Product, most: int) -> Turn | None:
    """What is to be done before the product, with nothing behind it."""
    after = turn_of(list(found.op.outputs[0].shape), found.behind)
    rows = None if after is None or after.is_none else _of_rows(after, found.width)
    shape = sizes(found.x)
    if rows is None or shape is None:
        return None
    start = [*rows.shape[:-1], found.depth]
    turn = turn_of(shape, [*found.ahead, ("Reshape", start), ("Transpose", list(rows.order))])
    return turn if turn is not None and is_fit(turn, most, 2) else None


def _chosen(op: Any, most: int) -> tuple[_Product, Turn, bool] | None:
    found = _product(op)
    if found is None:
        return None
    turn = _later(found, most)
    if turn is not None and _is_for_all(found.op, most):
        return found, turn, True
    if not _is_read_once(found.op):
        return None
    turn = _earlier(found, most)
    return None if turn is None else (found, turn, False)


def _is_read_once(product: Any) -> bool:
    """Whether the product alone reads what is turned before it, so that nothing is turned twice."""
    tensor = source(product.inputs[0])
    while tensor.op.type in ("Transpose", *RELABELS):
        if sum(1 for _ in readers(tensor)) != 1:
            return False
        tensor = source(tensor.op.inputs[0])
    return True


def _is_for_all(product: Any, most: int) -> bool:
    """Whether all that reads what is turned before the product are products that it may be done behind."""
    tensor = source(product.inputs[0])
    while tensor.op.type in RELABELS:
        tensor = source(tensor.op.inputs[0])
    return all(
        transpose is not None
        and (found := _product(transpose)) is not None
        and _later(found, most) is not None
        for transpose in _turned_behind(tensor)
    )


def _turned_behind(tensor: Tensor) -> list[Any]:
    """The transposes that what reads a tensor ends in, by way of products; None for each that is something else."""
    ends: list[Any] = []
    for reader in readers(tensor):
        if reader is None:
            ends.append(None)
        elif reader.type == "Transpose":
            ends.append(reader)
        elif reader.type in _ADDS or (
            reader.type in (*RELABELS, "MatMul") and source(reader.inputs[0]) is source(tensor)
        ):
            ends += _turned_behind(reader.outputs[0])
        else:
            ends.append(None)
    return ends


def _form(most: int) -> Form:
    def make(op: Any, now: Now) -> Tensor:
        chosen, shape = _chosen(op, most), sizes(op.outputs[0])
        assert chosen is not None and shape is not None
        found, turn, later = chosen
        if later:
            return turn.applied(found.made(now(found.x), now), shape)
        rows = turn.applied(now(found.x), [-1, found.depth])
        return tf.reshape(found.made(rows, now), shape)

    return Form(("Transpose",), lambda op: _chosen(op, most) is not None, make)


FORMS = (_form(MOST_OF_TFLITE),)
GPU_FORMS = (_form(MOST),)
