"""Ops that join tensors, take them apart, and turn them round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import torch
from torch import Tensor

from nobuco.contract.channel_order import (
    ChannelOrderingStrategy,
    Layout,
    axis_of,
    get_layout,
    identity,
    rank_of,
    set_layout,
)
from nobuco.contract.context import is_constant
from nobuco.contract.converter import Impossible
from nobuco.contract.registry import builtin
from nobuco.contract.unknown_sizes import UnknownSizeError, static_shape
from nobuco.layout.shapes import dropped, inserted
from nobuco.node_converters._layouts import same_layout, without_dim
from nobuco.node_converters._sizes import larger, shape_of
from nobuco.node_converters._types import cast, result_dtype
from nobuco.node_converters.shape_ops import spread


def _joined_layout(layout: Layout, tensors, dim=0):
    """One list, and all in it in one layout; PyTorch passes over tensors of shape (0,) among others."""
    rank = max(map(rank_of, tensors))
    if all(rank_of(each) == rank for each in tensors):
        return layout
    return identity(rank) if layout == identity(len(layout)) else None


@builtin(torch.cat, torch.concat, torch.concatenate, output_layout=_joined_layout)
def cat(tensors: Sequence[Tensor], dim: int = 0):
    dtype = result_dtype(*tensors) if len({t.dtype for t in tensors}) > 1 else None
    # a vector among tensors of higher rank has no elements: PyTorch takes no other
    rank = max(t.dim() for t in tensors)
    empty = [t.dim() == 1 and (rank > 1 or static_shape(t)[0] == 0) for t in tensors]

    def func(tensors, *args, **kwargs):
        kept = [each for each, skipped in zip(tensors, empty, strict=True) if not skipped or all(empty)]
        layout = get_layout(kept[0])
        axis = layout.index(dim % len(layout))
        kept = [each if dtype is None else cast(each, dtype) for each in kept]
        return set_layout(tf.concat(kept, axis), layout)

    return func


def _stack_layout(layout: Layout, tensors, dim=0, **kwargs):
    return identity(len(layout) + 1) if layout == identity(len(layout)) else inserted(layout, dim)


@builtin(torch.stack, output_layout=_stack_layout)
def stack(tensors: Sequence[Tensor], dim: int = 0):
    dim = dim % (tensors[0].dim() + 1)
    dtype = result_dtype(*tensors) if len({t.dtype for t in tensors}) > 1 else None

    def func(tensors, *args, **kwargs):
        layout = _stack_layout(get_layout(tensors[0]), tensors, dim)
        parts = tensors if dtype is None else [cast(each, dtype) for each in tensors]
        return set_layout(tf.stack(parts, layout.index(dim)), layout)

    return func


def _stacked_along(axis_for, least_rank: int, *ops: Any) -> None:
    """hstack and its kin: each tensor brought to a least rank, then joined along one dim."""

    def converter(tensors: Sequence[Tensor]):
        dtype = result_dtype(*tensors)

        def func(tensors):
            parts = [at_least(cast(each, dtype), least_rank) for each in tensors]
            return tf.concat(parts, axis_for(parts[0].shape.rank))

        return func

    builtin(*ops, strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER)(converter)


def at_least(x: Any, rank: int) -> Any:
    """As `torch.atleast_1d`, `_2d` and `_3d` do it: a vector is a row, a matrix gets a last dim."""
    own = x.shape.rank
    if own >= rank:
        return x
    if rank == 3 and own:
        return x[None, :, None] if own == 1 else x[:, :, None]
    return tf.reshape(x, [1] * (rank - own) + shape_of(x))


_stacked_along(lambda rank: 0 if rank == 1 else 1, 1, torch.hstack)
_stacked_along(lambda rank: 0, 2, torch.vstack, torch.row_stack)
_stacked_along(lambda rank: 2, 3, torch.dstack)


@builtin(torch.column_stack, strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER)
def column_stack(tensors: Sequence[Tensor]):
    dtype = result_dtype(*tensors)

    def func(tensors):
        parts = [cast(each, dtype) for each in tensors]
        return tf.concat([x if x.shape.rank > 1 else tf.reshape(x, [-1, 1]) for x in parts], 1)

    return func


def _rank_raised(rank: int, *ops: Any) -> None:
    def converter(*tensors: Any):
        def func(*tensors: Any):
            if len(tensors) == 1 and tf.is_tensor(tensors[0]):
                return tf.identity(at_least(tensors[0], rank))
            return tuple(tf.identity(at_least(each, rank)) for each in spread(tensors))

        return func

    builtin(*ops, strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER)(converter)


for _rank in (1, 2, 3):
    _rank_raised(_rank, getattr(torch, f"atleast_{_rank}d"), getattr(torch.functional, f"atleast_{_rank}d"))


@builtin(
    torch.broadcast_tensors,
    torch.functional.broadcast_tensors,
    strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER,
)
def broadcast_tensors(*tensors: Any):
    def func(*tensors: Any):
        each = spread(tensors)
        shape = tf.shape(each[0])
        for other in each[1:]:
            shape = tf.broadcast_dynamic_shape(shape, tf.shape(other))
        return tuple(tf.broadcast_to(x, shape) for x in each)

    return func


@builtin(torch.block_diag, torch.functional.block_diag, strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER)
def block_diag(*tensors: Any):
    dtype = result_dtype(*spread(tensors))

    def func(*tensors: Any):
        blocks = [cast(at_least(each, 2), dtype) for each in spread(tensors)]
        widths = [shape_of(block)[1] for block in blocks]
        left, right, rows = 0, sum(widths), []
        for block, width in zip(blocks, widths, strict=True):
            right = right - width
            rows.append(tf.pad(block, [[0, 0], [left, right]]))
            left = left + width
        return tf.concat(rows, 0)

    return func


def _splitting(name: str, dim_of) -> None:
    def converter(input: Tensor, indices_or_sections):
        dim = dim_of(input.dim())
        if isinstance(indices_or_sections, int):
            return _equal_pieces(indices_or_sections, dim)
        return _pieces_at(indices_or_sections, static_shape(input)[dim], dim)

    builtin(getattr(torch, name), getattr(torch.Tensor, name), output_layout=same_layout)(converter)


_splitting("hsplit", lambda rank: 0 if rank == 1 else 1)
_splitting("vsplit", lambda rank: 0)
_splitting("dsplit", lambda rank: 2)


@builtin(
    torch.split, torch.Tensor.split, torch.functional.split, torch.unsafe_split, torch.Tensor.unsafe_split,
    torch.unsafe_split_with_sizes, torch.Tensor.unsafe_split_with_sizes, torch.split_with_sizes,
    torch.Tensor.split_with_sizes, output_layout=same_layout,
)  # fmt: skip
def split(tensor: Tensor, split_size_or_sections=None, dim: int = 0, **kwargs):
    sections: Any = kwargs.get("split_size", split_size_or_sections)
    sections = kwargs.get("split_sizes", sections)
    if isinstance(sections, int):
        return _pieces(_steps(_known(tensor, dim, "split into pieces of one size"), sections), dim)
    if isinstance(sections, Tensor):
        raise ValueError(
            "split by a size that is computed has as many outputs as the size tells: give all sizes"
        )
    if not any(isinstance(each, Tensor) for each in sections):
        return _pieces(list(sections), dim)

    def func(tensor, split_size_or_sections=None, dim=0, **kwargs):
        layout = get_layout(tensor)
        sizes: Any = kwargs.get("split_sizes", kwargs.get("split_size", split_size_or_sections))
        parts = tf.split(
            tensor, tf.stack([cast(each, tf.int32) for each in sizes]), axis_of(tensor, dim), len(sizes)
        )
        return tuple(set_layout(part, layout) for part in parts)

    return func


@builtin(
    torch.chunk, torch.Tensor.chunk, torch.unsafe_chunk, torch.Tensor.unsafe_chunk, output_layout=same_layout
)
def chunk(input: Tensor, chunks: int, dim: int = 0):
    if chunks == 2 and static_shape(input)[dim] is None:
        return _halves(dim)
    total = _known(input, dim, f"chunk into {chunks}")
    return _pieces(_steps(total, -(-total // chunks)), dim)


def _halves(dim: int):
    """The one number of chunks that PyTorch makes of every size from 2 on."""

    def func(input, *args, **kwargs):
        layout, axis = get_layout(input), axis_of(input, dim)
        size = shape_of(input)[axis]
        half = (size + 1) // 2
        return tuple(
            set_layout(part, layout) for part in tf.split(input, tf.stack([half, size - half]), axis, 2)
        )

    return func


def _places_are_known(call: Any) -> str | None:
    if is_constant(call.indices_or_sections):
        return None
    return Impossible("tensor_split by a computed tensor has outputs whose shapes depend on the values")


@builtin(torch.tensor_split, torch.Tensor.tensor_split, output_layout=same_layout, accepts=_places_are_known)
def tensor_split(input: Tensor, indices_or_sections, dim: int = 0):
    if isinstance(indices_or_sections, Tensor):
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        return _nearly_equal_pieces(indices_or_sections, static_shape(input)[dim], dim)
    return _pieces_at(indices_or_sections, static_shape(input)[dim], dim)


def _known(input: Tensor, dim: int, what: str) -> int:
    size = static_shape(input)[dim]
    if size is None:
        raise UnknownSizeError(
            f"{what} along dim {dim}, whose size is not known, has as many outputs as the size tells. Give that size in "
            "input_shapes, or the size of each piece"
        )
    return size


def _steps(total: int, size: int) -> list[int]:
    return [min(size, total - start) for start in range(0, total, size)] if size else [total]


def _equal_pieces(count: int, dim: int):
    def func(input, *args, **kwargs):
        layout = get_layout(input)
        parts = tf.split(input, count, axis_of(input, dim)) if count > 1 else [tf.identity(input)]
        return tuple(set_layout(part, layout) for part in parts)

    return func


def _nearly_equal_pieces(count: int, total: int | None, dim: int):
    """The first ones longer by one, as many as remain."""
    if total is not None:
        return _pieces([total // count + (place < total % count) for place in range(count)], dim)

    def func(input, *args, **kwargs):
        layout, axis = get_layout(input), axis_of(input, dim)
        size = shape_of(input)[axis]
        sizes = size // count + tf.cast(tf.range(count) < size % count, tf.int32)
        return tuple(set_layout(part, layout) for part in tf.split(input, sizes, axis, count))

    return func


def _pieces_at(indices: Sequence[int], total: int | None, dim: int):
    """Cut before each index."""
    bounds = list(zip([None, *indices], [*indices, None], strict=True))
    if total is not None:
        sizes = [len(range(total)[start:stop]) for start, stop in bounds]
        if sum(sizes) == total:
            return _pieces(sizes, dim)

    def func(input, *args, **kwargs):
        layout = get_layout(input)
        lead = (slice(None),) * axis_of(input, dim)
        return tuple(set_layout(input[(*lead, slice(start, stop))], layout) for start, stop in bounds)

    return func


def _pieces(sizes: list[int], dim: int):
    def func(input, *args, **kwargs):
        layout = get_layout(input)
        if len(sizes) == 1:
            return (set_layout(tf.identity(input), layout),)
        equal = len(set(sizes)) == 1
        parts = tf.split(input, len(sizes) if equal else sizes, axis_of(input, dim))
        return tuple(set_layout(part, layout) for part in parts)

    return func


@builtin(torch.unbind, torch.Tensor.unbind, output_layout=without_dim)
def unbind(input: Tensor, dim: int = 0):
    _known(input, dim, "unbind")

    def func(input, dim=0):
        layout = get_layout(input)
        rest = dropped(layout, [dim])
        return tuple(set_layout(part, rest) for part in tf.unstack(input, axis=axis_of(input, dim)))

    return func


@builtin(torch.flip, torch.Tensor.flip, output_layout=same_layout)
def flip(input: Tensor, *dims, **kwargs):
    def func(input, *dims, **kwargs):
        layout = get_layout(input)
        axes = [axis_of(input, dim) for dim in spread(dims or (kwargs["dims"],))]
        return set_layout(mirrored(input, axes), layout)

    return func


def mirrored(x: Any, axes: Sequence[int]) -> Any:
    """One op for each run of neighbouring axes: TFLite mirrors no others at once."""
    runs: list[list[int]] = []
    for axis in sorted(axes):
        if runs and axis == runs[-1][-1] + 1:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    for run in runs:
        x = tf.reverse(x, run)
    return x if runs else tf.identity(x)


def _rolled_layout(layout: Layout, input, shifts, dims=None):
    return layout if dims is not None or layout == identity(len(layout)) else None


@builtin(torch.roll, torch.Tensor.roll, output_layout=_rolled_layout)
def roll(input: Tensor, shifts, dims=None):
    """As two slices joined the other way round, which TFLite has, where it has no roll."""

    def func(input, shifts, dims=None):
        if not input.shape.rank:
            return tf.identity(input)
        if dims is None:  # of the flattened tensor
            flat = set_layout(tf.reshape(input, [-1]), (0,))
            return tf.reshape(func(flat, shifts, 0), shape_of(input))
        steps, along = (list(v) if isinstance(v, (list, tuple)) else [v] for v in (shifts, dims))
        x = input
        for step, dim in zip(steps, along, strict=True):
            axis = axis_of(input, dim)
            size = shape_of(x)[axis]
            cut = -step % larger(size, 1)
            if tf.is_tensor(cut) or cut:
                lead = (slice(None),) * axis
                x = tf.concat([x[(*lead, slice(cut, None))], x[(*lead, slice(None, cut))]], axis)
        return tf.identity(x)

    return func
