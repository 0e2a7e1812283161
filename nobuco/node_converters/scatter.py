"""Reading and writing by index tensors: gather, scatter, index_add and their kin. In PyTorch's order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import torch
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.context import is_constant
from nobuco.contract.converter import Impossible
from nobuco.contract.dtypes import to_numpy
from nobuco.contract.registry import builtin, spellings
from nobuco.node_converters._sizes import broadcast, larger, product_of, shape_of
from nobuco.node_converters._types import cast
from nobuco.node_converters.indexing import index_parts
from nobuco.node_converters.writing import places_of, setitem, spread

_PYTORCH = ChannelOrderingStrategy.FORCE_PYTORCH_ORDER


def _grid(index: Any, dim: int) -> Any:
    """The coordinates of each element of `index`, its own value along `dim`: ``(*index.shape, rank)``."""
    rank, shape = index.shape.rank, tf.shape(index, out_type=tf.int64)
    axes = []
    for axis in range(rank):
        if axis == dim:
            axes.append(tf.cast(index, tf.int64))
        else:
            line = tf.reshape(tf.range(shape[axis]), [-1 if i == axis else 1 for i in range(rank)])
            axes.append(tf.broadcast_to(line, shape))
    return tf.stack(axes, -1)


@builtin(torch.gather, torch.Tensor.gather, strategy=_PYTORCH)
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False):
    """Along `dim` by `index`; along the other dims each place takes its own."""
    dim = dim % max(input.dim(), 1)

    def func(input, dim_, index, **kwargs):
        if not index.shape.rank:
            return tf.reshape(input, [])
        if 0 in index.shape.as_list():
            return tf.zeros(shape_of(index), input.dtype)
        x = input if input.shape.rank else tf.reshape(input, [1])
        return tf.gather_nd(x, _grid(index, dim))

    return func


@builtin(torch.take_along_dim, torch.Tensor.take_along_dim, strategy=_PYTORCH)
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None):
    def func(input, indices, dim=None):
        if dim is None:
            return tf.gather(tf.reshape(input, [-1]), tf.reshape(indices, [-1]))
        axis = dim % input.shape.rank
        own, asked = shape_of(input), shape_of(indices)
        shape = [larger(a, b) for a, b in zip(own, asked, strict=True)]
        x = tf.broadcast_to(input, [n if i != axis else own[axis] for i, n in enumerate(shape)])
        index = tf.broadcast_to(indices, [n if i != axis else asked[axis] for i, n in enumerate(shape)])
        index = tf.cast(index, tf.int64)
        size = tf.cast(own[axis], tf.int64) if tf.is_tensor(own[axis]) else own[axis]
        return tf.gather_nd(x, _grid(tf.where(index < 0, index + size, index), axis))

    return func


@builtin(torch.take, torch.Tensor.take, strategy=_PYTORCH)
def take(input: Tensor, index: Tensor):
    """From the flattened tensor."""
    return lambda input, index: tf.gather(tf.reshape(input, [-1]), _counted(index, input))


def _counted(index: Any, x: Any) -> Any:
    """Places in the flattened `x`, those below zero counted from its end."""
    count = product_of(shape_of(x))
    count = tf.cast(count, index.dtype) if tf.is_tensor(count) else count
    return tf.where(index < 0, index + count, index)


# -- scatter


def _spots(x: Any, index: Any, dim: int) -> tuple[Any, Any]:
    """`x` of rank 1 at least, and the coordinates to write to, one row each."""
    x = x if x.shape.rank else tf.reshape(x, [1])
    index = index if index.shape.rank else tf.reshape(index, [1])
    return x, tf.reshape(_grid(index, dim % x.shape.rank), [-1, x.shape.rank])


def _source(src: Any, index: Any, dtype: Any) -> Any:
    """As many elements of `src` as `index` has; one number for all."""
    sizes = shape_of(index)
    if tf.is_tensor(src) and src.shape.rank == len(sizes) and len(sizes):
        return tf.reshape(cast(src[tuple(slice(0, size) for size in sizes)], dtype), [-1])
    return tf.repeat(tf.reshape(cast(src, dtype), [1]), product_of(sizes))


_REDUCERS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "sum": lambda x, spots, values: x + tf.scatter_nd(spots, values, tf.shape(x, out_type=spots.dtype)),
    "amax": tf.tensor_scatter_nd_max,
    "amin": tf.tensor_scatter_nd_min,
}
_REDUCERS["add"] = _REDUCERS["sum"]


def _scatters_by(*ways: str | None) -> Any:
    def accepts(call: Any) -> str | None:
        if call.reduce in ways:
            return None
        return f"a scatter with reduce={call.reduce!r} is not converted: TensorFlow has no such scatter"

    return accepts


@builtin(*spellings("scatter"), strategy=_PYTORCH, accepts=_scatters_by(None, "add"))
def scatter(input: Tensor, dim: int, index: Tensor, src=None, *, value=None, reduce: str | None = None):

    def func(input, dim, index, src=None, *, value=None, reduce=None):
        x, spots = _spots(input, index, dim)
        values = _source(value if src is None else src, index, x.dtype)
        written = (
            _REDUCERS["add"](x, spots, values) if reduce else tf.tensor_scatter_nd_update(x, spots, values)
        )
        return tf.reshape(written, shape_of(input))

    return func


@builtin(*spellings("scatter_add"), strategy=_PYTORCH)
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor):
    def func(input, dim, index, src):
        x, spots = _spots(input, index, dim)
        return tf.reshape(_REDUCERS["sum"](x, spots, _source(src, index, x.dtype)), shape_of(input))

    return func


@builtin(*spellings("scatter_reduce"), strategy=_PYTORCH, accepts=_scatters_by("sum", "mean", "amax", "amin"))
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
):

    def func(input, dim, index, src, reduce, *, include_self=True):
        x, spots = _spots(input, index, dim)
        values = _source(src, index, x.dtype)
        return tf.reshape(reduced_into(x, spots, values, reduce, include_self), shape_of(input))

    return func


def reduced_into(x: Any, spots: Any, values: Any, reduce: str, include_self: bool) -> Any:
    """`values` put at `spots` of `x`, each spot reduced with what it held before if `include_self`."""
    hits = tf.scatter_nd(spots, tf.ones_like(values), tf.shape(x, out_type=spots.dtype))
    start = x
    if not include_self:
        neutral = {"amax": x.dtype.min, "amin": x.dtype.max}.get(reduce, 0)
        start = tf.where(hits > 0, tf.constant(neutral, x.dtype), x)
    if reduce != "mean":
        return _REDUCERS[reduce](start, spots, values)
    total = _REDUCERS["sum"](start, spots, values)
    count = tf.maximum(hits + (1 if include_self else 0), 1)
    return total / count if x.dtype.is_floating else tf.math.floordiv(total, count)


# -- whole slices along a dim


def _along(x: Any, dim: int, function: Callable[[Any, Callable[[Any], Any]], Any]) -> Any:
    """`function` sees the tensor with `dim` in front, and a way to bring others there."""
    rank = x.shape.rank
    if not rank:
        return tf.reshape(function(tf.reshape(x, [1]), lambda y: tf.reshape(y, [-1])), [])
    axis = dim % rank
    front = [axis, *(i for i in range(rank) if i != axis)]
    back = [front.index(i) for i in range(rank)]
    if axis == 0:
        return function(x, lambda y: y)
    return tf.transpose(function(tf.transpose(x, front), lambda y: tf.transpose(y, front)), back)


def _rows(index: Any) -> Any:
    return tf.reshape(tf.cast(index, tf.int64), [-1, 1])


@builtin(*spellings("index_add"), strategy=_PYTORCH)
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha=1):
    def func(input, dim, index, source, *, alpha=1):
        def added(x, turned):
            values = turned(source) if alpha == 1 else turned(source) * cast(alpha, source.dtype)
            return x + tf.scatter_nd(_rows(index), values, tf.shape(x, out_type=tf.int64))

        return _along(input, dim, added)

    return func


@builtin(*spellings("index_copy"), strategy=_PYTORCH)
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor):
    return lambda input, dim, index, source: _along(
        input, dim, lambda x, turned: tf.tensor_scatter_nd_update(x, _rows(index), turned(source))
    )


@builtin(*spellings("index_fill"), strategy=_PYTORCH)
def index_fill(input: Tensor, dim: int, index: Tensor, value):
    def func(input, dim, index, value):
        def filled(x, turned):
            size = tf.shape(x)[0]
            rows = tf.where(index < 0, index + tf.cast(size, index.dtype), index)
            hit = (
                tf.scatter_nd(
                    _rows(rows), tf.ones_like(tf.reshape(rows, [-1]), tf.int32), tf.cast([size], tf.int64)
                )
                > 0
            )
            return tf.where(tf.reshape(hit, [-1] + [1] * (x.shape.rank - 1)), cast(value, x.dtype), x)

        return _along(input, dim, filled)

    return func


@builtin(*spellings("index_put"), strategy=_PYTORCH)
def index_put(input: Tensor, indices: Sequence[Any], values: Tensor, accumulate: bool = False):
    """`x[indices] = values`, or `+=` where each place counts as often as it is named."""

    def func(input, indices, values, accumulate=False):
        shape = shape_of(input)
        parts = index_parts(tuple(slice(None) if each is None else each for each in indices), len(shape))
        picked = places_of(input, parts)
        places = tf.reshape(picked, [-1, 1])
        values = tf.reshape(spread(cast(values, input.dtype), picked), [-1])
        flat = tf.reshape(input, [-1])
        if accumulate:
            flat = flat + tf.scatter_nd(places, values, tf.shape(flat))
        else:
            flat = tf.tensor_scatter_nd_update(flat, places, values)
        return tf.reshape(flat, shape)

    return func


@builtin(*spellings("put"), strategy=_PYTORCH)
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False):
    def func(input, index, source, accumulate=False):
        spots = _rows(_counted(index, input))
        flat, values = tf.reshape(input, [-1]), tf.reshape(source, [-1])
        if accumulate:
            flat = flat + tf.scatter_nd(spots, values, tf.shape(flat, out_type=tf.int64))
        else:
            flat = tf.tensor_scatter_nd_update(flat, spots, values)
        return tf.reshape(flat, shape_of(input))

    return func


@builtin(*spellings("masked_scatter"), strategy=_PYTORCH)
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor):
    """The places where the mask is true take the elements of `source` one after the other."""

    def func(input, mask, source):
        input, mask = broadcast(input, mask)
        inside = tf.reshape(mask, [-1])
        turn = tf.maximum(tf.cumsum(tf.cast(inside, tf.int32)) - 1, 0)
        values = (
            tf.reshape(input, [-1])
            if 0 in source.shape.as_list()
            else tf.gather(tf.reshape(source, [-1]), turn)
        )
        return tf.reshape(tf.where(inside, values, tf.reshape(input, [-1])), shape_of(input))

    return func


@builtin(torch.select_scatter, torch.Tensor.select_scatter, strategy=_PYTORCH)
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int):
    return _written(input, src, dim, index)


@builtin(torch.slice_scatter, torch.Tensor.slice_scatter, strategy=_PYTORCH)
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
):
    return _written(input, src, dim, slice(start, end, step))


def _written(input: Tensor, src: Tensor, dim: int, part: Any):
    index = (slice(None),) * (dim % input.dim()) + (part,)
    write = setitem(input, index, src)
    return lambda input, src, *args, **kwargs: write(input, index, src)


# -- repeats


def _repeats_are_known(call: Any) -> str | None:
    if call.repeats is not None and is_constant(call.repeats):
        return None
    return Impossible("repeat_interleave by computed repeats has an output whose shape depends on the values")


@builtin(
    torch.repeat_interleave, torch.Tensor.repeat_interleave, strategy=_PYTORCH, accepts=_repeats_are_known
)
def repeat_interleave(input: Tensor, repeats=None, dim: int | None = None, *, output_size: int | None = None):
    """Each element as often as `repeats` says, a number for all or a constant for each."""
    counts = to_numpy(repeats) if isinstance(repeats, Tensor) else np.asarray(repeats)
    if counts.size == 1:
        return _repeated_alike(int(counts.flat[0]))
    places = np.repeat(np.arange(counts.size), counts)

    def func(input, repeats=None, dim=None, *, output_size=None):
        x = tf.reshape(input, [-1]) if dim is None or not input.shape.rank else input
        return tf.gather(x, places, axis=0 if dim is None else dim % x.shape.rank)

    return func


def _repeated_alike(count: int):
    def func(input, repeats=None, dim=None, *, output_size=None):
        x = tf.reshape(input, [-1]) if dim is None or not input.shape.rank else input
        axis = 0 if dim is None else dim % x.shape.rank
        shape = shape_of(x)
        if 0 in x.shape.as_list():
            return tf.gather(x, np.repeat(np.arange(shape[axis]), count), axis=axis)
        tiled = tf.tile(
            tf.expand_dims(x, axis + 1), [1] * (axis + 1) + [count] + [1] * (len(shape) - axis - 1)
        )
        return tf.reshape(tiled, [*shape[:axis], shape[axis] * count, *shape[axis + 1 :]])

    return func
