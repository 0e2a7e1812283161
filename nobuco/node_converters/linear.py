"""Matrix products."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.context import is_constant
from nobuco.contract.registry import builtin
from nobuco.contract.results import LayerChain, with_weights
from nobuco.contract.unknown_sizes import UnknownSizeError, static_shape
from nobuco.node_converters._sizes import broadcast, shape_of
from nobuco.node_converters._types import cast, result_dtype

_PYTORCH = ChannelOrderingStrategy.FORCE_PYTORCH_ORDER


@builtin(F.linear, strategy=_PYTORCH)
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None):
    """``(..., in) -> (..., out)``."""
    of_layer = is_constant(weight) and is_constant(bias) and input.dim() > 1 and weight.dim() == 2
    if of_layer and not weight.is_complex():  # which Keras would take the real part of
        layer = keras.layers.Dense(weight.shape[0], use_bias=bias is not None)
        weights = [weight.T] if bias is None else [weight.T, bias]
        return LayerChain(with_weights(layer, (None,) * (input.dim() - 1) + (weight.shape[1],), *weights))

    def func(input, weight, bias=None):
        if weight.shape.rank == 1:
            x = tf.linalg.matvec(input, weight) if input.shape.rank > 1 else tf.reduce_sum(input * weight)
        elif input.shape.rank == 1:
            x = tf.linalg.matvec(weight, input)
        else:
            x = tf.matmul(input, weight, transpose_b=True)
        return x if bias is None else x + bias

    return func


@builtin(torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__, torch.linalg.matmul, torch.bmm, torch.Tensor.bmm,
         torch.mm, torch.Tensor.mm, torch.mv, torch.Tensor.mv, torch.dot, torch.Tensor.dot, strategy=_PYTORCH)  # fmt: skip
def matmul(input: Tensor, other: Tensor):
    return lambda input, other: product(input, other)


@builtin(torch.Tensor.__rmatmul__, strategy=_PYTORCH)
def rmatmul(self: Tensor, other: Tensor):
    return lambda self, other: product(other, self)


def product(a, b):
    """Vectors on either side are taken as a row or a column, and their dim is dropped again. Integers of 8 and 16 bits,
    which TensorFlow does not multiply as matrices, are multiplied in 32 and wrapped around."""
    if a.dtype.is_integer and a.dtype.size < 4:
        return tf.cast(product(tf.cast(a, tf.int32), tf.cast(b, tf.int32)), a.dtype)
    if a.shape.rank == 1 and b.shape.rank == 1:
        return tf.reduce_sum(a * b)
    if b.shape.rank == 1:
        return tf.linalg.matvec(a, b)
    if a.shape.rank == 1:
        return tf.squeeze(tf.matmul(tf.expand_dims(a, 0), b), -2)
    return tf.matmul(a, b)


def _added(product_of):
    def converter(input: Tensor, a: Tensor, b: Tensor, *, beta=1, alpha=1):
        dtype = result_dtype(input, a)

        def func(input, a, b, *, beta=1, alpha=1):
            x = product_of(cast(a, dtype), cast(b, dtype))
            x = _scaled(x, alpha)
            return (
                x + tf.zeros_like(cast(input, dtype)) if beta == 0 else x + _scaled(cast(input, dtype), beta)
            )

        return func

    return converter


def _scaled(x, factor):
    return x if factor == 1 else x * cast(factor, x.dtype)


builtin(torch.addmm, torch.Tensor.addmm, torch.Tensor.addmm_, torch.baddbmm, torch.Tensor.baddbmm,
        torch.Tensor.baddbmm_, strategy=_PYTORCH)(_added(tf.matmul))  # fmt: skip
builtin(torch.addr, torch.Tensor.addr, torch.Tensor.addr_, strategy=_PYTORCH)(
    _added(lambda a, b: a[:, None] * b[None, :])
)
builtin(torch.addmv, torch.Tensor.addmv, torch.Tensor.addmv_, strategy=_PYTORCH)(_added(tf.linalg.matvec))
builtin(torch.addbmm, torch.Tensor.addbmm, torch.Tensor.addbmm_, strategy=_PYTORCH)(
    _added(lambda a, b: tf.reduce_sum(tf.matmul(a, b), 0))
)


@builtin(torch.outer, torch.Tensor.outer, torch.ger, torch.Tensor.ger, strategy=_PYTORCH)
def outer(input: Tensor, vec2: Tensor):
    return lambda input, vec2: input[:, None] * vec2[None, :]


def _dims_are_numbers(call: Any) -> str | None:
    if isinstance(call.dims, Tensor):
        return "tensordot with dims in a tensor is not converted: give numbers"
    return None


@builtin(torch.tensordot, torch.functional.tensordot, strategy=_PYTORCH, accepts=_dims_are_numbers)
def tensordot(a: Tensor, b: Tensor, dims=2):
    """Of two dims that meet, one may be of size 1, and then stands for as many as the other has."""
    last = list(range(a.dim()))[-dims:] if isinstance(dims, int) and dims else []
    pair = (last, list(range(len(last)))) if isinstance(dims, int) else dims
    ours, theirs = ([each] if isinstance(each, int) else list(each) for each in pair)

    def func(a, b, dims=2):
        for i, j in zip(ours, theirs, strict=True):
            if a.shape[i] == 1 and b.shape[j] != 1:
                b = tf.reduce_sum(b, j, keepdims=True)
            elif b.shape[j] == 1 and a.shape[i] != 1:
                a = tf.reduce_sum(a, i, keepdims=True)
        return tf.tensordot(a, b, [ours, theirs])

    return func


@builtin(torch.vdot, torch.Tensor.vdot, strategy=_PYTORCH)
def vdot(input: Tensor, other: Tensor):
    """The first of the two conjugate."""
    return lambda input, other: tf.reduce_sum(tf.math.conj(input) * other)


@builtin(torch.inner, torch.Tensor.inner, strategy=_PYTORCH)
def inner(input: Tensor, other: Tensor):
    """Over the last dims of both."""

    def func(input, other):
        if not input.shape.rank or not other.shape.rank:
            return input * other
        return tf.tensordot(input, other, [[-1], [-1]])

    return func


@builtin(torch.linalg.vecdot, strategy=_PYTORCH)
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1):
    """Over one dim of tensors that broadcast."""
    return lambda x, y, *, dim=-1: tf.reduce_sum(x * y, dim)


@builtin(torch.kron, torch.Tensor.kron, strategy=_PYTORCH)
def kron(input: Tensor, other: Tensor):
    rank = max(input.dim(), other.dim())
    dtype = result_dtype(input, other)

    def func(input, other):
        a_shape = [1] * (rank - input.shape.rank) + shape_of(input)
        b_shape = [1] * (rank - other.shape.rank) + shape_of(other)
        a = tf.reshape(cast(input, dtype), [size for each in a_shape for size in (each, 1)])
        b = tf.reshape(cast(other, dtype), [size for each in b_shape for size in (1, each)])
        return tf.reshape(a * b, [x * y for x, y in zip(a_shape, b_shape, strict=True)])

    return func


@builtin(torch.linalg.multi_dot, strategy=_PYTORCH)
def multi_dot(tensors):
    def func(tensors):
        result = tensors[0]
        for each in tensors[1:]:
            result = product(result, each)
        return result

    return func


@builtin(F.bilinear, torch.bilinear, strategy=_PYTORCH)
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None):
    """``y[..., o] = x1[..., i] w[o, i, j] x2[..., j] + b[o]``."""

    def func(input1, input2, weight, bias=None):
        x = tf.einsum("...i,oij,...j->...o", input1, weight, input2)
        return x if bias is None else x + bias

    return func


@builtin(torch.cross, torch.Tensor.cross, strategy=_PYTORCH)
def cross_of_first(input: Tensor, other: Tensor, dim: int | None = None):
    """Without `dim`, along the first dim of size 3."""
    first = dim if dim is not None else _first_of_three(input)
    function = cross(input, other, dim=first)
    return lambda input, other, dim=None: function(input, other)


def _first_of_three(input: Tensor) -> int:
    for dim, size in enumerate(static_shape(input)):
        if size == 3:
            return dim
        if size is None:
            raise UnknownSizeError(
                f"cross without dim goes along the first dim of size 3, and the size of dim {dim} is not known: give dim"
            )
    return 0


@builtin(torch.linalg.cross, strategy=_PYTORCH)
def cross(input: Tensor, other: Tensor, dim: int = -1):
    rank = max(input.dim(), other.dim())
    axis = dim % rank

    def func(input, other, dim=-1):
        input, other = broadcast(input, other)
        (a0, a1, a2), (b0, b1, b2) = (tf.unstack(each, 3, axis) for each in (input, other))
        return tf.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis)

    return func
