"""Products in the forms that GPU delegates compute rightly.

    before  BATCH_MATMUL (1, 4, 17, 16), (1, 4, 17, 16), the second transposed by `adj_y`
    after   TRANSPOSE (1, 4, 17, 16) -> (1, 4, 16, 17), BATCH_MATMUL

    before  RESHAPE (17, 64), FULLY_CONNECTED (17, 64), RESHAPE (1, 17, 64)
    after   RESHAPE (1, 17, 64), FULLY_CONNECTED (1, 17, 64)

    before  BATCH_MATMUL of a constant (1, 7, 5) and (1, 5, 8)
    after   TRANSPOSE (1, 8, 5), FULLY_CONNECTED -> (1, 8, 7), TRANSPOSE (1, 7, 8), for a GPU

    before  BATCH_MATMUL of a constant (1, 4, 10, 8) and (1, 4, 8, 64): queries that are learnt
    after   TRANSPOSE (1, 4, 64, 8), SPLIT, 4 FULLY_CONNECTED, CONCATENATION, TRANSPOSE, for a GPU

GPU delegates take no constant on the left, and the classic one none of more than two dims on the right. It ignores `adj_x`
and `adj_y`, and fails on the reshape. A transpose that stands before the product already turns its tensor the other way, at
no cost. TFLite's converter would make `adj_x` or `adj_y` of a transpose that only swaps the last two dims, unless it is one
of more dims or of fewer than the product has."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, is_constant, readers, sizes, source
from nobuco.tflite.forms.joining import MOST, MOST_OF_TFLITE, product, reshaped, reshaping
from nobuco.tflite.forms.transposes import RELABELS, Turn, moves_of, turn_between, turn_of

_MOST = 16  # heads of which each is a product of its own


def _is_folded(tensor: Tensor) -> bool:
    """Whether TFLite's converter makes `adj_x` or `adj_y` of the transpose that yields a tensor, or may."""
    found, ops = source(tensor), []
    while found.op.type in ("Transpose", *RELABELS):
        ops.insert(0, found.op)
        found = source(found.op.inputs[0])
        if ops[0].type == "Transpose":
            break
    turn = turn_between(found, ops) if ops and ops[0].type == "Transpose" else None
    return turn is not None and not is_constant(found) and _is_swap(turn, tensor.shape.as_list())


def _is_swap(turn: Turn, shape: list[int | None]) -> bool:
    """Whether a turn is one of the last two dims of what it yields."""
    last = len(turn.shape) - 1
    return (
        not turn.is_none
        and turn.order == (*range(last - 1), last, last - 1)
        and list(turn.shape[-2:]) == [shape[-1], shape[-2]]
    )


def _is_turned(op: Any) -> bool:
    if any((tensor.shape.rank or 0) > MOST_OF_TFLITE for tensor in op.inputs):
        return False  # another form makes fewer dims of it
    flags = zip(op.inputs, (op.get_attr("adj_x"), op.get_attr("adj_y")), strict=True)
    return any(
        tensor.shape.rank is not None and not is_constant(tensor) and (adjoint or _is_folded(tensor))
        for tensor, adjoint in flags
    )


def _turned_product(op: Any, now: Now) -> Tensor:
    a, b = (
        now(tensor) if is_constant(tensor) else turned(tensor, now) if adjoint else _unfolded(tensor, now)
        for tensor, adjoint in zip(op.inputs, (op.get_attr("adj_x"), op.get_attr("adj_y")), strict=True)
    )
    left = [
        op.get_attr(name) and is_constant(x) for name, x in zip(("adj_x", "adj_y"), op.inputs, strict=True)
    ]
    return tf.matmul(a, b, adjoint_a=left[0], adjoint_b=left[1])


def _is_turned_before(op: Any) -> bool:
    return any(_turned_flags(op)) and all((x.shape.rank or 0) <= MOST_OF_TFLITE for x in op.inputs)


def _turned_flags(op: Any) -> list[bool]:
    """Which operands the product reads the other way that a transpose has turned before."""
    return [
        op.get_attr(name) and not is_constant(x) and turned_before(x) is not None
        for name, x in zip(("adj_x", "adj_y"), op.inputs, strict=True)
    ]


