"""Max pooling that tells where each maximum was found, and the way back (max_unpool)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.registry import builtin
from nobuco.contract.unknown_sizes import UnknownSizeError, static_shape
from nobuco.node_converters._channels import batch_of_one, without_batch
from nobuco.node_converters._sizes import per_dim, product_of, shape_of
from nobuco.node_converters.pooling import bin_bounds, each_size, lowest_of, places_in_windows, window_padding

_TENSORFLOW = ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER


def max_pool_with_indices(
    dims: int, input: Tensor, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False
):
    """One strided slice for each place in the window, and the first of the largest. An index counts in the plane of
    the input, without its padding."""
    kernel = per_dim(kernel_size, dims)
    stride = per_dim(stride, dims) if stride is not None and stride not in ([], ()) else kernel
    padding, dilation = per_dim(padding, dims), per_dim(dilation, dims)
    batched = input.dim() == dims + 2
    lowest = lowest_of(input.dtype)

    def func(input, *args, **kwargs):
        x = input if batched else batch_of_one(input, dims)
        sizes = shape_of(x)[1:-1]
        pads = window_padding(sizes, kernel, stride, padding, dilation, ceil_mode)
        x = tf.pad(x, [(0, 0), *pads, (0, 0)], constant_values=tf.constant(lowest, x.dtype))
        windows = tf.stack(places_in_windows(x, kernel, stride, dilation), 0)
        counts = shape_of(windows)[2:-1]
        best = tf.argmax(windows, 0, output_type=tf.int32)
        index, rest, factor = tf.zeros([], tf.int32), best, 1
        for axis in reversed(range(dims)):
            inside, rest = rest % kernel[axis], rest // kernel[axis]
            line = tf.range(counts[axis]) * stride[axis] - padding[axis]
            line = tf.reshape(line, [-1 if i == axis + 1 else 1 for i in range(dims + 2)])
            index = index + (line + inside * dilation[axis]) * factor
            factor *= sizes[axis]
        return _both(tf.reduce_max(windows, 0), index, batched, dims)

    return func


def adaptive_max_pool_with_indices(dims: int, input: Tensor, output_size):
    sizes, batched = static_shape(input)[-dims:], input.dim() == dims + 2
    if None in sizes:
        raise UnknownSizeError(
            "adaptive max pooling with return_indices has as many windows as its bins, whose bounds are not known: give the "
            "sizes in input_shapes, or leave the indices out"
        )
    wanted = [
        size if want is None else want for want, size in zip(each_size(output_size, dims), sizes, strict=True)
    ]

    def func(input, *args, **kwargs):
        x = input if batched else batch_of_one(input, dims)
        values, indices = [], []
        for cell in itertools.product(
            *(bin_bounds(size, want) for size, want in zip(sizes, wanted, strict=True))
        ):
            block = x[(slice(None), *(slice(low, high) for low, high in cell))]
            lengths = [high - low for low, high in cell]
            flat = tf.reshape(block, [-1, product_of(lengths), shape_of(x)[-1]])
            index, rest, factor = tf.zeros([], tf.int32), tf.argmax(flat, 1, output_type=tf.int32), 1
            for axis in reversed(range(dims)):
                inside, rest = rest % lengths[axis], rest // lengths[axis]
                index = index + (inside + cell[axis][0]) * factor
                factor *= sizes[axis]
            values.append(tf.reduce_max(flat, 1))
            indices.append(index)
        shape = [-1, *wanted, shape_of(x)[-1]]
        return _both(
            tf.reshape(tf.stack(values, 1), shape), tf.reshape(tf.stack(indices, 1), shape), batched, dims
        )

    return func


def _both(values: Any, indices: Any, batched: bool, dims: int) -> tuple[Any, Any]:
    """TFLite divides 32-bit numbers only, so the indices become PyTorch's 64 bits here, at the end."""
    indices = tf.cast(indices, tf.int64)
    return (values, indices) if batched else (without_batch(values, dims), without_batch(indices, dims))


def _unpooling(dims: int) -> None:
    op = getattr(F, f"max_unpool{dims}d")

    def unpool(input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None):
        """Zeros, but for the values at their indices."""
        kernel = per_dim(kernel_size, dims)
        step = per_dim(stride, dims) if stride is not None and stride not in ([], ()) else kernel
        pads = per_dim(padding, dims)
        batched = input.dim() == dims + 2
        overlapping = any(s < k for s, k in zip(step, kernel, strict=True))

        def func(input, indices, kernel_size, stride=None, padding=0, output_size=None):
            x, where = (each if batched else batch_of_one(each, dims) for each in (input, indices))
            batch, *space, channels = shape_of(x)
            shape = [(n - 1) * s - 2 * p + k for n, k, s, p in zip(space, kernel, step, pads, strict=True)]
            if output_size is not None:
                shape = [tf.cast(each, tf.int32) for each in list(output_size)[-dims:]]
            where = tf.reshape(tf.cast(where, tf.int64), [batch, -1, channels])
            sample = tf.broadcast_to(_count(batch)[:, None, None], tf.shape(where))
            channel = tf.broadcast_to(_count(channels)[None, None, :], tf.shape(where))
            spots = tf.reshape(tf.stack([sample, where, channel], -1), [-1, 3])
            size: Any = tf.cast(tf.stack([batch, product_of(shape), channels]), tf.int64)
            flat = tf.reshape(x, [-1])
            out = tf.scatter_nd(spots, flat, size)
            if overlapping:  # a maximum may have been found several times, and is added as often
                out = tf.math.divide_no_nan(out, tf.scatter_nd(spots, tf.ones_like(flat), size))
            out = tf.reshape(out, [batch, *shape, channels])
            return out if batched else without_batch(out, dims)

        return func

    builtin(op, strategy=_TENSORFLOW)(unpool)


def _count(size: Any) -> Any:
    return tf.cast(tf.range(size), tf.int64) if tf.is_tensor(size) else tf.range(size, dtype=tf.int64)


def _register(function: Any, dims: int, ops: Sequence[Any]) -> None:
    def converter(input: Tensor, *args, **kwargs):
        kwargs.pop("return_indices", None)
        return function(dims, input, *args, **kwargs)

    converter.__doc__ = function.__doc__
    builtin(*ops, strategy=_TENSORFLOW)(converter)


for _dims in (1, 2, 3):
    _unpooling(_dims)
    _name = f"max_pool{_dims}d_with_indices"
    _register(
        max_pool_with_indices, _dims,
        [getattr(home, _name) for home in (F, torch, torch._C._nn) if hasattr(home, _name)],  # pyright: ignore[reportAttributeAccessIssue]
    )  # fmt: skip
    _name = f"adaptive_max_pool{_dims}d"
    _ops = [
        getattr(F, f"{_name}_with_indices"),
        *(getattr(h, _name) for h in (torch, torch._C._nn) if hasattr(h, _name)),  # pyright: ignore[reportAttributeAccessIssue]
    ]
    _register(adaptive_max_pool_with_indices, _dims, _ops)
