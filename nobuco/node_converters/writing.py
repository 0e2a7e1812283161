"""Writing to parts of a tensor: `x[...] = y`."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import torch
from torch import Tensor

from nobuco.contract.channel_order import Layout, get_layout, identity, set_layout
from nobuco.contract.registry import builtin
from nobuco.node_converters._sizes import larger, shape_of, sizes_of
from nobuco.node_converters._types import cast
from nobuco.node_converters.indexing import (
    as_int32,
    as_tensor,
    counted_from_the_front,
    gathered,
    index_parts,
    is_array,
)


def _setitem_layout(layout: Layout, self, index, value):
    parts = index_parts(index, len(layout))
    if any(is_array(item) for item in parts) or any(item is None for item in parts):
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
        if any(is_array(item) for item in parts):
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
            step = 1 if item.step is None else as_int32(item.step)
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
    value = as_int32(value)
    if isinstance(value, int):
        return value if value >= 0 else larger(value + size, 0)
    return tf.where(value < 0, tf.maximum(value + size, 0), value)


def _scattered(x: Any, parts: list[Any], value: Any) -> Any:
    """Index tensors on the left: a mask chooses, others name the places to write to."""
    masks = [item for item in parts if is_array(item)]
    if len(masks) == 1 and as_tensor(masks[0]).dtype == tf.bool and value.shape.rank == 0:
        mask = as_tensor(masks[0])
        others = [item for item in parts if not is_array(item)]
        if all(isinstance(item, slice) and item == slice(None) for item in others):
            axis = next(i for i, item in enumerate(parts) if is_array(item))
            shape = [1] * axis + shape_of(mask) + [1] * (x.shape.rank - axis - mask.shape.rank)
            return tf.where(tf.reshape(mask, shape), value, x)
    axis = _axis_of_rows(parts)
    if axis is not None:
        return _rows_written(x, axis, as_tensor(parts[axis]), value)
    picked = places_of(x, parts)
    value = spread(value, picked)
    flat = tf.tensor_scatter_nd_update(
        tf.reshape(x, [-1]), tf.reshape(picked, [-1, 1]), tf.reshape(value, [-1])
    )
    return tf.reshape(flat, tf.shape(x))


def spread(value: Any, picked: Any) -> Any:
    """The value broadcast to what is written to; dims of size 1 in front of it are left out, as PyTorch does."""
    extra = value.shape.rank - picked.shape.rank
    if extra > 0:
        value = tf.reshape(value, shape_of(value)[extra:])
    return tf.broadcast_to(value, tf.shape(picked))


def _axis_of_rows(parts: list[Any]) -> int | None:
    """The dim that one list of places picks from, where everything else is whole."""
    axes = [axis for axis, item in enumerate(parts) if not (isinstance(item, slice) and item == slice(None))]
    if len(axes) != 1 or not is_array(parts[axes[0]]) or as_tensor(parts[axes[0]]).dtype == tf.bool:
        return None
    return axes[0]


def _rows_written(x: Any, axis: int, index: Any, value: Any) -> Any:
    rank, count, sizes = x.shape.rank, index.shape.rank, shape_of(x)
    index = counted_from_the_front(index, sizes[axis])
    written = [*sizes[:axis], *shape_of(index), *sizes[axis + 1 :]]
    extra = value.shape.rank - len(written)
    value = tf.broadcast_to(tf.reshape(value, shape_of(value)[extra:]) if extra > 0 else value, written)
    front = [axis, *(i for i in range(rank) if i != axis)]
    if axis:
        x = tf.transpose(x, front)
        value = tf.transpose(
            value, [*range(axis, axis + count), *range(axis), *range(axis + count, rank - 1 + count)]
        )
    rows = tf.reshape(value, [-1, *shape_of(x)[1:]])
    x = tf.tensor_scatter_nd_update(x, tf.reshape(index, [-1, 1]), rows)
    return tf.transpose(x, [front.index(i) for i in range(rank)]) if axis else x


def places_of(x: Any, parts: list[Any]) -> Any:
    """The places in the flattened tensor that an index picks, found by indexing the places themselves."""
    known = _known_places(x.shape, parts)
    if known is not None:
        return tf.constant(known)
    shape = tf.shape(x)
    places = tf.reshape(tf.range(tf.reduce_prod(shape)), shape)
    return gathered(set_layout(places, identity(x.shape.rank)), parts)


def _known_places(shape: Any, parts: list[Any]) -> np.ndarray | None:
    """The same where sizes and index are known: TensorFlow then sees that no place is written to twice."""
    index = []
    for item in parts:
        known = tf.get_static_value(as_tensor(item)) if is_array(item) or tf.is_tensor(item) else item
        if known is None and item is not None:
            return None
        index.append(torch.as_tensor(known) if isinstance(known, np.ndarray | np.generic) else known)
    bounds = [bound for item in index if isinstance(item, slice) for bound in _bounds(item)]
    if not shape.is_fully_defined() or any(map(tf.is_tensor, bounds)):
        return None
    places = torch.arange(shape.num_elements(), dtype=torch.int32).reshape(shape.as_list())
    return places[tuple(index)].numpy()
