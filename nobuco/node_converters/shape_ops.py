"""Ops that rename, split, merge, permute and repeat dims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import torch
from torch import Tensor

from nobuco.build.context import is_constant, is_dynamic
from nobuco.build.op_layer import relaid
from nobuco.layout.order import (
    ChannelOrderingStrategy,
    Layout,
    axis_of,
    get_layout,
    identity,
    rank_of,
    set_layout,
    transposition,
)
from nobuco.layout.shapes import dropped, inserted, permuted, regrouped
from nobuco.node_converters._layouts import same_layout, without_dim
from nobuco.node_converters._types import cast, result_dtype
from nobuco.node_converters.registry import builtin


def spread(sizes: tuple[Any, ...]) -> tuple[Any, ...]:
    """`f(x, 1, 2)` and `f(x, (1, 2))` are the same."""
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], Sequence) else sizes


# -- permutations: a new name for each axis, and no data moved


def _permutation(name: str, *ops: Any, perm) -> None:
    def output_layout(layout: Layout, self, *args, **kwargs) -> Layout:
        return permuted(layout, perm(rank_of(self), *args, **kwargs))

    def converter(self: Tensor, *args, **kwargs):
        def func(self, *args, **kwargs):
            return set_layout(tf.identity(self), output_layout(get_layout(self), self, *args, **kwargs))

        return func

    converter.__name__ = name
    builtin(*ops, output_layout=output_layout)(converter)


def _swapped(rank: int, dim0: int, dim1: int) -> list[int]:
    perm = list(range(rank))
    if rank:
        perm[dim0], perm[dim1] = perm[dim1], perm[dim0]
    return perm


def _moved(rank: int, source, destination) -> list[int]:
    sources, targets = ([v] if isinstance(v, int) else list(v) for v in (source, destination))
    sources, targets = [s % rank for s in sources], [t % rank for t in targets]
    rest = iter(dim for dim in range(rank) if dim not in sources)
    return [sources[targets.index(place)] if place in targets else next(rest) for place in range(rank)]


_permutation(
    "permute",
    torch.permute,
    torch.Tensor.permute,
    perm=lambda rank, *dims, **kw: spread(dims or (kw["dims"],)),
)
_permutation(
    "transpose", torch.transpose, torch.Tensor.transpose, torch.Tensor.transpose_, torch.swapaxes, torch.Tensor.swapaxes,
    torch.swapdims, torch.Tensor.swapdims, torch.Tensor.swapaxes_, torch.Tensor.swapdims_,
    perm=lambda rank, *a, **kw: _swapped(rank, *(*a, *(kw[k] for k in ("dim0", "dim1", "axis0", "axis1") if k in kw))),
)  # fmt: skip
_permutation(
    "movedim", torch.movedim, torch.Tensor.movedim, torch.moveaxis, torch.Tensor.moveaxis,
    perm=lambda rank, source, destination: _moved(rank, source, destination),
)  # fmt: skip
_permutation(
    "t",
    torch.t,
    torch.Tensor.t,
    torch.Tensor.t_,
    torch.Tensor.T,
    torch.Tensor.H,
    perm=lambda rank: list(range(rank))[::-1],
)
_permutation("mT", torch.Tensor.mT, torch.Tensor.mH, torch.adjoint, torch.Tensor.adjoint,
             perm=lambda rank: _swapped(rank, -1, -2))  # fmt: skip


# -- splits and merges


def _target_shape(shape: Sequence[int], count: int) -> tuple[int, ...]:
    """Fills in the one size that is given as -1."""
    sizes = [int(size) for size in shape]
    if -1 in sizes:
        known = 1
        for size in sizes:
            known *= size if size != -1 else 1
        sizes[sizes.index(-1)] = count // known if known else 0
    return tuple(sizes)


def reshaped(x: Any, before: Sequence[int], after: Sequence[int]) -> Any:
    """Reshapes `x`, whose PyTorch shape is `before`, to the PyTorch shape `after`: as it stands where its layout
    allows, else in PyTorch's order."""
    layout = get_layout(x)
    target = regrouped(layout, before, after)
    if target is None:
        x = relaid(x, transposition(layout, identity(len(layout))))
        target = identity(len(after))
    return set_layout(tf.reshape(x, [after[dim] for dim in target]), target)


