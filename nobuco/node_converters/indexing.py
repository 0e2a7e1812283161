"""Reading and writing parts of a tensor: `x[...]`, `x[...] = y`, select, narrow."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import torch
from torch import Tensor

from nobuco.contract.channel_order import Layout, axis_of, get_layout, identity, set_layout
from nobuco.contract.registry import builtin
from nobuco.layout.shapes import dropped, inserted
from nobuco.node_converters._sizes import larger, shape_of, sizes_of
from nobuco.node_converters._types import cast

Index = tuple[Any, ...]


def _is_array(item: Any) -> bool:
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
    if any(_is_array(item) for item in parts):
        return [identity(len(self[index].shape))] if layout == identity(len(layout)) else None
    return _basic_layout(layout, parts)


@builtin(torch.Tensor.__getitem__, output_layout=_getitem_layout)
def getitem(self: Tensor, index):
    """Slices and numbers become one strided slice in whatever layout; index tensors gather, in PyTorch's order."""

    def func(self, index):
        layout = get_layout(self)
        parts = index_parts(index, len(layout))
        if any(_is_array(item) for item in parts):
            return _gathered(self, parts)
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
        return slice(*(_int32(bound) for bound in (item.start, item.stop, item.step)))
    return _int32(item)


def _int32(bound: Any) -> Any:
    return tf.cast(bound, tf.int32) if tf.is_tensor(bound) else bound


def _gathered(x: Any, parts: list[Any]) -> Any:
    """Index tensors, in PyTorch's order: the blocks first, then one gather over the array-indexed dims."""
    arrays = [item for item in parts if _is_array(item)]
    if len(arrays) == 1 and len(_as_tensor(arrays[0]).shape) <= 1 and _as_tensor(arrays[0]).dtype != tf.bool:
        return _gather_one(x, parts)
    expanded: list[Any] = []
    for item in parts:
        tensor = _as_tensor(item) if _is_array(item) or (tf.is_tensor(item)) else item
        if tf.is_tensor(tensor) and tensor.dtype == tf.bool:
            where = tf.where(tensor)
            expanded += [where[:, i] for i in range(tensor.shape.rank)]
        else:
            expanded.append(tensor)
    # numbers beside index tensors count as index tensors
    numbers = [
        tf.convert_to_tensor(i, tf.int64) if isinstance(i, int) and not isinstance(i, bool) else i
        for i in expanded
    ]
    blocks = tuple(slice(None) if tf.is_tensor(item) else item for item in numbers)
    positions = [place for place, item in enumerate(numbers) if tf.is_tensor(item)]
    x = x[tuple(_plain(item) if isinstance(item, slice) else tf.newaxis for item in blocks)]
    indices = [tf.cast(item, tf.int64) for item in numbers if tf.is_tensor(item)]
    rank = x.shape.rank
    sizes = tf.shape(x, out_type=tf.int64)
    indices = [tf.where(i < 0, i + sizes[p], i) for i, p in zip(indices, positions, strict=True)]
    rest = [axis for axis in range(rank) if axis not in positions]
    x = tf.transpose(x, [*positions, *rest]) if [*positions, *rest] != list(range(rank)) else x
    shape = indices[0].shape
    for each in indices[1:]:
        shape = tf.broadcast_static_shape(shape, each.shape)
    total = sum(indices[1:], indices[0]) * 0 if len(indices) > 1 else None
    stacked = tf.stack([i if total is None else i + total for i in indices], -1)
    picked = tf.gather_nd(x, stacked)
    adjacent = positions == list(range(positions[0], positions[-1] + 1))
    if adjacent and positions[0] > 0:  # the gathered dims stand where the index tensors stood
        count, front = shape.rank, positions[0]
        order = [*range(count, count + front), *range(count), *range(count + front, count + len(rest))]
        picked = tf.transpose(picked, order)
    return picked


def _gather_one(x: Any, parts: list[Any]) -> Any:
    """One list of places along one dim, with slices and numbers around it."""
    place = 0  # of the gathered dim after the blocks have been taken
    array, blocks = None, []
    for item in parts:
        if _is_array(item):
            array, axis = _as_tensor(item), place
            blocks.append(slice(None))
            place += 1
        else:
            blocks.append(tf.newaxis if item is None else _plain(item))
            place += item is None or isinstance(item, slice)
    x = x[tuple(blocks)]
    size = shape_of(x)[axis]
    array = tf.cast(array, tf.int32)
    numbers = any(isinstance(item, int) for item in parts)
    picked = tf.gather(x, tf.where(array < 0, array + size, array), axis=axis)
    if numbers and axis > 0 and _separated(parts):
        picked = tf.transpose(picked, [axis, *(i for i in range(picked.shape.rank) if i != axis)])
    return picked


def _separated(parts: list[Any]) -> bool:
    """Whether a slice or None stands between numbers and the index tensor: the gathered dim then comes first."""
    picks = [i for i, item in enumerate(parts) if _is_array(item) or isinstance(item, int)]
    return picks != list(range(picks[0], picks[-1] + 1))


