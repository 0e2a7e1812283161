"""Tensors made from sizes and numbers. With constant sizes PyTorch's own outcome is a constant of the model; these are
for sizes that the model computes, and for `..._like`."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy, get_layout
from nobuco.contract.converter import Impossible
from nobuco.contract.dtypes import tf_dtype
from nobuco.contract.registry import builtin, spellings
from nobuco.node_converters._layouts import same_layout
from nobuco.node_converters._sizes import sizes_of
from nobuco.node_converters._types import cast
from nobuco.node_converters.shape_ops import spread

_PYTORCH = ChannelOrderingStrategy.FORCE_PYTORCH_ORDER


def _dtype_of(asked: torch.dtype | None, default: torch.dtype) -> Any:
    return tf_dtype(default if asked is None else asked)


def _filled(sizes: Any, value: Any, dtype: Any) -> Any:
    sizes = [cast(size, tf.int32) if tf.is_tensor(size) else int(size) for size in sizes]
    return tf.fill(tf.stack(sizes) if any(map(tf.is_tensor, sizes)) else sizes, cast(value, dtype))


# -- of the sizes of another tensor


def _like(name: str, value: float) -> None:
    def like(input: Tensor, *, dtype: torch.dtype | None = None, **kwargs: Any):
        target = _dtype_of(dtype, input.dtype)
        return lambda input, **kwargs: _filled(
            tf.unstack(tf.shape(input)) if None in input.shape else input.shape, value, target
        )

    builtin(getattr(torch, name), any_layout=True)(like)


_like("zeros_like", 0)
_like("ones_like", 1)
_like("empty_like", 0)  # PyTorch's is what memory holds; zeros are as good as any


@builtin(torch.full_like, any_layout=True)
def full_like(input: Tensor, fill_value, *, dtype: torch.dtype | None = None, **kwargs: Any):
    target = _dtype_of(dtype, input.dtype)

    def func(input, fill_value, **kwargs):
        sizes = tf.unstack(tf.shape(input)) if None in input.shape else input.shape
        return _filled(sizes, fill_value, target)

    return func


@builtin(*spellings("fill"), any_layout=True)
def fill(input: Tensor, value):
    return lambda input, value: tf.broadcast_to(cast(value, input.dtype), tf.shape(input))


@builtin(torch.zero_, torch.Tensor.zero_, any_layout=True)
def zero(input: Tensor):
    return lambda input: tf.zeros_like(input)


# -- of given sizes


def _sized(value: float, *ops: Any, new: bool = False) -> None:
    def sized(*args: Any, dtype: torch.dtype | None = None, **kwargs: Any):
        target = _dtype_of(dtype, args[0].dtype if new else torch.get_default_dtype())

        def func(*sizes: Any, **kwargs: Any):
            sizes = sizes[1:] if new else sizes
            return _filled(spread(sizes or (kwargs["size"],)), value, target)

        return func

    builtin(*ops, strategy=_PYTORCH)(sized)


_sized(0, torch.zeros, torch.empty)
_sized(1, torch.ones)
_sized(0, torch.Tensor.new_zeros, torch.Tensor.new_empty, new=True)
_sized(1, torch.Tensor.new_ones, new=True)


@builtin(torch.full, strategy=_PYTORCH)
def full(size, fill_value, *, dtype: torch.dtype | None = None, **kwargs: Any):
    default = fill_value if isinstance(fill_value, Tensor) else torch.tensor(fill_value)
    target = _dtype_of(dtype, default.dtype)
    return lambda size, fill_value, **kwargs: _filled(size, fill_value, target)


@builtin(torch.Tensor.new_full, strategy=_PYTORCH)
def new_full(self: Tensor, size, fill_value, *, dtype: torch.dtype | None = None, **kwargs: Any):
    target = _dtype_of(dtype, self.dtype)
    return lambda self, size, fill_value, **kwargs: _filled(size, fill_value, target)


@builtin(
    torch.Tensor.new_tensor,
    torch.scalar_tensor,
    torch.tensor,
    torch.as_tensor,
    torch.asarray,
    strategy=_PYTORCH,
)
def new_tensor(*args: Any, dtype: torch.dtype | None = None, **kwargs: Any):
    """A tensor of computed scalars, or of another tensor's values."""
    data = kwargs.get("data", args[-1] if args else None)
    example = data if isinstance(data, Tensor) else None
    target = (
        None
        if dtype is None and example is None
        else _dtype_of(dtype, example.dtype if example is not None else torch.float32)
    )

    def func(*args: Any, **kwargs: Any):
        values = tf.convert_to_tensor(kwargs.get("data", args[-1] if args else None))
        return values if target is None else cast(values, target)

    return func


