"""Sizes: those of a tensor, known or computed, and small arithmetic on kernel sizes and paddings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

from nobuco.contract.channel_order import get_layout


def shape_of(x: Any) -> list[Any]:
    """The sizes of a TensorFlow tensor, axis by axis: numbers where they are known, else scalar tensors (int32)."""
    static = x.shape.as_list()
    if None not in static:
        return static
    dynamic = tf.shape(x)
    return [dynamic[axis] if size is None else size for axis, size in enumerate(static)]


def sizes_of(x: Any) -> list[Any]:
    """The sizes of a TensorFlow tensor in PyTorch's order: numbers where known, else scalar tensors."""
    static, dynamic, layout = x.shape.as_list(), None, get_layout(x)
    sizes: list[Any] = [None] * len(static)
    for axis, dim in enumerate(layout):
        if static[axis] is None and dynamic is None:
            dynamic = tf.shape(x)
        sizes[dim] = static[axis] if dynamic is None or static[axis] is not None else dynamic[axis]
    return sizes


def product_of(sizes: Iterable[Any]) -> Any:
    result: Any = 1
    for size in sizes:
        result = result * size
    return result


def larger(a: Any, b: Any) -> Any:
    """Of two sizes, known or computed."""
    return tf.maximum(a, b) if tf.is_tensor(a) or tf.is_tensor(b) else max(a, b)


def smaller(a: Any, b: Any) -> Any:
    return tf.minimum(a, b) if tf.is_tensor(a) or tf.is_tensor(b) else min(a, b)


def surely_equal(a: Any, b: Any) -> bool:
    """Whether two tensors have one shape for certain: TensorFlow takes unknown sizes for equal, which they need not be."""
    return a.shape.is_fully_defined() and a.shape == b.shape


_BROADCAST = 5  # TensorFlow follows no more runs of dims


def broadcast(*tensors: Any) -> tuple[Any, ...]:
    """All of one shape; as they are where they have one already."""
    if all(surely_equal(tensors[0], each) for each in tensors[1:]):
        return tensors
    if all(each.shape.is_fully_defined() for each in tensors):
        shape: Any = tensors[0].shape
        for each in tensors[1:]:
            shape = tf.broadcast_static_shape(shape, each.shape)
        return tuple(x if x.shape == shape else _repeated(x, shape.as_list()) for x in tensors)
    shape = tf.shape(tensors[0])
    for each in tensors[1:]:
        shape = tf.broadcast_dynamic_shape(shape, tf.shape(each))
    if max(x.shape.rank for x in tensors) > _BROADCAST:
        return tuple(_tiled(x, shape) for x in tensors)
    return tuple(tf.broadcast_to(x, shape) for x in tensors)


def _tiled(x: Any, shape: Any) -> Any:
    """Broadcast to a shape that only the graph knows, along any number of runs of dims."""
    ones = tf.ones(tf.size(shape) - x.shape.rank, tf.int32)
    sizes = tf.concat([ones, tf.shape(x)], 0)
    return tf.tile(tf.reshape(x, sizes), tf.where(sizes == 1, shape, tf.ones_like(shape)))


def _repeated(x: Any, shape: list[int]) -> Any:
    if _runs(x.shape.as_list(), shape) <= _BROADCAST:
        return tf.broadcast_to(x, shape)
    sizes = [1] * (len(shape) - x.shape.rank) + x.shape.as_list()
    return tf.tile(
        tf.reshape(x, sizes), [size if own == 1 else 1 for size, own in zip(shape, sizes, strict=True)]
    )


def _runs(*shapes: list[int | None]) -> int:
    """How many runs of dims there are along which the same of these tensors are repeated; at most, where a size is not
    known: any tensor may be repeated there."""
    rank = max(len(shape) for shape in shapes)
    rows = [[1] * (rank - len(shape)) + shape for shape in shapes]
    repeated = [
        None if None in sizes else tuple(size == 1 for size in sizes) for sizes in zip(*rows, strict=True)
    ]
    told = [each for each in repeated if each is None or not all(each)]
    return sum(1 for place, each in enumerate(told) if place == 0 or each is None or each != told[place - 1])


def in_few_runs(*tensors: Any) -> tuple[Any, ...]:
    """The operands of an element-wise op as TensorFlow can broadcast them: as they are but for rare shapes of many dims."""
    known = [each for each in tensors if tf.is_tensor(each)]
    if len(known) < 2 or max(each.shape.rank or 0 for each in known) <= _BROADCAST:
        return tensors
    few = _runs(*(each.shape.as_list() for each in known)) <= _BROADCAST
    return tensors if few else broadcast(*tensors)


def per_dim(value: int | Sequence[int], dims: int) -> tuple[int, ...]:
    """PyTorch's `3` or `(3,)` or `(3, 5)` as one number a dim."""
    if isinstance(value, int):
        return (value,) * dims
    values = tuple(int(each) for each in value)
    return values * dims if len(values) == 1 else values


def same_padding(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """What TensorFlow's SAME pads before and after."""
    reach = (kernel - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def pads_like_same(
    sizes: Sequence[int | None], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int],
    padding: Sequence[tuple[int, int]],
) -> bool:  # fmt: skip
    """Whether padding by `padding` (before and after, a dim) and SAME read the same windows.

    PyTorch may pad more at the end than any window reaches; that does not matter, but the number of windows does. Of
    an unknown size it is known for stride 1 only, where it does not depend on the size."""
    for size, k, s, d, (before, after) in zip(sizes, kernel, stride, dilation, padding, strict=True):
        if size is None:
            if s != 1 or (before, after) != same_padding(1 << 20, k, 1, d):
                return False
            continue
        windows = (size + before + after - (k - 1) * d - 1) // s + 1
        same_before, same_after = same_padding(size, k, s, d)
        if windows != -(-size // s) or before != same_before or after < same_after:
            return False
    return True


def of_known_sizes(x: Any, sizes: Any, amounts: Sequence[tuple[Any, Any]]) -> Any:
    """Where one amount is computed, TensorFlow takes all sizes for unknown, channels as well, and TFLite convolves no
    unknown number of channels: sizes that are known are said by a reshape."""
    computed = [any(map(tf.is_tensor, pair)) for pair in amounts]
    if not any(computed):
        return x
    x.set_shape(
        [
            None if size is None or unknown else size + sum(pair)
            for size, pair, unknown in zip(sizes, amounts, computed, strict=True)
        ]
    )
    return tf.reshape(x, shape_of(x))
