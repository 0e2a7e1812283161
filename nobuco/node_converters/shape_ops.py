"""Ops that rename, permute, split, merge and repeat the dims of one tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import torch
from torch import Tensor

from nobuco.contract.channel_order import (
    ChannelOrderingStrategy,
    Layout,
    get_layout,
    identity,
    rank_of,
    relaid,
    set_layout,
    transposition,
)
from nobuco.contract.context import is_dynamic
from nobuco.contract.converter import Impossible
from nobuco.contract.registry import builtin
from nobuco.contract.unknown_sizes import UnknownSizeError, static_shape, traced_shape
from nobuco.layout.shapes import dropped, inserted, permuted, regrouped
from nobuco.node_converters._sizes import product_of, sizes_of


def spread(sizes: tuple[Any, ...]) -> tuple[Any, ...]:
    """`f(x, 1, 2)` and `f(x, (1, 2))` are the same."""
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], Sequence) else sizes


# -- permutations: a new name for each axis, and no data moved


def _permutation(name: str, *ops: Any, perm, conjugate: bool = False) -> None:
    def output_layout(layout: Layout, self, *args, **kwargs) -> Layout:
        return permuted(layout, perm(rank_of(self), *args, **kwargs))

    def converter(self: Tensor, *args, **kwargs):
        def func(self, *args, **kwargs):
            same = tf.math.conj if conjugate and self.dtype.is_complex else tf.identity
            return set_layout(same(self), output_layout(get_layout(self), self, *args, **kwargs))

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
    perm=lambda rank: list(range(rank))[::-1],
)
_permutation("mT", torch.Tensor.mT, perm=lambda rank: _swapped(rank, -1, -2))
_permutation("H", torch.Tensor.H, perm=lambda rank: list(range(rank))[::-1], conjugate=True)
_permutation("mH", torch.Tensor.mH, torch.adjoint, torch.Tensor.adjoint,
             perm=lambda rank: _swapped(rank, -1, -2), conjugate=True)  # fmt: skip


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


def _regroup(*ops: Any, shape) -> None:
    """`shape(sizes, *args)` is the PyTorch shape of the result for a tensor of `sizes`, in which -1 may stand."""

    def target(sizes: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        return list(shape(sizes, *args, **kwargs))

    def output_layout(layout: Layout, self, *args, **kwargs) -> Layout | None:
        before = tuple(self.shape)
        after = target(list(before), args, kwargs)
        if is_dynamic():  # which dims are merged, and which are split, is known for known sizes only
            return identity(len(after)) if layout == identity(len(layout)) else None
        return regrouped(layout, before, _target_shape(after, self.numel()))

    def converter(self: Tensor, *args, **kwargs):
        if is_dynamic():

            def by_own_sizes(self, *args, **kwargs):
                sizes = target(sizes_of(self), args, kwargs)
                return set_layout(
                    tf.reshape(self, [tf.cast(size, tf.int32) for size in sizes]), identity(len(sizes))
                )

            return by_own_sizes
        before = tuple(self.shape)
        after = _target_shape(target(list(before), args, kwargs), self.numel())
        return lambda self, *args, **kwargs: reshaped(self, before, after)

    builtin(*ops, output_layout=output_layout)(converter)


def _flattened(sizes: list[Any], start_dim: int = 0, end_dim: int = -1) -> list[Any]:
    if not sizes:
        return [1]
    start, end = start_dim % len(sizes), end_dim % len(sizes)
    return [*sizes[:start], product_of(sizes[start : end + 1]), *sizes[end + 1 :]]


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
    after = _viewed([], *shape, **kwargs)
    if is_dynamic():
        return identity(len(after)) if layout == identity(len(layout)) else None
    return regrouped(layout, tuple(self.shape), _target_shape(after, self.numel()))


def _changes_no_dtype(call: Any) -> str | None:
    if (call.shape and isinstance(call.shape[0], torch.dtype)) or "dtype" in call.kwargs:
        return Impossible(
            "Tensor.view(dtype) reads the bytes of a tensor as another type, which no graph op does here"
        )
    return None


@builtin(torch.Tensor.view, output_layout=_view_layout, accepts=_changes_no_dtype)
def view(self: Tensor, *shape, **kwargs):
    if is_dynamic():
        return lambda self, *shape, **kwargs: tf.reshape(
            self, [tf.cast(size, tf.int32) for size in _viewed([], *shape, **kwargs)]
        )
    before = tuple(self.shape)
    after = _target_shape(_viewed([], *shape, **kwargs), self.numel())
    return lambda self, *shape, **kwargs: reshaped(self, before, after)


def _first_elements(self: Any, shape: Sequence[Any]) -> Any:
    return tf.reshape(tf.reshape(self, [-1])[: product_of(shape)], shape)


def _unresizable(self: Tensor, sizes: Sequence[int], memory_format: Any) -> str | None:
    if product_of(sizes) > self.numel():
        return "what it adds to the tensor has no value: pad the tensor instead"
    if memory_format not in (None, torch.contiguous_format, torch.preserve_format):
        return "in another memory format it reads the elements in another order: permute the tensor instead"
    if not self.is_contiguous():
        return "of a tensor that is a view in another order: make it contiguous first"
    return None


@builtin(
    torch.Tensor.resize_,
    strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER,
    accepts=lambda call: _unresizable(
        call.self, _viewed([], *call.sizes, **call.kwargs), call.kwargs.get("memory_format")
    ),
)
def resize_(self: Tensor, *sizes, **kwargs):
    """The first elements in another shape."""
    return lambda self, *sizes, **kwargs: _first_elements(self, _viewed([], *sizes, **kwargs))


@builtin(
    torch.Tensor.resize_as_,
    torch.resize_as_,
    strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER,
    accepts=lambda call: _unresizable(call.self, call.the_template.shape, call.memory_format),
)
def resize_as_(self: Tensor, the_template: Tensor, memory_format=None):
    """The first elements in the shape of another tensor."""
    return lambda self, the_template, memory_format=None: _first_elements(self, sizes_of(the_template))


# -- dims of size 1


def _squeezed_dims(self, dim, sizes: Sequence[int | None]) -> list[int]:
    rank = rank_of(self)
    dims = range(rank) if dim is None else [dim] if isinstance(dim, int) else dim
    return [d % rank for d in dims if rank and sizes[d] == 1]


def _squeeze_layout(layout: Layout, self, dim=None):
    return dropped(layout, _squeezed_dims(self, dim, self.shape))


@builtin(
    torch.squeeze,
    torch.Tensor.squeeze,
    torch.Tensor.squeeze_,
    torch.squeeze_copy,
    output_layout=_squeeze_layout,
)
def squeeze(self: Tensor, dim=None):
    """PyTorch drops a dim where its size happens to be 1, but a graph has one rank: a dim of unknown size stays."""
    dims = _squeezed_dims(self, dim, static_shape(self))
    maybe = [d for d in _squeezed_dims(self, dim, traced_shape(self)) if d not in dims]
    if maybe:
        raise UnknownSizeError(
            f"squeeze drops dim {maybe[0]} only where its size is 1, and that size is not known. Name the dims to drop that "
            "always have size 1, as in x.squeeze(1), or give the size in input_shapes"
        )

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