def _as_tensor(item: Any) -> Any:
    return (
        item
        if tf.is_tensor(item)
        else tf.convert_to_tensor(np.asarray(item.cpu() if isinstance(item, Tensor) else item))
    )


# -- writing


def _setitem_layout(layout: Layout, self, index, value):
    parts = index_parts(index, len(layout))
    if any(_is_array(item) for item in parts) or any(item is None for item in parts):
        return identity(len(layout)) if layout == identity(len(layout)) else None
    value_rank = value.dim() if isinstance(value, Tensor) else 0
    # the value shares the layout when it has the rank; a lower one comes in PyTorch's order
    plain = value_rank in (0, len(layout)) and all(isinstance(item, slice) for item in parts)
    return layout if plain or layout == identity(len(layout)) else None


@builtin(torch.Tensor.__setitem__, output_layout=_setitem_layout)
def setitem(self: Tensor, index, value):
    """The tensor with a part replaced. A block is put between the slices around it, so that the value of no other
    element takes part in any arithmetic."""
    rank = self.dim()

    def func(self, index, value):
        layout = get_layout(self)
        parts = index_parts(index, rank)
        value = cast(value, self.dtype)
        if any(_is_array(item) for item in parts):
            return set_layout(_scattered(self, parts, value), layout)
        sizes, dims = sizes_of(self), [item for item in parts if item is not None]
        if any(map(tf.is_tensor, (*sizes, *(bound for item in dims for bound in _bounds(item))))):
            return set_layout(_chosen_by_place(self, parts, value), layout)
        box = [_range_of(item, size) for item, size in zip(dims, sizes, strict=True)]
        value = _boxed(value, parts, box, layout)
        return set_layout(_written(self, [box[dim] for dim in layout], value), layout)

    return func


def _bounds(item: Any) -> tuple[Any, ...]:
    return (item.start, item.stop, item.step) if isinstance(item, slice) else (item,)


def _range_of(item: Any, size: int) -> range:
    if isinstance(item, slice):
        return range(size)[item]
    place = int(item) % size
    return range(place, place + 1)


def _boxed(value: Any, parts: list[Any], box: list[range], layout: Layout) -> Any:
    """The value broadcast to the block, in the block's layout."""
    block = [len(each) for each in box]
    # dims that the indexed expression has, in order: numbers have none, None has one of size 1
    shown, dim = [], 0
    for item in parts:
        if item is None:
            shown.append(1)
            continue
        if isinstance(item, slice):
            shown.append(block[dim])
        dim += 1
    if value.shape.rank == len(layout) and all(isinstance(item, slice) for item in parts):
        return (
            tf.broadcast_to(value, [block[dim] for dim in layout])
            if value.shape.as_list() != [block[d] for d in layout]
            else value
        )
    extra = value.shape.rank - len(shown)
    if extra > 0:
        value = tf.reshape(value, value.shape.as_list()[extra:])
    value = tf.reshape(tf.broadcast_to(value, shown), block)
    return value if layout == identity(len(layout)) else tf.transpose(value, layout)


def _written(x: Any, box: list[range], value: Any) -> Any:
    axis = next((i for i, places in enumerate(box) if len(places) != x.shape[i] or places.step != 1), None)
    if axis is None:
        return value
    places, size = box[axis], x.shape[axis]
    if len(places) == 0:
        return x

    def part(tensor: Any, start: int, stop: int) -> Any:
        return tensor[(slice(None),) * axis + (slice(start, stop),)]

    inner = [*box[:axis], range(len(places)), *box[axis + 1 :]]
    if places.step == 1:
        middle = _written(part(x, places.start, places.stop), inner, value)
        stop = places.stop
    else:
        middle, stop = _interleaved(x, axis, places, inner, value, part)
    pieces = [part(x, 0, places.start)] if places.start else []
    pieces.append(middle)
    if stop < size:
        pieces.append(part(x, stop, size))
    return tf.concat(pieces, axis) if len(pieces) > 1 else middle


def _interleaved(
    x: Any, axis: int, places: range, inner: list[range], value: Any, part: Any
) -> tuple[Any, int]:
    """Every step-th element written: the stretch is folded into rows of `step`, whose first column is replaced.

    Returns the stretch and where it ends."""
    step, size = places.step, x.shape[axis]
    count = len(places)
    whole = count if places.start + count * step <= size else count - 1
    stretch = []
    stop = places.start + whole * step
    if whole:
        rows = part(x, places.start, stop)
        shape = rows.shape.as_list()
        folded = tf.reshape(rows, [*shape[:axis], whole, step, *shape[axis + 1 :]])
        lead = (slice(None),) * (axis + 1)
        first, rest = folded[(*lead, slice(0, 1))], folded[(*lead, slice(1, step))]
        target = [*inner[:axis], range(whole), *inner[axis + 1 :]]
        column = _written(
            tf.reshape(first, [*shape[:axis], whole, *shape[axis + 1 :]]), target, part(value, 0, whole)
        )
        column = tf.reshape(column, [*shape[:axis], whole, 1, *shape[axis + 1 :]])
        stretch.append(tf.reshape(tf.concat([column, rest], axis + 1), shape))
    if whole < count:  # the last one, with less than a row behind it
        target = [*inner[:axis], range(1), *inner[axis + 1 :]]
        stretch.append(_written(part(x, stop, stop + 1), target, part(value, whole, count)))
        stop += 1
    return (tf.concat(stretch, axis) if len(stretch) > 1 else stretch[0]), stop