@builtin(torch.arange, strategy=_PYTORCH)
def arange(*args: Any, dtype: torch.dtype | None = None, **kwargs: Any):
    bounds = [*args, *(kwargs[name] for name in ("start", "end", "step") if name in kwargs)]
    fractions = any(
        each.is_floating_point() if isinstance(each, Tensor) else isinstance(each, float) for each in bounds
    )
    target = _dtype_of(dtype, torch.get_default_dtype() if fractions else torch.int64)

    def func(*args: Any, **kwargs: Any):
        bounds = [
            cast(each, target)
            for each in (*args, *(kwargs[n] for n in ("start", "end", "step") if n in kwargs))
        ]
        return tf.range(*bounds)

    return func


@builtin(torch.linspace, strategy=_PYTORCH)
def linspace(start, end, steps, *, dtype: torch.dtype | None = None, **kwargs: Any):
    target = _dtype_of(dtype, torch.get_default_dtype())

    def func(start, end, steps, **kwargs):
        count = cast(steps, tf.int32)
        place = tf.cast(tf.range(count), tf.float32) / tf.cast(tf.maximum(count - 1, 1), tf.float32)
        first, last = cast(start, tf.float32), cast(end, tf.float32)
        return cast(first * (1 - place) + last * place, target)

    return func


@builtin(torch.eye, strategy=_PYTORCH)
def eye(n, m=None, *, dtype: torch.dtype | None = None, **kwargs: Any):
    target = _dtype_of(dtype, torch.get_default_dtype())
    return lambda n, m=None, **kwargs: tf.eye(n, m, dtype=target)


# -- patterns


def _triangle(name: str, inside: Any) -> None:
    """As a product with a mask where the sizes are known, which XNNPACK takes; a NaN outside the triangle is dropped."""

    def triangle(input: Tensor, diagonal: int = 0):
        rank = input.dim()

        def func(input, diagonal=0):
            layout = get_layout(input)
            sizes = sizes_of(input)
            row = tf.range(sizes[rank - 2])[:, None]
            column = tf.range(sizes[rank - 1])[None, :]
            mask = inside(column - row, diagonal)
            shape = [1] * (rank - 2) + [sizes[rank - 2], sizes[rank - 1]]
            mask = tf.transpose(tf.reshape(mask, shape), layout)
            return tf.where(mask, input, tf.zeros_like(input))

        return func

    homes = (torch, torch.Tensor)
    ops = [getattr(home, each) for home in homes for each in (name, f"{name}_") if hasattr(home, each)]
    builtin(*ops, output_layout=same_layout)(triangle)


_triangle("tril", lambda offset, diagonal: offset <= diagonal)
_triangle("triu", lambda offset, diagonal: offset >= diagonal)


def _classes_are_given(call: Any) -> str | None:
    if call.num_classes < 0:
        return Impossible(
            "one_hot without num_classes has an output whose shape depends on the values: give num_classes"
        )
    return None


@builtin(F.one_hot, torch._C._nn.one_hot, strategy=_PYTORCH, accepts=_classes_are_given)  # pyright: ignore[reportAttributeAccessIssue]
def one_hot(tensor: Tensor, num_classes: int = -1):
    return lambda tensor, num_classes=-1: tf.one_hot(tensor, num_classes, dtype=tf.int64)


@builtin(torch.meshgrid, torch.functional.meshgrid, strategy=_PYTORCH)
def meshgrid(*tensors: Any, indexing: str | None = None):
    def func(*tensors: Any, indexing: str | None = None):
        each = list(spread(tensors))
        return tuple(tf.meshgrid(*(tf.reshape(x, [-1]) for x in each), indexing=indexing or "ij"))

    return func
