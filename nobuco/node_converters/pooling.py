"""Pooling over windows, fixed and adaptive."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import Tensor

from nobuco.build.context import is_dynamic, is_nonnegative
from nobuco.build.results import LayerChain
from nobuco.layout.order import ChannelOrderingStrategy
from nobuco.node_converters._sizes import pads_like_same, per_dim
from nobuco.node_converters.registry import builtin

_MAX = {1: keras.layers.MaxPooling1D, 2: keras.layers.MaxPooling2D, 3: keras.layers.MaxPooling3D}
_AVERAGE = {1: keras.layers.AveragePooling1D, 2: keras.layers.AveragePooling2D, 3: keras.layers.AveragePooling3D}
_PADDING = {1: keras.layers.ZeroPadding1D, 2: keras.layers.ZeroPadding2D, 3: keras.layers.ZeroPadding3D}


def _windows(size: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    """How many windows PyTorch reads; in `ceil_mode` the last may start inside the padding of the front, not beyond."""
    span = size + 2 * p - (k - 1) * d - 1
    count = -(-span // s) + 1 if ceil_mode else span // s + 1
    return count - 1 if ceil_mode and (count - 1) * s >= size + p else count


def _pads(sizes, kernel, stride, padding, dilation, ceil_mode) -> list[tuple[int, int]]:
    """What must stand before and after each dim for VALID windows to be PyTorch's."""
    pads = []
    for size, k, s, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True):
        count = _windows(size, k, s, p, d, ceil_mode)
        pads.append((p, max((count - 1) * s + (k - 1) * d + 1 - size - p, 0)))
    return pads


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
    """Padding is minus infinity in PyTorch, so that it never wins; TensorFlow's SAME does the same."""
    if return_indices:
        raise ValueError("max pooling with return_indices=True is not converted: the indices have no TFLite op")
    kernel = per_dim(kernel_size, dims)
    stride = kernel if stride is None or stride == [] else per_dim(stride, dims)
    padding, dilation = per_dim(padding, dims), per_dim(dilation, dims)
    batched = input.dim() == dims + 2
    sizes = tuple(input.shape[-dims:])
    pads = _pads(sizes, kernel, stride, padding, dilation, ceil_mode)
    same = pads_like_same(sizes, kernel, stride, dilation, pads) and (not is_dynamic() or set(stride) == {1})
    if batched and set(dilation) == {1} and (same or not any(any(pad) for pad in pads)):
        return LayerChain(_MAX[dims](kernel, strides=stride, padding="same" if same and any(map(any, pads)) else "valid"))
    if batched and set(dilation) == {1} and is_nonnegative(input):  # XNNPACK pads with zeros only
        return LayerChain(_PADDING[dims](pads[0] if dims == 1 else tuple(pads)), _MAX[dims](kernel, strides=stride))

    lowest = float("-inf") if input.dtype.is_floating_point else torch.iinfo(input.dtype).min

    def func(input, *args, **kwargs):
        x = input if batched else tf.expand_dims(_channels_last(input, dims), 0)
        x = tf.pad(x, [(0, 0), *pads, (0, 0)], constant_values=tf.constant(lowest, x.dtype))
        if set(dilation) == {1}:
            x = tf.nn.max_pool(x, kernel, stride, "VALID")
        else:
            x = tf.nn.pool(x, kernel, "MAX", strides=stride, padding="VALID", dilations=dilation)
        return x if batched else _channels_first(x[0], dims)

    return func


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
    kernel = per_dim(kernel_size, dims)
    stride = kernel if stride is None or stride == [] else per_dim(stride, dims)
    padding = per_dim(padding, dims)
    batched = input.dim() == dims + 2
    sizes = tuple(input.shape[-dims:])
    ones = (1,) * dims
    pads = _pads(sizes, kernel, stride, padding, ones, ceil_mode)
    plain = not any(any(pad) for pad in pads)
    same = pads_like_same(sizes, kernel, stride, ones, pads) and (not is_dynamic() or set(stride) == {1})
    if batched and divisor_override is None:
        if plain:
            return LayerChain(_AVERAGE[dims](kernel, strides=stride))
        if same and not count_include_pad:  # TensorFlow's SAME does not count its padding either
            return LayerChain(_AVERAGE[dims](kernel, strides=stride, padding="same"))
        if count_include_pad and all(after <= p for (_, after), p in zip(pads, padding, strict=True)):
            return LayerChain(
                _PADDING[dims](pads[0] if dims == 1 else tuple(pads)), _AVERAGE[dims](kernel, strides=stride)
            )
    counted = padding if count_include_pad else (0,) * dims

    def func(input, *args, **kwargs):
        x = input if batched else tf.expand_dims(_channels_last(input, dims), 0)
        x = tf.pad(x, [(0, 0), *pads, (0, 0)])
        x = tf.nn.avg_pool(x, kernel, stride, "VALID")
        if divisor_override is not None:
            x = x * (float(np.prod(kernel)) / divisor_override)
        else:
            x = x * _share(x, sizes, kernel, stride, padding, counted, pads)
        return x if batched else _channels_first(x[0], dims)

    return func


