"""Pooling over windows, fixed and adaptive."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.context import is_nonnegative
from nobuco.contract.registry import builtin
from nobuco.contract.results import LayerChain
from nobuco.contract.unknown_sizes import static_shape
from nobuco.node_converters._channels import batch_of_one, without_batch
from nobuco.node_converters._computed_windows import is_computed, over_computed_windows
from nobuco.node_converters._sizes import larger, pads_like_same, per_dim, shape_of
from nobuco.node_converters.resampling import bounds_of_bins, by_matrices, computed_matrix

_MAX = {1: keras.layers.MaxPooling1D, 2: keras.layers.MaxPooling2D, 3: keras.layers.MaxPooling3D}
_AVERAGE = {
    1: keras.layers.AveragePooling1D,
    2: keras.layers.AveragePooling2D,
    3: keras.layers.AveragePooling3D,
}
_PADDING = {1: keras.layers.ZeroPadding1D, 2: keras.layers.ZeroPadding2D, 3: keras.layers.ZeroPadding3D}


def _windows(size: Any, k: int, s: int, p: int, d: int, ceil_mode: bool) -> Any:
    """How many windows PyTorch reads; in `ceil_mode` the last may start inside the padding of the front, not beyond."""
    span = size + 2 * p - (k - 1) * d - 1
    if not ceil_mode:
        return span // s + 1
    count = (span + s - 1) // s + 1
    if tf.is_tensor(count):
        return count - tf.cast((count - 1) * s >= size + p, tf.int32)
    return count - 1 if (count - 1) * s >= size + p else count


def window_padding(sizes, kernel, stride, padding, dilation, ceil_mode) -> list[tuple[Any, Any]]:
    """What must stand before and after each dim for VALID windows to be PyTorch's."""
    pads = []
    for size, k, s, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True):
        count = _windows(size, k, s, p, d, ceil_mode)
        pads.append((p, larger((count - 1) * s + (k - 1) * d + 1 - size - p, 0)))
    return pads


def _known_padding(sizes, kernel, stride, padding, dilation, ceil_mode) -> list[tuple[int, int]] | None:
    """At conversion. Windows that must not go beyond the padding need no more than it, whatever the size."""
    if None not in sizes:
        return window_padding(sizes, kernel, stride, padding, dilation, ceil_mode)
    return None if ceil_mode and set(stride) != {1} else [(p, p) for p in padding]


def lowest_of(dtype: torch.dtype) -> float:
    return float("-inf") if dtype.is_floating_point else torch.iinfo(dtype).min


