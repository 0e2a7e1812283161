"""Reading parts of a tensor: `x[...]`, select, narrow."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import tensorflow as tf
import torch
from torch import Tensor

from nobuco.contract.channel_order import (
    ChannelOrderingStrategy,
    Layout,
    axis_of,
    get_layout,
    identity,
    set_layout,
)
from nobuco.contract.registry import builtin
from nobuco.layout.shapes import dropped, inserted
from nobuco.node_converters._sizes import in_few_runs, shape_of, surely_equal

Index = tuple[Any, ...]


def is_array(item: Any) -> bool:
    """An index that picks by a list of places: it gathers, where a slice or a number takes a block."""
    if isinstance(item, Tensor) or tf.is_tensor(item):
        return len(item.shape) > 0 or item.dtype == (torch.bool if isinstance(item, Tensor) else tf.bool)
    return isinstance(item, list | np.ndarray | bool)


def index_parts(index: Any, rank: int) -> list[Any]:
    """The index as one entry a dim (and the Nones between): Ellipsis and what is left out become full slices."""
    items = list(index) if isinstance(index, tuple) else [index]
    takes = sum(_dims_taken(item) for item in items)
    place = next((i for i, item in enumerate(items) if item is Ellipsis), None)
    if place is None:
        items.append(Ellipsis)
        place = len(items) - 1
    return [*items[:place], *[slice(None)] * (rank - takes), *items[place + 1 :]]


def _dims_taken(item: Any) -> int:
    """Of the indexed tensor; a mask lies over as many dims as it has."""
    if item is None or item is Ellipsis:
        return 0
    if isinstance(item, list | np.ndarray | bool):
        item = np.asarray(item)
        return item.ndim if item.dtype == bool else 1
    is_mask = getattr(item, "dtype", None) in (torch.bool, tf.bool)
    return len(item.shape) if is_mask else 1


def _basic_layout(layout: Layout, parts: list[Any]) -> Layout:
    """The layout after numbers have dropped their dims and Nones have inserted theirs."""
    dims = [item for item in parts if item is not None]
    result = dropped(layout, [dim for dim, item in enumerate(dims) if not isinstance(item, slice)])
    place = 0
    for item in parts:
        if item is None:
            result = inserted(result, place)
            place += 1
        elif isinstance(item, slice):
            place += 1
    return result


def _getitem_layout(layout: Layout, self, index):
    parts = index_parts(index, len(layout))
    if any(is_array(item) for item in parts):
        return [identity(len(self[index].shape))] if layout == identity(len(layout)) else None
    return _basic_layout(layout, parts)


@builtin(torch.Tensor.__getitem__, output_layout=_getitem_layout)
def getitem(self: Tensor, index):
    """Slices and numbers become one strided slice in whatever layout; index tensors gather, in PyTorch's order."""

    def func(self, index):
        layout = get_layout(self)
        parts = index_parts(index, len(layout))
        if any(is_array(item) for item in parts):
            return gathered(self, parts)
        return _sliced(self, parts)

    return func


def _sliced(x: Any, parts: list[Any]) -> Any:
    layout = get_layout(x)
    dims = [item for item in parts if item is not None]
    backwards = [dim for dim, item in enumerate(dims) if isinstance(item, slice) and _negative_step(item)]
    if backwards:
        raise ValueError("a slice with a negative step: PyTorch has none")
    selected = [_plain(dims[dim]) for dim in layout]
    if any(item != slice(None) if isinstance(item, slice) else True for item in selected):
        x = x[tuple(selected)]
    result = dropped(layout, [dim for dim, item in enumerate(dims) if not isinstance(item, slice)])
    place = 0
    for item in parts:
        if item is None:
            result = inserted(result, place)
            x = tf.expand_dims(x, result.index(place))
            place += 1
        elif isinstance(item, slice):
            place += 1
    return set_layout(x, result)


def _negative_step(item: slice) -> bool:
    return isinstance(item.step, int) and item.step < 0


def _plain(item: Any) -> Any:
    """Bounds of a slice may be scalar tensors of any integer dtype; TensorFlow wants them alike."""
    if isinstance(item, slice):
        return slice(*(as_int32(bound) for bound in (item.start, item.stop, item.step)))
    return as_int32(item)


def as_int32(bound: Any) -> Any:
    return tf.cast(bound, tf.int32) if tf.is_tensor(bound) else bound


def gathered(x: Any, parts: list[Any]) -> Any:
    """Index tensors, in PyTorch's order: slices and numbers first, as if written before; then one gather."""
    taken: list[Any] = []  # of each dim of x and each None
    arrays: list[tuple[int, Any]] = []  # the dim that each index tensor picks from, once the rest is taken
    place = 0
    for item in parts:
        if not is_array(item):
            taken.append(tf.newaxis if item is None else _plain(item))
            place += item is None or isinstance(item, slice)
            continue
        for lies_over_none, array in _lists_of_places(as_tensor(item)):
            taken.append(tf.newaxis if lies_over_none else slice(None))
            arrays.append((place, array))
            place += 1
    x = x[tuple(taken)]
    sizes = shape_of(x)
    positions = [axis for axis, _ in arrays]
    indices = [counted_from_the_front(array, sizes[axis]) for axis, array in arrays]
    if len(indices) == 1:
        return tf.gather(x, indices[0], axis=positions[0])
    return _gathered_together(x, positions, _alike(indices))