def _chosen_by_place(x: Any, parts: list[Any], value: Any) -> Any:
    """A block of which only the graph knows where it lies, or how large it is: each element by its place."""
    layout, mask = get_layout(x), None
    value = _of_full_rank(value, parts, layout)
    for dim, item in enumerate(p for p in parts if p is not None):
        if isinstance(item, slice) and item == slice(None):
            continue
        axis = layout.index(dim)
        size = shape_of(x)[axis]
        place = tf.range(size)
        if isinstance(item, slice):
            step = 1 if item.step is None else _int32(item.step)
            low, stop = _bound(item.start, 0, size), _bound(item.stop, size, size)
        else:
            step, low = 1, _bound(item, 0, size)
            stop = low + 1
        inside = (place >= low) & (place < stop) & ((place - low) % step == 0)
        inside = tf.reshape(inside, [-1 if i == axis else 1 for i in range(len(layout))])
        mask = inside if mask is None else mask & inside
        if value.shape.rank and value.shape[axis] != 1:
            source = tf.clip_by_value((place - low) // step, 0, shape_of(value)[axis] - 1)
            value = tf.gather(value, source, axis=axis)
    return tf.broadcast_to(value, tf.shape(x)) if mask is None else tf.where(mask, value, x)


def _of_full_rank(value: Any, parts: list[Any], layout: Layout) -> Any:
    """With a dim for each dim of the tensor written to, of size 1 where a number picks or the value is repeated."""
    plain = all(isinstance(item, slice) for item in parts)
    if not value.shape.rank or (plain and value.shape.rank == len(layout)):
        return value
    shown = [item for item in parts if item is None or isinstance(item, slice)]
    sizes = shape_of(value)
    sizes = [1] * (len(shown) - len(sizes)) + sizes[max(len(sizes) - len(shown), 0) :]
    left = iter(sizes)
    full = [next(left) if item is None or isinstance(item, slice) else 1 for item in parts]
    full = [size for size, item in zip(full, parts, strict=True) if item is not None]
    value = tf.reshape(value, full)
    return value if layout == identity(len(layout)) else tf.transpose(value, layout)


def _bound(value: Any, default: Any, size: Any) -> Any:
    if value is None:
        return default
    value = _int32(value)
    if isinstance(value, int):
        return value if value >= 0 else larger(value + size, 0)
    return tf.where(value < 0, tf.maximum(value + size, 0), value)


def _scattered(x: Any, parts: list[Any], value: Any) -> Any:
    """Index tensors on the left: a mask chooses, others name the places to write to."""
    masks = [item for item in parts if _is_array(item)]
    if len(masks) == 1 and _as_tensor(masks[0]).dtype == tf.bool and value.shape.rank == 0:
        mask = _as_tensor(masks[0])
        others = [item for item in parts if not _is_array(item)]
        if all(isinstance(item, slice) and item == slice(None) for item in others):
            axis = next(i for i, item in enumerate(parts) if _is_array(item))
            shape = [1] * axis + shape_of(mask) + [1] * (x.shape.rank - axis - mask.shape.rank)
            return tf.where(tf.reshape(mask, shape), value, x)
    shape = tf.shape(x)
    picked = places_of(x, parts)
    value = tf.broadcast_to(value, tf.shape(picked))
    flat = tf.tensor_scatter_nd_update(
        tf.reshape(x, [-1]), tf.reshape(picked, [-1, 1]), tf.reshape(value, [-1])
    )
    return tf.reshape(flat, shape)


def places_of(x: Any, parts: list[Any]) -> Any:
    """The places in the flattened tensor that an index picks, found by indexing the places themselves."""
    shape = tf.shape(x)
    places = tf.reshape(tf.range(tf.reduce_prod(shape)), shape)
    return _gathered(set_layout(places, identity(x.shape.rank)), parts)


# -- the same by name


def _select_layout(layout: Layout, self, dim, index):
    return dropped(layout, [dim])


@builtin(torch.select, torch.Tensor.select, output_layout=_select_layout)
def select(self: Tensor, dim: int, index):
    def func(self, dim, index):
        layout = get_layout(self)
        picked = (slice(None),) * axis_of(self, dim) + (_int32(index),)
        return set_layout(self[picked], dropped(layout, [dim]))

    return func


def _narrow_layout(layout: Layout, self, dim, start, length):
    return layout


@builtin(torch.narrow, torch.Tensor.narrow, output_layout=_narrow_layout)
def narrow(self: Tensor, dim: int, start, length):
    def func(self, dim, start, length):
        layout, axis = get_layout(self), axis_of(self, dim)
        begin = start + shape_of(self)[axis] if isinstance(start, int) and start < 0 else _int32(start)
        picked = (slice(None),) * axis + (slice(begin, begin + _int32(length)),)
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
