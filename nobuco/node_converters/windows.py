"""Sliding windows: `F.unfold`, `F.fold`, `Tensor.unfold`."""

from __future__ import annotations

import itertools
from typing import Any

import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.registry import builtin
from nobuco.node_converters._sizes import per_dim, shape_of

_PYTORCH = ChannelOrderingStrategy.FORCE_PYTORCH_ORDER


@builtin(F.unfold, torch._C._nn.im2col, strategy=_PYTORCH)  # pyright: ignore[reportAttributeAccessIssue]
def unfold(input: Tensor, kernel_size, dilation=1, padding=0, stride=1):
    """``(N, C, H, W) -> (N, C * kh * kw, L)``: one strided slice for each place in the window."""
    kernel, dilation, padding, stride = (
        per_dim(each, 2) for each in (kernel_size, dilation, padding, stride)
    )
    batched = input.dim() == 4

    def func(input, *args, **kwargs):
        x = input if batched else tf.expand_dims(input, 0)
        x = tf.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
        counts = [
            (n - (k - 1) * d - 1) // s + 1
            for n, k, d, s in zip(shape_of(x)[2:], kernel, dilation, stride, strict=True)
        ]
        parts = []
        for place in itertools.product(*(range(k) for k in kernel)):
            starts = [i * d for i, d in zip(place, dilation, strict=True)]
            index = [slice(b, b + (n - 1) * s + 1, s) for b, n, s in zip(starts, counts, stride, strict=True)]
            parts.append(x[:, :, index[0], index[1]])
        out = tf.stack(parts, 2)  # (N, C, kh * kw, h, w)
        out = tf.reshape(out, [-1, shape_of(x)[1] * len(parts), counts[0] * counts[1]])
        return out if batched else out[0]

    return func


@builtin(F.fold, torch._C._nn.col2im, strategy=_PYTORCH)  # pyright: ignore[reportAttributeAccessIssue]
def fold(input: Tensor, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """The sum of overlapping windows: each place in the window spread out by the stride, and all added up."""
    kernel, dilation, padding, stride = (
        per_dim(each, 2) for each in (kernel_size, dilation, padding, stride)
    )
    batched = input.dim() == 3

    def func(input, output_size, *args, **kwargs):
        size = _two(output_size)
        full = [n + 2 * p for n, p in zip(size, padding, strict=True)]
        counts = [
            (n - (k - 1) * d - 1) // s + 1 for n, k, d, s in zip(full, kernel, dilation, stride, strict=True)
        ]
        x = input if batched else tf.expand_dims(input, 0)
        channels = shape_of(x)[1] // (kernel[0] * kernel[1])
        windows = tf.reshape(x, [-1, channels, kernel[0] * kernel[1], *counts])
        out = tf.zeros([], x.dtype)
        for i, place in enumerate(itertools.product(*(range(k) for k in kernel))):
            part = windows[:, :, i]
            for axis in (0, 1):
                part = _spread(part, axis + 2, stride[axis], place[axis] * dilation[axis], full[axis])
            out = out + part
        (top, left), (height, width) = padding, size
        out = out[:, :, top : top + height, left : left + width]
        return out if batched else out[0]

    return func


def _two(size: Any) -> tuple[Any, ...]:
    """Numbers, or scalar tensors where the model computes them."""
    if isinstance(size, int) or tf.is_tensor(size):
        size = (size, size)
    return tuple(tf.cast(each, tf.int32) if tf.is_tensor(each) else each for each in size)


def _spread(x, axis: int, stride: int, start: int, size: Any):
    """Zeros between the elements of an axis, the first at `start` of `size`."""
    shape = shape_of(x)
    count = shape[axis]
    if stride > 1:
        x = tf.pad(
            tf.expand_dims(x, axis + 1),
            [[0, stride - 1 if i == axis + 1 else 0] for i in range(len(shape) + 1)],
        )
        x = tf.reshape(x, [-1, *shape[1:axis], count * stride, *shape[axis + 1 :]])
        x = x[(slice(None),) * axis + (slice(0, (count - 1) * stride + 1),)]
    length = (count - 1) * stride + 1
    return tf.pad(x, [[start, size - start - length] if i == axis else [0, 0] for i in range(len(shape))])


@builtin(torch.Tensor.unfold, torch.unfold_copy, strategy=_PYTORCH)
def tensor_unfold(self: Tensor, dimension: int, size: int, step: int):
    """Windows along one dim, as a new last dim."""

    def func(self, dimension, size, step):
        if not self.shape.rank:
            return tf.reshape(self, [1])[:size]
        axis = dimension % self.shape.rank
        shape = shape_of(self)
        count = (shape[axis] - size) // step + 1
        lead = (slice(None),) * axis
        windows = [self[(*lead, slice(i, i + (count - 1) * step + 1, step))] for i in range(size)]
        return (
            tf.stack(windows, -1)
            if windows
            else tf.zeros([*shape[:axis], count, *shape[axis + 1 :], 0], self.dtype)
        )

    return func
