"""Parts of a projection: a product with fewer columns each, instead of one product that is cut up.

    before  FULLY_CONNECTED (197, 768) -> (197, 2304), RESHAPE (197, 3, 768), 3 STRIDED_SLICE -> (197, 768)
    after   3 FULLY_CONNECTED (197, 768) -> (197, 768)

Queries, keys and values of attention, the halves of a gate. The columns may be cut apart by slices, SPLIT or UNPACK, after
reshapes and one transpose, as long as nothing else reads them. No weight is held twice."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, is_constant, named_as, readers, source, static
from nobuco.tflite.forms.slices import selections

_CUTS = ("StridedSlice", "Split", "SplitV", "Unpack")
_RELABELS = ("Reshape", "ExpandDims", "Squeeze")
_FEWEST = 8  # columns of a part: narrower products leave kernels idle


@dataclass(frozen=True)
class _Projection:
    """A product, and how its result is laid out when it is cut.

    Attributes:
        product: the MatMul or BatchMatMulV2 op.
        vectors: of a bias or a BatchNorm: the ops by which they come to its columns, in order, and the vectors.
        lead: sizes of the axes before those that the columns have become.
        columns: sizes of the axes that the columns have become.
        order: the transpose that follows; None for none.
    """

    product: Any
    vectors: tuple[tuple[str, Tensor], ...]
    lead: tuple[int | None, ...]
    columns: tuple[int, ...]
    order: tuple[int, ...] | None


def _is_weight(tensor: Tensor) -> bool:
    op = source(tensor).op
    if op.type in ("Transpose", "Reshape", "Squeeze"):
        return _is_weight(op.inputs[0])
    return op.type in ("Const", "ReadVariableOp")


def _projection(tensor: Tensor) -> _Projection | None:
    """What yields a tensor that is cut."""
    tensor = source(tensor)
    order = None
    if tensor.op.type == "Transpose":
        permutation = static(tensor.op.inputs[1])
        if permutation is None:
            return None
        order = tuple(map(int, permutation))
        tensor = _before(tensor.op.inputs[0])
    shape = None if tensor is None else tensor.shape
    vectors: list[tuple[str, Tensor, Tensor]] = []
    while tensor is not None and tensor.op.type not in ("MatMul", "BatchMatMulV2"):
        op = tensor.op
        if op.type in _RELABELS:
            tensor = _before(op.inputs[0])
        elif op.type in ("BiasAdd", "AddV2", "Mul") and any(map(is_constant, op.inputs)):
            vector, other = sorted(op.inputs, key=lambda each: not is_constant(each))
            vectors.insert(0, (op.type, vector, op.outputs[0]))
            tensor = _before(other)
        else:
            return None
    if tensor is None or shape is None or shape.rank is None:
        return None
    product = tensor.op
    weight = product.inputs[1]
    turned = "transpose_a" if product.type == "MatMul" else "adj_x"
    if not _is_weight(weight) or weight.shape.rank != 2 or product.get_attr(turned):
        return None
    width = tensor.shape[-1]
    if width is None or not product.outputs[0].dtype.is_floating:
        return None
    if any(vector.shape.as_list() != [width] or to.shape[-1] != width for _, vector, to in vectors):
        return None
    split = _split(shape.as_list(), width)
    if split is None:
        return None
    return _Projection(
        product,
        tuple((kind, vector) for kind, vector, _ in vectors),
        tuple(shape[:split]),
        tuple(shape[split:]),
        order,
    )


def _before(tensor: Tensor) -> Tensor | None:
    """The tensor, if one op alone reads it."""
    tensor = source(tensor)
    return tensor if sum(1 for _ in readers(tensor)) == 1 else None


def _split(shape: list[int | None], width: int) -> int | None:
    """The first of the axes that hold the columns."""
    held = 1
    for axis in reversed(range(len(shape))):
        size = shape[axis]
        if size is None or held * size > width:
            return None
        held *= size
        if held == width:
            return axis
    return None


def _columns(projection: _Projection, places: list[np.ndarray | None]) -> np.ndarray | None:
    """The columns that are taken, in an array of as many axes as they have become; None where more than columns are cut."""
    if projection.order is not None:
        places = [places[projection.order.index(axis)] for axis in range(len(places))]
    lead = len(projection.lead)
    if any(place is not None for place in places[:lead]):
        return None
    labels = np.arange(prod(projection.columns)).reshape(projection.columns)
    chosen = [
        np.arange(n) if place is None else place
        for place, n in zip(places[lead:], projection.columns, strict=True)
    ]
    return labels[np.ix_(*chosen)]


def _cut(op: Any) -> Tensor:
    return op.inputs[1] if op.type == "Split" else op.inputs[0]


def _parts(projection: _Projection, op: Any) -> list[np.ndarray] | None:
    """The columns of each output of an op that cuts; None where the form is not for it."""
    if op is None or op.type not in _CUTS:
        return None
    cuts = selections(op)
    if cuts is None or any(output.shape.as_list().count(None) > 1 for output in op.outputs):
        return None
    found = [_columns(projection, places) for places in cuts]
    if any(columns is None or columns.size < _FEWEST for columns in found):
        return None
    return [columns for columns in found if columns is not None]


def _fits(op: Any) -> bool:
    cut = source(_cut(op))
    if cut.op.type not in (*_RELABELS, "Transpose", "BiasAdd", "AddV2", "Mul", "MatMul", "BatchMatMulV2"):
        return False
    projection = _projection(cut)
    if projection is None or projection.lead.count(None) > 1:
        return False
    taken = [_parts(projection, reader) for reader in readers(cut)]
    if any(each is None for each in taken):
        return False
    columns = np.concatenate([part.reshape(-1) for each in taken for part in each or []])
    return len(columns) == len(np.unique(columns))


def _make(op: Any, now: Now) -> Tensor | list[Tensor]:
    projection = _projection(_cut(op))
    assert projection is not None
    made = []
    for columns, output in zip(_parts(projection, op) or [], op.outputs, strict=True):
        with named_as(projection.product):
            part = _product(projection, columns.reshape(-1), now)
        part = _ordered(part, projection, columns.shape)
        made.append(tf.reshape(part, [-1 if size is None else size for size in output.shape.as_list()]))
    return made if op.type != "StridedSlice" else made[0]


def _product(projection: _Projection, columns: np.ndarray, now: Now) -> Tensor:
    product = projection.product
    turned = product.get_attr("transpose_b" if product.type == "MatMul" else "adj_y")
    weight = _taken(now(product.inputs[1]), columns, 0 if turned else 1)
    result = tf.matmul(now(product.inputs[0]), weight, transpose_b=turned)
    for kind, vector in projection.vectors:
        taken = _taken(now(vector), columns, 0)
        result = result * taken if kind == "Mul" else tf.nn.bias_add(result, taken)
    return result


def _taken(weight: Tensor, columns: np.ndarray, axis: int) -> Tensor:
    """Of constants: done when the file is made."""
    first, count = int(columns[0]), len(columns)
    if np.array_equal(columns, np.arange(first, first + count)):
        return weight[(slice(None),) * axis + (slice(first, first + count),)]
    return tf.gather(weight, columns, axis=axis)


def _ordered(part: Tensor, projection: _Projection, columns: tuple[int, ...]) -> Tensor:
    """In the order of axes that the original is cut in, but for axes of size 1."""
    if projection.order is None:
        return part
    shape = [*projection.lead, *columns]
    kept = [axis for axis, size in enumerate(shape) if size != 1]
    order = [kept.index(axis) for axis in projection.order if axis in kept]
    if order == sorted(order):
        return part
    reshaped = tf.reshape(part, [-1 if shape[axis] is None else shape[axis] for axis in kept])
    return tf.transpose(reshaped, order)


FORM = Form(_CUTS, _fits, _make)
