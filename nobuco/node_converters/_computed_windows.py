"""Pooling over windows whose sizes are computed, as in `F.avg_pool2d(x, x.shape[2:])` of unknown sizes.

TensorFlow's own pooling takes numbers only. Here each dim's windows are gathered, and reduced before the next dim's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from torch import Tensor

from nobuco.node_converters._channels import batch_of_one, without_batch
from nobuco.node_converters._sizes import shape_of


def is_computed(*sizes: Any) -> bool:
    """Whether a size is a tensor, or one of a dim is."""
    return any(
        isinstance(each, Tensor) for size in sizes for each in (size if _is_several(size) else (size,))
    )


def over_computed_windows(
    dims: int, batched: bool, reduce: Callable[..., Any], beyond: float, **others: bool
) -> Callable[..., Any]:
    """A function of the input, the windows, their strides and the padding, in which `beyond` stands. `others`: what else
    was asked for, by its name, which is refused."""
    refused = [name for name, asked in others.items() if asked]
    if refused:
        raise NotImplementedError(f"windows of computed size with {' and '.join(refused)}: leave it out")

    def func(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, *args: Any, **kwargs: Any):
        x = input if batched else batch_of_one(input, dims)
        kernel = _each(kernel_size, dims)
        strides = kernel if stride is None or (_is_several(stride) and not stride) else _each(stride, dims)
        pads = [(pad, pad) for pad in _each(padding, dims)]
        if any(tf.is_tensor(pad) or pad for pad, _ in pads):
            x = tf.pad(x, [(0, 0), *pads, (0, 0)], constant_values=tf.constant(beyond, x.dtype))
        for axis, (size, step) in enumerate(zip(kernel, strides, strict=True), start=1):
            count = (shape_of(x)[axis] - size) // step + 1
            places = tf.range(count)[:, None] * step + tf.range(size)[None, :]
            x = reduce(tf.gather(x, places, axis=axis), axis + 1)
        return x if batched else without_batch(x, dims)

    return func


def _is_several(size: Any) -> bool:
    return isinstance(size, tuple | list)


def _each(size: Any, dims: int) -> list[Any]:
    sizes = list(size) if _is_several(size) else [size]
    sizes = [tf.cast(each, tf.int32) if tf.is_tensor(each) else int(each) for each in sizes]
    return sizes * dims if len(sizes) == 1 else sizes
