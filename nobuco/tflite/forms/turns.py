"""Products of which a side is turned, with the turn out of the reach of TFLite's converter, for a GPU.

    before  TRANSPOSE (4, 6, 8) -> (4, 8, 6), BATCH_MATMUL (4, 5, 8), (4, 8, 6)
    after   RESHAPE (1, 4, 6, 8), TRANSPOSE -> (1, 4, 8, 6), RESHAPE (4, 8, 6), BATCH_MATMUL

Of a transpose of the last two dims in front of a product the converter makes a flag, `adj_x` or `adj_y`, which the classic
GPU delegate ignores; it moves transposes past element-wise ops to come to that. Where a reshape stands between the two it
leaves them as they are."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Now, Tensor, is_constant, sizes, source, static
from nobuco.tflite.forms.joining import (
    MOST,
    MOST_OF_TFLITE,
    Sizes,
    aligned,
    canonical,
    joined_batches,
    product,
    reshaped,
    reshaping,
)
from nobuco.tflite.forms.products import turned, turned_before
from nobuco.tflite.forms.ranks import ELEMENTWISE

_FLAGS = ("adj_x", "adj_y")


def _turned_from(tensor: Tensor) -> Tensor | None:
    """What a transpose makes a tensor of by nothing but a change of its last two dims."""
    op = source(tensor).op
    if op.type != "Transpose" or sizes(op.inputs[0]) is None:
        return None
    order = static(op.inputs[1])
    if order is None:
        return None
    kept, places = canonical(op.inputs[0].shape.as_list(), [int(axis) for axis in order])
    if places not in ([1, 0], [0, 2, 1]) or kept[-2:][::-1] != op.outputs[0].shape.as_list()[-2:]:
        return None
    return op.inputs[0]


def _is_turned(op: Any, number: int) -> bool:
    tensor = op.inputs[number]
    if is_constant(tensor):
        return False
    return op.get_attr(_FLAGS[number]) or _turned_from(tensor) is not None or _is_turned_before(tensor)


def _is_turned_before(tensor: Tensor) -> bool:
    """Whether element-wise ops stand between a transpose and the product."""
    op = source(tensor).op
    if op.type not in ELEMENTWISE:
        return False
    given = [each for each in op.inputs if not is_constant(each) and each.shape == tensor.shape]
    return any(_turned_from(each) is not None or _is_turned_before(each) for each in given)


def _fits(op: Any) -> bool:
    if not any(_is_turned(op, number) for number in (0, 1)) or any(each.shape.rank < 3 for each in op.inputs):
        return False
    return op.outputs[0].shape.rank <= MOST or len(joined_batches(op)) <= MOST - 2


def _make(op: Any, now: Now) -> Tensor:
    sides = [_side(op, number, now) for number in (0, 1)]
    flags = [
        op.get_attr(flag) and is_constant(tensor) for flag, tensor in zip(_FLAGS, op.inputs, strict=True)
    ]
    return tf.matmul(*sides, adjoint_a=flags[0], adjoint_b=flags[1])


def _side(op: Any, number: int, now: Now) -> Tensor:
    tensor, rank = op.inputs[number], op.outputs[0].shape.rank
    batches = (
        tensor.shape.as_list()[:-2] if rank <= MOST else joined_batches(op).sizes(aligned(tensor, rank)[:-2])
    )
    rows, columns = tensor.shape.as_list()[-2:]
    if is_constant(tensor) or not _is_turned(op, number):
        return reshaped(now(tensor), [*batches, rows, columns])
    before = _turned_from(tensor)
    if not op.get_attr(_FLAGS[number]):
        # one more transpose, and the converter makes nothing of it and the one above
        x = tf.linalg.matrix_transpose(now(tensor)) if before is None else now(before)
        return _apart(x, batches, columns, rows)
    if before is not None:  # turned twice
        return reshaped(now(before), [*batches, columns, rows])
    if tensor.shape.rank <= MOST_OF_TFLITE and turned_before(tensor) is not None:
        return reshaped(turned(tensor, now), [*batches, columns, rows])
    return _apart(now(tensor), batches, rows, columns)


def _apart(x: Tensor, batches: Sizes, rows: int | None, columns: int | None) -> Tensor:
    """(*batches, rows, columns) turned in three dims where the product has four, and in four where it has three."""
    joined = [product(batches)] if len(batches) != 1 else [1, *batches]
    x = reshaped(x, [*joined, rows, columns])
    last = len(joined)
    return reshaped(tf.transpose(x, [*range(last), last + 1, last]), [*batches, columns, rows])


GPU_FORMS = (reshaping(("BatchMatMulV2",), _fits, _make),)
