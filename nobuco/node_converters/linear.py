"""Matrix products."""

from __future__ import annotations

import keras
import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import Tensor

from nobuco.build.context import is_constant
from nobuco.build.results import LayerChain, with_weights
from nobuco.layout.order import ChannelOrderingStrategy
from nobuco.node_converters._types import cast, result_dtype
from nobuco.node_converters.registry import builtin

_PYTORCH = ChannelOrderingStrategy.FORCE_PYTORCH_ORDER


@builtin(F.linear, strategy=_PYTORCH)
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None):
    """``(..., in) -> (..., out)``."""
    if is_constant(weight) and is_constant(bias) and input.dim() > 1 and weight.dim() == 2:
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


@builtin(torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__, torch.bmm, torch.Tensor.bmm, torch.mm,
         torch.Tensor.mm, torch.mv, torch.Tensor.mv, torch.dot, torch.Tensor.dot, strategy=_PYTORCH)  # fmt: skip
def matmul(input: Tensor, other: Tensor, *, out=None):
    """Vectors on either side are taken as a row or a column, and their dim is dropped again."""

    def func(input, other, *args, **kwargs):
        a, b = input, other
        if a.shape.rank == 1 and b.shape.rank == 1:
            return tf.reduce_sum(a * b)
        if b.shape.rank == 1:
            return tf.linalg.matvec(a, b)
        if a.shape.rank == 1:
            return tf.squeeze(tf.matmul(tf.expand_dims(a, 0), b), -2)
        return tf.matmul(a, b)

    return func


@builtin(torch.Tensor.__rmatmul__, strategy=_PYTORCH)
def rmatmul(self: Tensor, other: Tensor):
    return lambda self, other: tf.matmul(other, self)


def _added(product):
    def converter(input: Tensor, a: Tensor, b: Tensor, *, beta=1, alpha=1, out=None):
        dtype = result_dtype(input, a)

        def func(input, a, b, *, beta=1, alpha=1, out=None):
            x = product(a, b)
            x = x if alpha == 1 else x * cast(alpha, dtype)
            return x if beta == 0 else x + (input if beta == 1 else input * cast(beta, dtype))

        return func

    return converter


builtin(torch.addmm, torch.Tensor.addmm, torch.Tensor.addmm_, torch.baddbmm, torch.Tensor.baddbmm,
        torch.Tensor.baddbmm_, strategy=_PYTORCH)(_added(tf.matmul))  # fmt: skip
builtin(torch.addmv, torch.Tensor.addmv, torch.Tensor.addmv_, strategy=_PYTORCH)(_added(tf.linalg.matvec))
builtin(torch.addbmm, torch.Tensor.addbmm, torch.Tensor.addbmm_, strategy=_PYTORCH)(
    _added(lambda a, b: tf.reduce_sum(tf.matmul(a, b), 0))
)


@builtin(torch.outer, torch.Tensor.outer, torch.ger, torch.Tensor.ger, strategy=_PYTORCH)
def outer(input: Tensor, vec2: Tensor, *, out=None):
    return lambda input, vec2, *, out=None: input[:, None] * vec2[None, :]