def _turned_before_product(op: Any, now: Now) -> Tensor:
    before = _turned_flags(op)
    a, b = (turned(x, now) if flag else now(x) for flag, x in zip(before, op.inputs, strict=True))
    left = [op.get_attr(name) and not flag for name, flag in zip(("adj_x", "adj_y"), before, strict=True)]
    return tf.matmul(a, b, adjoint_a=left[0], adjoint_b=left[1])


def _unfolded(tensor: Tensor, now: Now) -> Tensor:
    """As it is, by a transpose that stays one."""
    if not _is_folded(tensor):
        return now(tensor)
    found = source(tensor)
    while found.op.type != "Transpose":
        found = source(found.op.inputs[0])
    *batches, rows, columns = tensor.shape.as_list()
    return _swapped(tf.reshape(now(found.op.inputs[0]), [*batches, columns, rows]))


def turned(tensor: Tensor, now: Now) -> Tensor:
    """With its last two dims in the other order."""
    found = turned_before(tensor)
    if found is None:
        return _swapped(now(tensor))
    x, turn = found
    *batches, rows, columns = tensor.shape.as_list()
    if _is_swap(turn, [*batches, columns, rows]):
        return _swapped(tf.reshape(now(x), [*batches, rows, columns]))
    return turn.applied(now(x), [*batches, columns, rows])


def turned_before(tensor: Tensor) -> tuple[Tensor, Turn] | None:
    """What a tensor is made of by transposes and reshapes that nothing else reads, and the turn that yields it with its last
    two dims in the other order; None where there is no transpose."""
    found, ops = source(tensor), []
    while found.op.type in ("Transpose", *RELABELS) and sum(1 for _ in readers(found)) == 1:
        ops.insert(0, found.op)
        found = source(found.op.inputs[0])
    while ops and ops[0].type != "Transpose":
        found = source(ops.pop(0).outputs[0])
    shape, moves, rank = sizes(found), moves_of(ops), tensor.shape.rank
    if not ops or shape is None or moves is None:
        return None
    turn = turn_of(shape, [*moves, ("Transpose", [*range(rank - 2), rank - 1, rank - 2])])
    return None if turn is None or len(turn.shape) > MOST else (found, turn)


def _swapped(x: Tensor) -> Tensor:
    """With the last two dims in the other order. In as many dims as the product has TFLite's converter would make `adj_x` or
    `adj_y` of the transpose."""
    sizes = x.shape.as_list()
    if sizes.count(None) > 1 or len(sizes) not in (3, 4):
        rank = len(sizes)
        return tf.transpose(x, [*range(rank - 2), rank - 1, rank - 2])
    *batches, rows, columns = sizes
    if len(batches) == 1:
        y = tf.transpose(reshaped(x, [1, *sizes]), (0, 1, 3, 2))
    else:
        y = tf.transpose(reshaped(x, [product(batches), rows, columns]), (0, 2, 1))
    return reshaped(y, [*batches, columns, rows])


def _is_constant_first(op: Any) -> bool:
    a, b = op.inputs
    return is_constant(a) and not is_constant(b) and a.shape.is_fully_defined() and sizes(b) is not None


def _constant_second(op: Any, now: Now) -> Tensor:
    """The transpose of the product of the transposes."""
    a, b = op.inputs
    swapped = [*range(a.shape.rank - 2), a.shape.rank - 1, a.shape.rank - 2]
    right = now(a) if op.get_attr("adj_x") else tf.transpose(now(a), swapped)
    if all(size == 1 for size in a.shape[:-2]):
        right = tf.reshape(right, right.shape[-2:])
    x = now(b) if op.get_attr("adj_y") else turned(b, now)
    made = _by_batches(x, right) if _has_few_batches(x, right) else tf.matmul(x, right)
    return tf.transpose(made, [*range(made.shape.rank - 2), made.shape.rank - 1, made.shape.rank - 2])


def _has_few_batches(x: Tensor, right: Tensor) -> bool:
    """Whether both are one picture of as many heads, or such."""
    return (
        right.shape.rank == 4
        and x.shape[:2] == right.shape[:2]
        and right.shape[0] == 1
        and right.shape[1] <= _MOST
    )