def sizes_of(x: Any) -> list[Any]:
    """The sizes of a TensorFlow tensor in PyTorch's order: numbers where known, else scalar tensors."""
    static, dynamic, layout = x.shape.as_list(), None, get_layout(x)
    sizes: list[Any] = [None] * len(static)
    for axis, dim in enumerate(layout):
        if static[axis] is None and dynamic is None:
            dynamic = tf.shape(x)
        sizes[dim] = static[axis] if dynamic is None or static[axis] is not None else dynamic[axis]
    return sizes


def _regroup(*ops: Any, shape) -> None:
    """`shape(sizes, *args)` is the PyTorch shape of the result for a tensor of `sizes`, in which -1 may stand."""

    def target(sizes: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        return list(shape(sizes, *args, **kwargs))

    def output_layout(layout: Layout, self, *args, **kwargs) -> Layout | None:
        before = tuple(self.shape)
        after = _target_shape(target(list(before), args, kwargs), self.numel())
        if is_dynamic() and layout != identity(len(layout)):
            return None
        return identity(len(after)) if is_dynamic() else regrouped(layout, before, after)

    def converter(self: Tensor, *args, **kwargs):
        before = tuple(self.shape)
        after = _target_shape(target(list(before), args, kwargs), self.numel())
        dynamic = is_dynamic()

        def func(self, *args, **kwargs):
            if not dynamic:
                return reshaped(self, before, after)
            sizes = target(sizes_of(self), args, kwargs)
            return set_layout(
                tf.reshape(self, [tf.cast(size, tf.int32) for size in sizes]), identity(len(sizes))
            )

        return func

    builtin(*ops, output_layout=output_layout)(converter)


def _product(sizes: Sequence[Any]) -> Any:
    result: Any = 1
    for size in sizes:
        result = result * size
    return result


def _flattened(sizes: list[Any], start_dim: int = 0, end_dim: int = -1) -> list[Any]:
    if not sizes:
        return [1]
    start, end = start_dim % len(sizes), end_dim % len(sizes)
    return [*sizes[:start], _product(sizes[start : end + 1]), *sizes[end + 1 :]]


def _unflattened(sizes: list[Any], dim: int, sizes_in: Sequence[int]) -> list[Any]:
    dim %= len(sizes)
    return [*sizes[:dim], *sizes_in, *sizes[dim + 1 :]]


def _viewed(sizes: list[Any], *shape: Any, **kwargs: Any) -> Sequence[Any]:
    return spread(shape or (kwargs.get("size", kwargs.get("shape")),))


_regroup(torch.reshape, torch.Tensor.reshape, shape=_viewed)
_regroup(torch.flatten, torch.Tensor.flatten, shape=_flattened)
_regroup(torch.ravel, torch.Tensor.ravel, shape=_flattened)
_regroup(torch.unflatten, torch.Tensor.unflatten, shape=lambda sizes, dim, sizes_=None, **kw: _unflattened(
    sizes, dim, sizes_ if sizes_ is not None else kw["sizes"]))  # fmt: skip


@builtin(torch.Tensor.view_as, torch.Tensor.reshape_as, strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER)
def view_as(self: Tensor, other: Tensor):
    return lambda self, other: tf.reshape(self, tf.shape(other))


def _view_layout(layout: Layout, self, *shape, **kwargs):
    if (shape and isinstance(shape[0], torch.dtype)) or "dtype" in kwargs:
        return layout if layout == identity(len(layout)) else None
    after = _target_shape(_viewed([], *shape, **kwargs), self.numel())
    if is_dynamic():
        return identity(len(after)) if layout == identity(len(layout)) else None
    return regrouped(layout, tuple(self.shape), after)


@builtin(torch.Tensor.view, output_layout=_view_layout)
def view(self: Tensor, *shape, **kwargs):
    if (shape and isinstance(shape[0], torch.dtype)) or "dtype" in kwargs:
        raise ValueError(
            "Tensor.view(dtype) reads the bytes of a tensor as another type, which no graph op does here"
        )
    before = tuple(self.shape)
    after = _target_shape(_viewed([], *shape, **kwargs), self.numel())
    dynamic = is_dynamic()

    def func(self, *shape, **kwargs):
        if not dynamic:
            return reshaped(self, before, after)
        return tf.reshape(self, [tf.cast(size, tf.int32) for size in _viewed([], *shape, **kwargs)])

    return func


# -- dims of size 1


def _squeezed_dims(self, dim=None) -> list[int]:
    rank = rank_of(self)
    dims = range(rank) if dim is None else [dim] if isinstance(dim, int) else dim
    return [d % rank for d in dims if rank and self.shape[d] == 1]


def _squeeze_layout(layout: Layout, self, dim=None):
    return dropped(layout, _squeezed_dims(self, dim))


@builtin(
    torch.squeeze,
    torch.Tensor.squeeze,
    torch.Tensor.squeeze_,
    torch.squeeze_copy,
    output_layout=_squeeze_layout,
)
def squeeze(self: Tensor, dim=None):
    dims = _squeezed_dims(self, dim)

    def func(self, dim=None):
        layout = get_layout(self)
        axes = [layout.index(d) for d in dims]
        return set_layout(tf.squeeze(self, axes) if axes else tf.identity(self), dropped(layout, dims))

    return func


def _unsqueeze_layout(layout: Layout, self, dim):
    return inserted(layout, dim)


@builtin(
    torch.unsqueeze,
    torch.Tensor.unsqueeze,
    torch.Tensor.unsqueeze_,
    torch.unsqueeze_copy,
    output_layout=_unsqueeze_layout,
)
def unsqueeze(self: Tensor, dim: int):
    dim = dim % (self.dim() + 1)

    def func(self, *args, **kwargs):
        layout = inserted(get_layout(self), dim)
        return set_layout(tf.expand_dims(self, layout.index(dim)), layout)

    return func


# -- repeats


def _repeat_layout(layout: Layout, self, *sizes, **kwargs):
    repeats = spread(sizes or (kwargs.get("repeats", kwargs.get("dims")),))
    more = len(repeats) - len(layout)
    if more <= 0:
        return layout
    return identity(len(repeats)) if layout == identity(len(layout)) else None


@builtin(torch.Tensor.repeat, torch.tile, torch.Tensor.tile, output_layout=_repeat_layout)
def repeat(self: Tensor, *sizes, **kwargs):
    def func(self, *sizes, **kwargs):
        repeats = list(spread(sizes or (kwargs.get("repeats", kwargs.get("dims")),)))
        layout = get_layout(self)
        repeats = [1] * (len(layout) - len(repeats)) + repeats
        if len(repeats) > len(layout):
            more = len(repeats) - len(layout)
            self = tf.reshape(self, tf.concat([[1] * more, tf.shape(self)], 0))
            layout = identity(len(repeats))
        return set_layout(tf.tile(self, [repeats[dim] for dim in layout]), layout)

    return func


def _expanded_layout(layout: Layout, self, *sizes, **kwargs):
    shape = spread(sizes or (kwargs.get("size"),))
    if len(shape) == len(layout):
        return layout
    return identity(len(shape)) if layout == identity(len(layout)) else None


@builtin(torch.Tensor.expand, torch.broadcast_to, torch.Tensor.broadcast_to, output_layout=_expanded_layout)
def expand(self: Tensor, *sizes, **kwargs):
    """-1 keeps a size."""

    def func(self, *sizes, **kwargs):
        shape = list(spread(sizes or (kwargs.get("size"),)))
        layout, own = get_layout(self), sizes_of(self)
        more = len(shape) - len(own)
        full = [
            own[i - more] if i >= more and isinstance(s, int) and s == -1 else s for i, s in enumerate(shape)
        ]
        layout = layout if more == 0 else identity(len(shape))
        return set_layout(tf.broadcast_to(self, [full[dim] for dim in layout]), layout)

    return func


@builtin(torch.Tensor.expand_as, strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER)
def expand_as(self: Tensor, other: Tensor):
    return lambda self, other: tf.broadcast_to(self, tf.shape(other))


# -- joins and splits


def _joined_layout(layout: Layout, tensors, dim=0):
    """One list, and all in it in one layout; PyTorch passes over tensors of shape (0,) among others."""
    rank = max(map(rank_of, tensors))
    if all(rank_of(each) == rank for each in tensors):
        return layout
    return identity(rank) if layout == identity(len(layout)) else None


@builtin(torch.cat, torch.concat, torch.concatenate, output_layout=_joined_layout)
def cat(tensors: Sequence[Tensor], dim: int = 0):
    dtype = result_dtype(*tensors) if len({t.dtype for t in tensors}) > 1 else None
    empty = [t.dim() == 1 and t.numel() == 0 for t in tensors]

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
    return tf.reshape(x, [1] * (rank - own) + x.shape.as_list())


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
        width, left, rows = sum(block.shape[1] for block in blocks), 0, []
        for block in blocks:
            rows.append(tf.pad(block, [[0, 0], [left, width - left - block.shape[1]]]))
            left += block.shape[1]
        return tf.concat(rows, 0)

    return func


def _splitting(name: str, dim_of) -> None:
    def converter(input: Tensor, indices_or_sections):
        pieces = getattr(torch, name)(input, indices_or_sections)
        dim = dim_of(input.dim())
        return _pieces([piece.shape[dim] for piece in pieces], dim)

    builtin(getattr(torch, name), getattr(torch.Tensor, name), output_layout=same_layout)(converter)


_splitting("hsplit", lambda rank: 0 if rank == 1 else 1)
_splitting("vsplit", lambda rank: 0)
_splitting("dsplit", lambda rank: 2)


@builtin(torch.split, torch.Tensor.split, torch.functional.split, torch.unsafe_split, torch.Tensor.unsafe_split, torch.unsafe_split_with_sizes, torch.Tensor.unsafe_split_with_sizes, torch.split_with_sizes, torch.Tensor.split_with_sizes,
         output_layout=same_layout)  # fmt: skip
def split(tensor: Tensor, split_size_or_sections=None, dim: int = 0, **kwargs):
    sections = kwargs.get("split_size", split_size_or_sections)
    sections = kwargs.get("split_sizes", sections)
    total = tensor.shape[dim]
    sizes = list(sections) if not isinstance(sections, int) else _steps(total, sections)
    return _pieces(sizes, dim)


@builtin(
    torch.chunk, torch.Tensor.chunk, torch.unsafe_chunk, torch.Tensor.unsafe_chunk, output_layout=same_layout
)
def chunk(input: Tensor, chunks: int, dim: int = 0):
    total = input.shape[dim]
    return _pieces(_steps(total, -(-total // chunks)), dim)


@builtin(torch.tensor_split, torch.Tensor.tensor_split, output_layout=same_layout)
def tensor_split(input: Tensor, indices_or_sections, dim: int = 0):
    if not is_constant(indices_or_sections):
        raise ValueError("tensor_split by a computed tensor has outputs whose shapes depend on the values")
    return _pieces([piece.shape[dim] for piece in torch.tensor_split(input, indices_or_sections, dim)], dim)


def _steps(total: int, size: int) -> list[int]:
    return [min(size, total - start) for start in range(0, total, size)] if size else [total]


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
        return set_layout(tf.reverse(input, axes), layout)

    return func


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
            return tf.reshape(func(flat, shifts, 0), input.shape)
        steps, along = ([v] if isinstance(v, int) else list(v) for v in (shifts, dims))
        x = input
        for step, dim in zip(steps, along, strict=True):
            axis = axis_of(input, dim)
            size = x.shape[axis]
            cut = -step % size if size else 0
            if cut:
                lead = (slice(None),) * axis
                x = tf.concat([x[(*lead, slice(cut, None))], x[(*lead, slice(None, cut))]], axis)
        return tf.identity(x)

    return func
