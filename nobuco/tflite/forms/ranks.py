"""Ops on tensors of more than four dims, which GPU delegates refuse, as ops on the same tensors with fewer.

    before  ADD (1, 64, 3, 49, 49), (1, 64, 1, 49, 49)
    after   3 RESHAPE, ADD (1, 64, 3, 2401), (1, 64, 1, 2401)

Dims that stand side by side and that an op treats alike are one dim to it. The reshapes become one with those around them:
most often nothing but the shapes changes."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Now, Tensor, is_constant, static
from nobuco.tflite.forms.joining import (
    ANY,
    MOST,
    MOST_OF_TFLITE,
    Joining,
    Sizes,
    aligned,
    is_between_reshapes,
    joined_batches,
    largest_rank,
    product,
    reshaped,
    reshaping,
)
from nobuco.tflite.lowering.copying import copied

ELEMENTWISE = (
    "Abs", "Add", "AddN", "AddV2", "Cast", "Ceil", "Cos", "Elu", "Equal", "Exp", "Floor", "FloorDiv", "FloorMod", "Greater",
    "GreaterEqual", "LeakyRelu", "Less", "LessEqual", "Log", "LogicalAnd", "LogicalNot", "LogicalOr", "Maximum", "Minimum",
    "Mul", "Neg", "NotEqual", "Pow", "RealDiv", "Relu", "Relu6", "Round", "Rsqrt", "SelectV2", "Sigmoid", "Sign", "Sin",
    "Sqrt", "Square", "SquaredDifference", "Sub", "Tanh", "Erf",
)  # fmt: skip
REDUCTIONS = {
    "All": tf.reduce_all, "Any": tf.reduce_any, "Max": tf.reduce_max, "Mean": tf.reduce_mean, "Min": tf.reduce_min,
    "Prod": tf.reduce_prod, "Sum": tf.reduce_sum,
}  # fmt: skip


# -- what kinds of dims an op tells apart


def _elementwise(op: Any) -> list[Hashable]:
    """By which of the operands are broadcast along a dim."""
    shape = op.outputs[0].shape.as_list()
    operands = [aligned(tensor, len(shape)) for tensor in op.inputs]
    return [
        ANY if size == 1 else tuple(each[axis] == 1 for each in operands) for axis, size in enumerate(shape)
    ]


def _along(op: Any, *axes: int) -> list[Hashable]:
    """These axes apart, each for itself; what is left and right of them may be joined."""
    rank = op.outputs[0].shape.rank
    places = {axis % rank for axis in axes}
    return [("axis", axis) if axis in places else "other" for axis in range(rank)]


def _of_sizes(kinds: list[Hashable], *tensors: Tensor) -> list[Hashable]:
    """Dims that are 1 in all the tensors are of any kind."""
    return [
        ANY if all(tensor.shape[axis] == 1 for tensor in tensors) else kind for axis, kind in enumerate(kinds)
    ]


def _axis(op: Any, tensor: Tensor) -> int | None:
    value = static(tensor)
    return None if value is None or value.size != 1 else int(value.reshape(-1)[0])


# -- the ops, each made again with joined dims; None where that cannot be


def _joined_elementwise(op: Any, now: Now) -> Tensor | None:
    rank = op.outputs[0].shape.rank
    joining = Joining.of(_elementwise(op))
    inputs = []
    for tensor in op.inputs:
        if not tensor.shape.rank and is_constant(tensor):
            inputs.append(now(tensor))
            continue
        sizes = joining.sizes(aligned(tensor, rank))
        # In four dims, the first of them 1, where there is room: constants are read so.
        inputs.append(reshaped(now(tensor), [1] * (MOST - len(sizes)) + sizes))
    return copied(op, inputs)[0]


def _fits_elementwise(op: Any) -> bool:
    return len(Joining.of(_elementwise(op))) <= MOST


def _fits_bias(op: Any) -> bool:
    return op.get_attr("data_format") == b"NHWC"


def _bias(op: Any, now: Now) -> Tensor:
    return tf.nn.bias_add(_rows(now(op.inputs[0])), now(op.inputs[1]))


def _rows(x: Tensor) -> Tensor:
    """The last dim as it is, the others as one, behind a first of 1."""
    *before, last = x.shape.as_list()
    return reshaped(x, [1, product(before), last])


def _softmax(op: Any, now: Now) -> Tensor:
    return copied(op, [_rows(now(op.inputs[0]))])[0]


def _fits_concat(op: Any) -> bool:
    return _axis(op, op.inputs[-1]) is not None


def _concat(op: Any, now: Now) -> Tensor:
    axis = (_axis(op, op.inputs[-1]) or 0) % op.outputs[0].shape.rank
    joining = Joining.of(_along(op, axis))
    place = joining.group(axis) + MOST - len(joining)
    tensors = [
        reshaped(now(each), [1] * (MOST - len(joining)) + joining.sizes(each.shape.as_list()))
        for each in op.inputs[:-1]
    ]
    return tf.concat(tensors, place)


def _fits_split(op: Any) -> bool:
    return _axis(op, op.inputs[0] if op.type == "Split" else op.inputs[2]) is not None


def _split(op: Any, now: Now) -> list[Tensor]:
    value, sizes, axis = (
        (op.inputs[1], None, op.inputs[0])
        if op.type == "Split"
        else (op.inputs[0], op.inputs[1], op.inputs[2])
    )
    place = (_axis(op, axis) or 0) % value.shape.rank
    joining = Joining.of(_along(op, place))
    x = reshaped(now(value), joining.sizes(value.shape.as_list()))
    cut = len(op.outputs) if sizes is None else now(sizes)
    return list(tf.split(x, cut, joining.group(place)))


def _reduced_axes(op: Any) -> list[int] | None:
    axes = static(op.inputs[1])
    rank = op.inputs[0].shape.rank
    return None if axes is None else [int(axis) % rank for axis in axes.reshape(-1)]


def _reduction(op: Any) -> Joining:
    x = op.inputs[0]
    axes = _reduced_axes(op) or []
    return Joining.of(_of_sizes([axis in axes for axis in range(x.shape.rank)], x))


def _fits_reduction(op: Any) -> bool:
    return _reduced_axes(op) is not None and len(_reduction(op)) <= MOST


def _reduce(op: Any, now: Now) -> Tensor:
    joining, axes, x = _reduction(op), _reduced_axes(op) or [], op.inputs[0]
    sizes = x.shape.as_list()
    reduced = [
        number
        for number, group in enumerate(joining.groups)
        if any(axis in axes and sizes[axis] != 1 for axis in group)
    ]
    return REDUCTIONS[op.type](reshaped(now(x), joining.sizes(sizes)), reduced)


def _reduce_in_four_dims(op: Any, now: Now) -> Tensor:
    """What is reduced away leaves a dim of 1: a vector that is left has to be a row to what reads it."""
    joining, axes, x = _reduction(op), _reduced_axes(op) or [], op.inputs[0]
    sizes, ones = x.shape.as_list(), MOST - len(joining)
    reduced = [
        ones + number
        for number, group in enumerate(joining.groups)
        if any(axis in axes and sizes[axis] != 1 for axis in group)
    ]
    return REDUCTIONS[op.type](reshaped(now(x), [1] * ones + joining.sizes(sizes)), reduced, keepdims=True)


def _is_reduced_to_a_scalar(op: Any) -> bool:
    return op.outputs[0].shape.rank == 0 and op.inputs[0].shape.rank and _reduced_axes(op) is not None


def _scalar(op: Any, now: Now) -> Tensor:
    """In four dims, the first of them 1."""
    sizes: Sizes = op.inputs[0].shape.as_list()
    while len(sizes) >= MOST and (len(sizes) > MOST or sizes[0] != 1):
        sizes = [product(sizes[:2]), *sizes[2:]]
    x = reshaped(now(op.inputs[0]), [1] * (MOST - len(sizes)) + sizes)
    return REDUCTIONS[op.type](x, list(range(MOST)), keepdims=True)


def _fits_product(op: Any) -> bool:
    a, b = op.inputs
    return b.shape.rank == 2 or len(joined_batches(op)) <= MOST - 2 or a.shape.rank == 2


def _product_of(op: Any, now: Now) -> Tensor:
    a, b = op.inputs
    if b.shape.rank == 2 and not op.get_attr("adj_x"):
        right = (
            now(b) if a.shape.rank <= MOST_OF_TFLITE else now(b)[None]
        )  # else TFLite's converter undoes this
        return tf.matmul(_rows(now(a)), right, adjoint_b=op.get_attr("adj_y"))
    rank, joining = op.outputs[0].shape.rank, joined_batches(op)
    given = [
        reshaped(now(each), [*joining.sizes(aligned(each, rank)[:-2]), *each.shape.as_list()[-2:]])
        for each in op.inputs
    ]
    return tf.matmul(*given, adjoint_a=op.get_attr("adj_x"), adjoint_b=op.get_attr("adj_y"))


def _is_misread(op: Any) -> bool:
    """Whether GPU delegates read a constant operand along other dims than it is meant: as of a picture, (H, W, C) or (W, C),
    where they read a computed one of fewer than four dims as (B, W, C), (B, C) or (B). In four dims all is plain."""
    rank = op.outputs[0].shape.rank
    constants = [tensor for tensor in op.inputs if tensor.shape.rank and is_constant(tensor)]
    if rank > MOST or not constants or len(Joining.of(_elementwise(op))) >= MOST:
        return False
    computed = max((tensor.shape.rank for tensor in op.inputs if not is_constant(tensor)), default=0)
    if computed == 0:
        return False
    places = (back for each in constants for back in range(1, each.shape.rank + 1) if each.shape[-back] != 1)
    return max(places, default=0) >= computed


def _has_a_computed_scalar(op: Any) -> bool:
    """The classic GPU delegate fails on tensors without dims; ML Drift refuses them beside such with dims."""
    return any(
        tensor.shape.rank == 0 and not is_constant(tensor) for tensor in (*op.inputs, *op.outputs)
    ) and _fits_elementwise(op)


def _joins_a_constant(op: Any) -> bool:
    """The classic GPU delegate reads constants of four dims there, and no others."""
    return op.outputs[0].shape.rank < MOST and any(map(is_constant, op.inputs[:-1])) and _fits_concat(op)


_OPS = (
    (ELEMENTWISE, _fits_elementwise, _joined_elementwise),
    (("BiasAdd",), _fits_bias, _bias),
    (("Softmax", "LogSoftmax"), lambda op: True, _softmax),
    (("ConcatV2",), _fits_concat, _concat),
    (("Split", "SplitV"), _fits_split, _split),
    (tuple(REDUCTIONS), _fits_reduction, _reduce),
    (("BatchMatMulV2",), _fits_product, _product_of),
)


def _wanted(fits: Any, free: bool, more_than: int = MOST) -> Any:
    return lambda op: largest_rank(op) > more_than and (not free or is_between_reshapes(op)) and fits(op)


FORMS = (
    *(reshaping(types, _wanted(fits, True), make) for types, fits, make in _OPS),
    *(reshaping(types, _wanted(fits, False, MOST_OF_TFLITE), make) for types, fits, make in _OPS),
)
GPU_FORMS = (
    reshaping(tuple(REDUCTIONS), _wanted(_fits_reduction, False), _reduce_in_four_dims),
    *(reshaping(types, _wanted(fits, False), make) for types, fits, make in _OPS),
    reshaping(ELEMENTWISE, _is_misread, _joined_elementwise),
    reshaping(ELEMENTWISE, _has_a_computed_scalar, _joined_elementwise),
    reshaping(tuple(REDUCTIONS), _is_reduced_to_a_scalar, _scalar),
    reshaping(("ConcatV2",), _joins_a_constant, _concat),
)
