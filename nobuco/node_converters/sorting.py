"""Running sums, sorting and ranks along a dim."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import torch
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy, Layout, axis_of, rank_of
from nobuco.contract.dtypes import tf_dtype
from nobuco.contract.registry import builtin
from nobuco.layout.shapes import dropped
from nobuco.node_converters._integers import inverted, place_of_extreme
from nobuco.node_converters._layouts import same_layout
from nobuco.node_converters._sizes import shape_of
from nobuco.node_converters._types import cast, floating

# -- running


def _running(name: str, function: Callable[..., Any], floats: bool = False) -> None:
    """Integers are summed up in 64 bits."""

    def running(input: Tensor, dim: int, *, dtype: torch.dtype | None = None):
        own = tf_dtype(input.dtype)
        kept = floating(own) if floats else own if own.is_floating or own.is_complex else tf.int64
        target = kept if dtype is None else tf_dtype(dtype)

        def func(input, dim, *, dtype=None):
            axis = axis_of(input, dim)
            x = cast(input, target)
            return function(x, axis) if rank_of(x) else tf.identity(x)

        return func

    homes = (torch, torch.Tensor)
    ops = [getattr(home, each) for home in homes for each in (name, f"{name}_") if hasattr(home, each)]
    builtin(*ops, output_layout=same_layout)(running)


_running("cumsum", tf.cumsum)
_running("cumprod", tf.math.cumprod)
_running("logcumsumexp", tf.math.cumulative_logsumexp, floats=True)


@builtin(torch.cummax, torch.Tensor.cummax, output_layout=same_layout)
def cummax(input: Tensor, dim: int):
    return _running_extreme(tf.argmax)


@builtin(torch.cummin, torch.Tensor.cummin, output_layout=same_layout)
def cummin(input: Tensor, dim: int):
    return _running_extreme(tf.argmin)


def _running_extreme(arg: Callable[..., Any]):
    """Place i of the outcome is the extreme of the first i: a triangle of copies, of which PyTorch takes the last best."""

    def func(input, dim):
        if not rank_of(input):
            return tf.identity(input), tf.zeros([], tf.int64)
        axis = axis_of(input, dim)
        x = tf.cast(input, tf.int32) if input.dtype == tf.bool else input
        size = x.shape[axis]
        indices = _places_of_extremes(x, axis, arg) if size is None else _place_by_place(x, axis, arg, size)
        if indices is None:
            return tf.identity(input), tf.zeros(tf.shape(input), tf.int64)
        return taken_along(input, indices, axis), indices

    return func


def _place_by_place(x: Any, axis: int, arg: Callable[..., Any], size: int) -> Any:
    places = []
    for i in range(size):
        # backwards, so that the first found is the last of equals
        head = tf.reverse(x[(slice(None),) * axis + (slice(0, i + 1),)], [axis])
        places.append(i - place_of_extreme(head, axis, arg))
    return tf.stack(places, axis) if places else None


def _places_of_extremes(x: Any, axis: int, arg: Callable[..., Any]) -> Any:
    """All heads at once, each backwards in a row of its own, where what lies beyond it repeats its first element."""
    size = shape_of(x)[axis]
    rows = tf.range(size)[:, None]
    rows = tf.maximum(rows - tf.range(size)[None, :], 0)  # (head, place): i, i - 1, ..., 0, 0, ...
    heads = tf.gather(x, rows, axis=axis)
    place = place_of_extreme(heads, axis + 1, arg)
    line = tf.reshape(tf.range(size), [-1 if i == axis else 1 for i in range(x.shape.rank)])
    return tf.maximum(tf.cast(line, tf.int64) - place, 0)


def taken_along(x: Any, indices: Any, axis: int) -> Any:
    """Each place of `indices` names a place along `axis`; along the other axes it keeps its own."""
    last = indices.shape.rank - 1
    if axis != last:
        swapped = list(range(last + 1))
        swapped[axis], swapped[last] = last, axis
        return tf.transpose(
            taken_along(tf.transpose(x, swapped), tf.transpose(indices, swapped), last), swapped
        )
    return tf.gather(x, indices, axis=last, batch_dims=last)


# -- sorted


def _sorted(x: Any, axis: int, descending: bool) -> tuple[Any, Any]:
    """Values and places; of equals the first stands first."""
    if not rank_of(x):
        return tf.identity(x), tf.zeros([], tf.int64)
    places = _argsorted(x, axis, descending)
    return taken_along(x, places, axis), tf.cast(places, tf.int64)


def _argsorted(x: Any, axis: int, descending: bool) -> Any:
    x = tf.cast(x, tf.int32) if x.dtype in (tf.bool, tf.int8, tf.uint8, tf.int16) else x
    if x.dtype.is_integer and not descending:  # -x has no counterpart for the least integer; ~x has
        return tf.argsort(inverted(x), axis, "DESCENDING", stable=True)
    return tf.argsort(x, axis, "DESCENDING" if descending else "ASCENDING", stable=True)


@builtin(torch.sort, torch.Tensor.sort, output_layout=same_layout)
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False):
    def func(input, dim=-1, descending=False, stable=False):
        return _sorted(input, axis_of(input, dim), descending)

    return func


@builtin(torch.argsort, torch.Tensor.argsort, output_layout=same_layout)
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False):
    def func(input, dim=-1, descending=False, stable=False):
        return _sorted(input, axis_of(input, dim), descending)[1]

    return func


@builtin(torch.msort, torch.Tensor.msort, output_layout=same_layout)
def msort(input: Tensor):
    return lambda input: _sorted(input, axis_of(input, 0), False)[0]


@builtin(torch.topk, torch.Tensor.topk, output_layout=same_layout)
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True):
    """One TOPK_V2 where the dim is the last and the largest are asked for."""

    def func(input, k, dim=-1, largest=True, sorted=True):
        if not rank_of(input):
            return tf.identity(input), tf.zeros([], tf.int64)
        axis = axis_of(input, dim)
        x = tf.cast(input, tf.int32) if input.dtype == tf.bool else input
        if axis == input.shape.rank - 1 and largest:
            values, places = tf.math.top_k(x, k)
            return cast(values, input.dtype), tf.cast(places, tf.int64)
        values, places = _sorted(input, axis, largest)
        first = (slice(None),) * axis + (slice(0, k),)
        return values[first], places[first]

    return func


def _ranked_layout(layout: Layout, input, k=None, dim=-1, keepdim=False, **kwargs):
    return layout if keepdim or not layout else dropped(layout, [dim])


@builtin(torch.kthvalue, torch.Tensor.kthvalue, output_layout=_ranked_layout)
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False):
    return lambda input, k, dim=-1, keepdim=False: _place(input, k - 1, dim, keepdim)


def _place(input: Any, k: int, dim: int, keepdim: bool) -> tuple[Any, Any]:
    axis = axis_of(input, dim)
    values, places = _sorted(input, axis, False)
    if not rank_of(input):
        return values, places
    one = (slice(None),) * axis + (slice(k, k + 1) if keepdim else k,)
    return values[one], places[one]


def _median_layout(layout: Layout, input, dim=None, keepdim=False):
    return () if dim is None else _ranked_layout(layout, input, None, dim, keepdim)


@builtin(torch.median, torch.Tensor.median, output_layout=_median_layout)
def median(input: Tensor, dim: int | None = None, keepdim: bool = False):
    """The lower one of two; a NaN wins."""

    def func(input, dim=None, keepdim=False):
        if dim is None:
            flat = tf.reshape(input, [-1])
            return _place(flat, (shape_of(flat)[0] - 1) // 2, 0, False)[0]
        count = shape_of(input)[axis_of(input, dim)] if input.shape.rank else 1
        return _place(input, (count - 1) // 2, dim, keepdim)

    return func


# -- neighbours


def _diff_layout(layout: Layout, input, n=1, dim=-1, prepend=None, append=None):
    return layout


@builtin(torch.diff, torch.Tensor.diff, output_layout=_diff_layout)
def diff(input: Tensor, n: int = 1, dim: int = -1, prepend=None, append=None):
    def func(input, n=1, dim=-1, prepend=None, append=None):
        if n == 0:
            return tf.identity(input)
        axis = axis_of(input, dim)
        parts = [each for each in (prepend, input, append) if each is not None]
        x = tf.concat(parts, axis) if len(parts) > 1 else input
        lead = (slice(None),) * axis
        for _ in range(n):
            low, high = x[(*lead, slice(0, -1))], x[(*lead, slice(1, None))]
            x = tf.math.logical_xor(high, low) if x.dtype == tf.bool else high - low
        return tf.identity(x)

    return func


def _places_among(boundaries: Any, x: Any, right: bool, target: Any) -> Any:
    """How many boundaries lie before each element."""
    before = (
        boundaries[..., None, :] <= x[..., :, None] if right else boundaries[..., None, :] < x[..., :, None]
    )
    return tf.reduce_sum(tf.cast(before, target), -1)


def _is_sorted(call: Any) -> str | None:
    return (
        None
        if call.sorter is None
        else "searchsorted with a sorter is not converted: sort the sequence first"
    )


@builtin(torch.searchsorted, strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER, accepts=_is_sorted)
def searchsorted(
    sorted_sequence: Tensor, input, *, out_int32: bool = False, right: bool = False, side=None, sorter=None
):
    """By comparing with every element of the sequence, which every runtime can do."""
    right = right or side == "right"
    target = tf.int32 if out_int32 else tf.int64

    def func(sorted_sequence, input, **kwargs):
        x = cast(input, sorted_sequence.dtype)
        if sorted_sequence.shape.rank == 1:
            flat = _places_among(sorted_sequence, tf.reshape(x, [-1]), right, target)
            return tf.reshape(flat, tf.shape(x))
        return _places_among(sorted_sequence, x, right, target)

    return func


@builtin(torch.bucketize, strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER)
def bucketize(input, boundaries: Tensor, *, out_int32: bool = False, right: bool = False):
    function = searchsorted(boundaries, input, out_int32=out_int32, right=right)
    return lambda input, boundaries, **kwargs: function(boundaries, input)