def _by_batches(x: Tensor, right: Tensor) -> Tensor:
    """The classic delegate reads a constant of two dims there, and no others."""
    count = right.shape[1]
    parts = zip(tf.split(x, count, 1), tf.split(right, count, 1), strict=True)
    return tf.concat([tf.matmul(part, tf.reshape(held, held.shape[2:])) for part, held in parts], 1)


def _rows(op: Any, behind_reshapes: bool) -> tuple[Any, list[Tensor]] | None:
    """The product of rows that a reshape undoes the rows of, and the vectors added to it on the way.

    `behind_reshapes`: whether it counts, too, where the rows are rows already, of a reshape."""
    tensor, added = source(op.inputs[0]), []
    while tensor.op.type == "BiasAdd" and sum(1 for _ in readers(tensor)) == 1:
        added.append(tensor.op.inputs[1])
        tensor = source(tensor.op.inputs[0])
    product = tensor.op
    if product.type != "MatMul" or sum(1 for _ in readers(tensor)) != 1 or product.get_attr("transpose_a"):
        return None
    rows = product.inputs[0]
    flattened = source(rows).op
    if rows.shape[0] == 1 or flattened.type != "Reshape" or not is_constant(product.inputs[1]):
        return None
    before = _relabelled(flattened.inputs[0]).shape if behind_reshapes else flattened.inputs[0].shape
    if before.rank is None or (before[-1] == rows.shape[-1] and before.rank <= MOST_OF_TFLITE):
        return None  # where rows stay rows, TFLite's converter takes the reshapes away
    if rows.shape.as_list().count(None) > 1 or op.outputs[0].shape.as_list().count(None) > 1:
        return None
    return product, added[::-1]


def _relabelled(tensor: Tensor) -> Tensor:
    """What reshapes make a tensor of."""
    while source(tensor).op.type in RELABELS:
        tensor = source(tensor).op.inputs[0]
    return tensor


def _fits_rows(op: Any) -> bool:
    return _undoes_rows(op) and _rows(op, behind_reshapes=False) is not None


def _fits_reshaped_rows(op: Any) -> bool:
    """TFLite's converter makes one of the two reshapes before, and none of the one behind where an ADD reads it: the classic
    GPU delegate refuses to add (49, 512) to (1, 1, 49, 512)."""
    return _undoes_rows(op) and _rows(op, behind_reshapes=True) is not None


def _undoes_rows(op: Any) -> bool:
    return op.outputs[0].shape.rank is not None and op.inputs[0].shape.rank == 2


def _product_of_rows(op: Any, now: Now) -> Tensor:
    found = _rows(op, behind_reshapes=True)
    assert found is not None
    product, added = found
    count, width = product.inputs[0].shape.as_list()
    x = tf.reshape(now(product.inputs[0]), [1, -1 if count is None else count, width])
    weights = now(product.inputs[1])
    if op.outputs[0].shape.rank > MOST_OF_TFLITE:
        # of a product of rows TFLite's converter would make one in all the dims, which XNNPACK takes and cannot run
        kernel = tf.transpose(weights) if product.get_attr("transpose_b") else weights
        y = tf.nn.conv2d(x[None], kernel[None, None], 1, "VALID")
    else:
        y = tf.matmul(x, weights, transpose_b=product.get_attr("transpose_b"))
    for bias in added:
        y = tf.nn.bias_add(y, now(bias))
    return tf.reshape(y, [-1 if size is None else size for size in op.outputs[0].shape.as_list()])


# Transposes and reshapes more, which a CPU has no need of.
GPU_FORMS = (
    reshaping(("BatchMatMulV2",), _is_constant_first, _constant_second),
    Form(("Reshape",), _fits_reshaped_rows, _product_of_rows),
)
FORMS = (
    Form(("BatchMatMulV2",), _is_turned, _turned_product),
    Form(("Reshape",), _fits_rows, _product_of_rows),
)
# XNNPACK reads `adj_x` and `adj_y`: what is not turned anyway need not be.
CPU_FORMS = (Form(("BatchMatMulV2",), _is_turned_before, _turned_before_product), FORMS[1])