def places_in_windows(
    x: Any, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> list[Any]:
    """For each place in the window, row by row, what stands there in all windows: one strided slice."""
    counts = [
        (n - (k - 1) * d - 1) // s + 1
        for n, k, d, s in zip(shape_of(x)[1:-1], kernel, dilation, stride, strict=True)
    ]
    slices = []
    for place in itertools.product(*(range(k) for k in kernel)):
        starts = [i * d for i, d in zip(place, dilation, strict=True)]
        index = [slice(b, b + (n - 1) * s + 1, s) for b, n, s in zip(starts, counts, stride, strict=True)]
        slices.append(x[(slice(None), *index)])
    return slices


def max_pool(
    dims: int,
    input: Tensor,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode: bool = False,
    return_indices: bool = False,
):
    """Padding is minus infinity in PyTorch, so that it never wins; TensorFlow's SAME does the same.

    The edge once more does as well where each window that reaches into the padding holds the edge, too: it wins no more
    often for standing there twice. Unlike an infinity it has a form in integers."""
    if is_computed(kernel_size, stride, padding):
        others = {"dilation": per_dim(dilation, dims) != (1,) * dims, "ceil_mode": ceil_mode}
        return over_computed_windows(
            dims, input.dim() == dims + 2, tf.reduce_max, lowest_of(input.dtype), **others
        )
    kernel = per_dim(kernel_size, dims)
    stride = per_dim(stride, dims) if stride is not None and stride not in ([], ()) else kernel
    padding, dilation = per_dim(padding, dims), per_dim(dilation, dims)
    batched = input.dim() == dims + 2
    sizes = static_shape(input)[-dims:]
    pads = _known_padding(sizes, kernel, stride, padding, dilation, ceil_mode)
    if batched and pads is not None and set(dilation) == {1}:
        same = pads_like_same(sizes, kernel, stride, dilation, pads)
        if same or not any(any(pad) for pad in pads):
            mode = "same" if same and any(map(any, pads)) else "valid"
            return LayerChain(_MAX[dims](kernel, strides=stride, padding=mode))
        if is_nonnegative(input):  # XNNPACK pads with zeros only
            return LayerChain(
                _PADDING[dims](pads[0] if dims == 1 else tuple(pads)), _MAX[dims](kernel, strides=stride)
            )

    lowest = lowest_of(input.dtype)

    def func(input, *args, **kwargs):
        x = input if batched else batch_of_one(input, dims)
        known = pads or window_padding(shape_of(x)[1:-1], kernel, stride, padding, dilation, ceil_mode)
        if set(dilation) == {1} and _reaches_edges(known, kernel):
            x = _with_edges_repeated(x, known)
        else:
            x = tf.pad(x, [(0, 0), *known, (0, 0)], constant_values=tf.constant(lowest, x.dtype))
        if set(dilation) == {1}:
            x = tf.nn.max_pool(x, kernel, stride, "VALID")
        else:
            x = functools.reduce(tf.maximum, places_in_windows(x, kernel, stride, dilation))
        return x if batched else without_batch(x, dims)

    return func


def _reaches_edges(pads: Sequence[tuple[Any, Any]], kernel: Sequence[int]) -> bool:
    return all(
        not tf.is_tensor(each) and each < k for pair, k in zip(pads, kernel, strict=True) for each in pair
    )


def _with_edges_repeated(x: Any, pads: Sequence[tuple[int, int]]) -> Any:
    for axis, (before, after) in enumerate(pads, start=1):
        if before or after:
            lead = (slice(None),) * axis
            first, last = x[(*lead, slice(0, 1))], x[(*lead, slice(-1, None))]
            x = tf.concat([*[first] * before, x, *[last] * after], axis)
    return x


def avg_pool(
    dims: int,
    input: Tensor,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
):
    """The zeros of the padding count or not (`count_include_pad`); what lies beyond it (`ceil_mode`) never does."""
    if is_computed(kernel_size, stride, padding):
        others = {"ceil_mode": ceil_mode, "divisor_override": divisor_override is not None}
        others["count_include_pad=False"] = not count_include_pad and padding not in (0, (0,) * dims)
        return over_computed_windows(dims, input.dim() == dims + 2, tf.reduce_mean, 0.0, **others)
    kernel = per_dim(kernel_size, dims)
    stride = per_dim(stride, dims) if stride is not None and stride not in ([], ()) else kernel
    padding = per_dim(padding, dims)
    batched = input.dim() == dims + 2
    sizes = static_shape(input)[-dims:]
    ones = (1,) * dims
    pads = _known_padding(sizes, kernel, stride, padding, ones, ceil_mode)
    if batched and divisor_override is None and pads is not None:
        same = pads_like_same(sizes, kernel, stride, ones, pads)
        if not any(any(pad) for pad in pads):
            return LayerChain(_AVERAGE[dims](kernel, strides=stride))
        if same and not count_include_pad:  # TensorFlow's SAME does not count its padding either
            return LayerChain(_AVERAGE[dims](kernel, strides=stride, padding="same"))
        if count_include_pad and all(after <= p for (_, after), p in zip(pads, padding, strict=True)):
            return LayerChain(
                _PADDING[dims](pads[0] if dims == 1 else tuple(pads)), _AVERAGE[dims](kernel, strides=stride)
            )
    counted = padding if count_include_pad else (0,) * dims

    def func(input, *args, **kwargs):
        x = input if batched else batch_of_one(input, dims)
        sizes = shape_of(x)[1:-1]
        known = pads or window_padding(sizes, kernel, stride, padding, ones, ceil_mode)
        x = tf.pad(x, [(0, 0), *known, (0, 0)])
        x = tf.nn.avg_pool(x, kernel, stride, "VALID")
        if divisor_override is not None:
            x = x * (float(np.prod(kernel)) / divisor_override)
        else:
            x = x * _share(x, sizes, kernel, stride, padding, counted, known)
        return x if batched else without_batch(x, dims)

    return func


def _share(x, sizes, kernel, stride, padding, counted, pads):
    """By how much the average over the whole window falls short of the one over the elements that count."""
    factors: Any = np.ones((1,) * (len(sizes) + 2), np.float32)
    for axis, (size, k, s, p, c, (before, after)) in enumerate(
        zip(sizes, kernel, stride, padding, counted, pads, strict=True)
    ):
        count = (size + before + after - k) // s + 1
        shape = [-1 if i == axis + 1 else 1 for i in range(len(sizes) + 2)]
        if tf.is_tensor(count):
            starts = tf.range(count) * s - p
            inside = tf.minimum(starts + k, size + c) - tf.maximum(starts, -c)
            factors = factors * tf.reshape(k / tf.cast(inside, tf.float32), shape)
        else:
            starts = np.arange(count) * s - p
            inside = np.minimum(starts + k, size + c) - np.maximum(starts, -c)
            factors = factors * (k / inside).astype(np.float32).reshape(shape)
    return tf.cast(factors, x.dtype) if tf.is_tensor(factors) else tf.constant(factors, x.dtype)


def adaptive_avg_pool(dims: int, input: Tensor, output_size):
    return _adaptive(dims, input, output_size, tf.reduce_mean, _AVERAGE)


def adaptive_max_pool(dims: int, input: Tensor, output_size, return_indices: bool = False):
    return _adaptive(dims, input, output_size, tf.reduce_max, _MAX)


def bin_bounds(size: int, wanted: int) -> list[tuple[int, int]]:
    """Where each of PyTorch's bins begins and ends; they overlap where the sizes do not divide."""
    return [(i * size // wanted, -(-(i + 1) * size // wanted)) for i in range(wanted)]


def _bin_means(size: int, wanted: int) -> np.ndarray:
    matrix = np.zeros((wanted, size), np.float32)
    for row, (low, high) in zip(matrix, bin_bounds(size, wanted), strict=True):
        row[low:high] = 1 / (high - low)
    return matrix


def _adaptive(dims: int, input: Tensor, output_size, reduce, pools):
    """One reduction for size 1, windows of one size where the sizes divide; else the mean as a product with a constant
    matrix for each dim, which XNNPACK takes, and the maximum slice by slice."""
    batched = input.dim() == dims + 2
    sizes = static_shape(input)[-dims:]
    asked = each_size(output_size, dims)
    wanted = [size if want is None else want for want, size in zip(asked, sizes, strict=True)]
    space = list(range(1, dims + 1))
    if all(isinstance(want, int) and want == 1 for want in wanted):
        if batched:
            return lambda input, *args, **kwargs: reduce(input, space, keepdims=True)
        return lambda input, *args, **kwargs: without_batch(
            reduce(batch_of_one(input, dims), space, keepdims=True), dims
        )
    if None in sizes or any(isinstance(want, Tensor) for want in wanted):
        return _adaptive_of_unknown(dims, batched, reduce)
    if batched and all(size % want == 0 for size, want in zip(sizes, wanted, strict=True)):
        return LayerChain(pools[dims](tuple(size // want for size, want in zip(sizes, wanted, strict=True))))

    def func(input, *args, **kwargs):
        x = input if batched else batch_of_one(input, dims)
        if reduce is tf.reduce_mean:
            x = by_matrices(x, [_bin_means(size, want) for size, want in zip(sizes, wanted, strict=True)])
        else:
            for axis, (size, want) in enumerate(zip(sizes, wanted, strict=True), start=1):
                lead = (slice(None),) * axis
                x = tf.concat(
                    [reduce(x[(*lead, slice(*b))], axis, keepdims=True) for b in bin_bounds(size, want)], axis
                )
        return x if batched else without_batch(x, dims)

    return func


def _adaptive_of_unknown(dims: int, batched: bool, reduce):
    """The means as products with computed matrices; the maximum over each bin of what lies in it."""

    def func(input, output_size, *args, **kwargs):
        x = input if batched else batch_of_one(input, dims)
        sizes = shape_of(x)[1:-1]
        wanted = [
            size if want is None else tf.cast(want, tf.int32)
            for want, size in zip(each_size(output_size, dims), sizes, strict=True)
        ]
        if reduce is tf.reduce_mean:
            x = by_matrices(
                x, [computed_matrix(n, w, "area", False, None) for n, w in zip(sizes, wanted, strict=True)]
            )
        else:
            for axis, want in enumerate(wanted, start=1):
                x = _largest_in_bins(x, axis, want)
        return x if batched else without_batch(x, dims)

    return func


def _largest_in_bins(x, axis: int, wanted: Any) -> Any:
    size = shape_of(x)[axis]
    first, end = bounds_of_bins(size, wanted)
    column = tf.range(size)[None, :]
    inside = (column >= first[:, None]) & (column < end[:, None])
    inside = tf.reshape(inside, [1] * axis + [wanted, size] + [1] * (x.shape.rank - axis - 1))
    lowest = tf.constant(x.dtype.min if x.dtype.is_integer else float("-inf"), x.dtype)
    return tf.reduce_max(tf.where(inside, tf.expand_dims(x, axis), lowest), axis + 1)


def each_size(value, dims: int):
    return (
        tuple(value)
        if isinstance(value, Sequence) and len(value) == dims
        else (tuple(value) * dims if isinstance(value, Sequence) else (value,) * dims)
    )


for _dims in (1, 2, 3):
    for _name, _pool in (
        ("max_pool", max_pool), ("avg_pool", avg_pool),
        ("adaptive_avg_pool", adaptive_avg_pool), ("adaptive_max_pool", adaptive_max_pool),
    ):  # fmt: skip
        # what adaptive_max_pool resolves to in torch itself yields indices, too, and is another op
        _homes = (F,) if _pool is adaptive_max_pool else (F, torch)
        _ops = [getattr(home, f"{_name}{_dims}d") for home in _homes if hasattr(home, f"{_name}{_dims}d")]
        builtin(*_ops, strategy=ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER)(
            functools.partial(_pool, _dims)
        )