def _share(x, sizes, kernel, stride, padding, counted, pads):
    """By how much the average over the whole window falls short of the one over the elements that count."""
    factors = np.ones((1,) * (len(sizes) + 2), np.float32)
    for axis, (size, k, s, p, c, (before, after)) in enumerate(
        zip(sizes, kernel, stride, padding, counted, pads, strict=True)
    ):
        count = (size + before + after - k) // s + 1
        starts = np.arange(count) * s - p
        inside = np.minimum(starts + k, size + c) - np.maximum(starts, -c)
        shape = [1] * factors.ndim
        shape[axis + 1] = count
        factors = factors * (k / inside).astype(np.float32).reshape(shape)
    return tf.constant(factors, x.dtype)


def adaptive_avg_pool(dims: int, input: Tensor, output_size):
    return _adaptive(dims, input, output_size, tf.reduce_mean, _AVERAGE)


def adaptive_max_pool(dims: int, input: Tensor, output_size, return_indices: bool = False):
    if return_indices:
        raise ValueError("adaptive max pooling with return_indices=True is not converted")
    return _adaptive(dims, input, output_size, tf.reduce_max, _MAX)


def _adaptive(dims: int, input: Tensor, output_size, reduce, pools):
    """One reduction for size 1, windows of one size where the sizes divide, else a slice for each output."""
    batched = input.dim() == dims + 2
    sizes = tuple(input.shape[-dims:])
    wanted = [size if want is None else want for want, size in zip(_each(output_size, dims), sizes, strict=True)]
    space = list(range(1, dims + 1))
    if set(wanted) == {1}:
        return lambda input, *args, **kwargs: (
            reduce(input, space, keepdims=True)
            if batched
            else _channels_first(reduce(_channels_last(input, dims), list(range(dims)), keepdims=True), dims)
        )
    if is_dynamic():
        raise ValueError("adaptive pooling to more than one element needs inputs of known size")
    if batched and all(size % want == 0 for size, want in zip(sizes, wanted, strict=True)):
        return LayerChain(pools[dims](tuple(size // want for size, want in zip(sizes, wanted, strict=True))))

    def func(input, *args, **kwargs):
        x = input if batched else tf.expand_dims(_channels_last(input, dims), 0)
        for axis, (size, want) in enumerate(zip(sizes, wanted, strict=True), start=1):
            bounds = [(i * size // want, -(-(i + 1) * size // want)) for i in range(want)]
            parts = [
                reduce(x[(slice(None),) * axis + (slice(low, high),)], axis, keepdims=True) for low, high in bounds
            ]
            x = tf.concat(parts, axis)
        return x if batched else _channels_first(x[0], dims)

    return func


def _each(value, dims: int):
    return tuple(value) if isinstance(value, Sequence) and len(value) == dims else (
        tuple(value) * dims if isinstance(value, Sequence) else (value,) * dims
    )


def _channels_last(x, dims: int):
    """An input without batch, (C, *space): a tensor of its rank stands with its dim 1 last."""
    rank = dims + 1
    layout = (0, *range(2, rank), 1) if rank > 2 else (0, 1)
    return tf.transpose(x, [layout.index(dim) for dim in (*range(1, rank), 0)])


def _channels_first(x, dims: int):
    rank = dims + 1
    layout = (0, *range(2, rank), 1) if rank > 2 else (0, 1)
    source = (*range(1, rank), 0)
    return tf.transpose(x, [source.index(dim) for dim in layout])


for _dims in (1, 2, 3):
    for _name, _pool in (
        ("max_pool", max_pool), ("avg_pool", avg_pool),
        ("adaptive_avg_pool", adaptive_avg_pool), ("adaptive_max_pool", adaptive_max_pool),
    ):  # fmt: skip
        _ops = {getattr(home, f"{_name}{_dims}d") for home in (F, torch) if hasattr(home, f"{_name}{_dims}d")}
        builtin(*_ops, strategy=ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER)(functools.partial(_pool, _dims))