def _lists_of_places(item: Any) -> list[tuple[bool, Any]]:
    """What an index tensor is to each dim that it lies over; a mask without dims picks from a new one."""
    if item.dtype != tf.bool:
        return [(False, item)]
    if not item.shape.rank:
        return [(True, tf.where(tf.reshape(item, [1]))[:, 0])]
    found = tf.where(item)
    return [(False, found[:, axis]) for axis in range(item.shape.rank)]


def counted_from_the_front(index: Any, size: Any) -> Any:
    index = tf.cast(index, tf.int32)
    return tf.where(index < 0, index + size, index)


def _gathered_together(x: Any, positions: list[int], indices: list[Any]) -> Any:
    """By index tensors of one shape, whose dims stand where the index tensors stood, or first if these stood apart."""
    rest = [axis for axis in range(x.shape.rank) if axis not in positions]
    x = tf.transpose(x, [*positions, *rest]) if positions != list(range(len(positions))) else x
    picked = tf.gather_nd(x, tf.stack(indices, -1))
    front = positions[0]
    if front == 0 or positions != list(range(front, front + len(positions))):
        return picked
    count = indices[0].shape.rank
    order = [*range(count, count + front), *range(count), *range(count + front, count + len(rest))]
    return tf.transpose(picked, order)


def _alike(indices: list[Any]) -> list[Any]:
    """Index tensors broadcast to one shape, by a sum."""
    if all(surely_equal(indices[0], each) for each in indices[1:]):
        return indices
    zeros = functools.reduce(_added, [each * 0 for each in indices])
    return [_added(each, zeros) for each in indices]


def _added(a: Any, b: Any) -> Any:
    one, two = in_few_runs(a, b)
    return one + two


def as_tensor(item: Any) -> Any:
    return (
        item
        if tf.is_tensor(item)
        else tf.convert_to_tensor(np.asarray(item.cpu() if isinstance(item, Tensor) else item))
    )


# -- the same by name


def _select_layout(layout: Layout, self, dim, index):
    return dropped(layout, [dim])


@builtin(torch.select, torch.Tensor.select, output_layout=_select_layout)
def select(self: Tensor, dim: int, index):
    def func(self, dim, index):
        layout = get_layout(self)
        picked = (slice(None),) * axis_of(self, dim) + (as_int32(index),)
        return set_layout(self[picked], dropped(layout, [dim]))

    return func


def _narrow_layout(layout: Layout, self, dim, start, length):
    return layout


@builtin(torch.narrow, torch.Tensor.narrow, output_layout=_narrow_layout)
def narrow(self: Tensor, dim: int, start, length):
    def func(self, dim, start, length):
        layout, axis = get_layout(self), axis_of(self, dim)
        begin = start + shape_of(self)[axis] if isinstance(start, int) and start < 0 else as_int32(start)
        picked = (slice(None),) * axis + (slice(begin, begin + as_int32(length)),)
        return set_layout(self[picked], layout)

    return func


def _index_select_layout(layout: Layout, self, dim, index):
    return layout


@builtin(torch.index_select, torch.Tensor.index_select, output_layout=_index_select_layout)
def index_select(self: Tensor, dim: int, index: Tensor):
    def func(self, dim, index):
        if not self.shape.rank:
            return tf.identity(self)
        return set_layout(tf.gather(self, tf.reshape(index, [-1]), axis=axis_of(self, dim)), get_layout(self))

    return func


def _reads_its_own_memory(call: Any) -> str | None:
    if call.input.is_contiguous() and not call.input.is_complex():
        return None
    return "as_strided of a tensor that is itself a view in another order reads what the graph does not have"


@builtin(
    torch.as_strided,
    torch.Tensor.as_strided,
    torch.as_strided_copy,
    strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER,
    accepts=_reads_its_own_memory,
)
def as_strided(input: Tensor, size, stride, storage_offset: int | None = None):
    """The elements at offset + sum(index * stride) of the flat tensor."""
    places = np.full([], (storage_offset or 0) - (0 if storage_offset is None else input.storage_offset()))
    for count, step in zip(size, stride, strict=True):
        places = places[..., None] + np.arange(count) * step
    if places.size and not 0 <= places.min() <= places.max() < input.numel():
        raise NotImplementedError("as_strided beyond the elements of its own tensor")

    def func(input, size, stride, storage_offset=None):
        return tf.gather(tf.reshape(input, [-1]), tf.constant(places, tf.int32))

    return func
