"""Factorizations and solutions. TensorFlow has them; TFLite runs them with the Flex delegate only."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import torch
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.registry import builtin
from nobuco.node_converters.linear import product

_PYTORCH = ChannelOrderingStrategy.FORCE_PYTORCH_ORDER


@builtin(torch.linalg.inv, torch.inverse, torch.Tensor.inverse, strategy=_PYTORCH)
def inverse(input: Tensor):
    return lambda input: tf.linalg.inv(input)


@builtin(torch.linalg.det, torch.det, torch.Tensor.det, strategy=_PYTORCH)
def determinant(input: Tensor):
    return lambda input: tf.linalg.det(input)


@builtin(torch.linalg.slogdet, torch.slogdet, torch.Tensor.slogdet, strategy=_PYTORCH)
def slogdet(input: Tensor):
    return lambda input: tuple(tf.linalg.slogdet(input))


@builtin(torch.logdet, torch.Tensor.logdet, strategy=_PYTORCH)
def logdet(input: Tensor):
    def func(input):
        sign, log = tf.linalg.slogdet(input)
        return tf.where(sign < 0, tf.constant(float("nan"), log.dtype), log)

    return func


@builtin(torch.linalg.cholesky, torch.cholesky, torch.Tensor.cholesky, strategy=_PYTORCH)
def cholesky(input: Tensor, upper: bool = False):
    def func(input, upper=False):
        lower = tf.linalg.cholesky(input)
        return tf.linalg.adjoint(lower) if upper else lower

    return func


@builtin(torch.linalg.solve, strategy=_PYTORCH)
def solve(A: Tensor, B: Tensor, *, left: bool = True):
    vector = B.dim() == 1 or (B.dim() == A.dim() - 1 and B.shape == A.shape[:-1])

    def func(A, B, *, left=True):
        if vector:
            return tf.squeeze(_solved(A, tf.expand_dims(B, -1)), -1)
        if left:
            return _solved(A, B)
        return tf.linalg.matrix_transpose(
            _solved(tf.linalg.matrix_transpose(A), tf.linalg.matrix_transpose(B))
        )

    return func


def _solved(a: Any, b: Any) -> Any:
    batch = tf.broadcast_static_shape(a.shape[:-2], b.shape[:-2]).as_list()
    a, b = (tf.broadcast_to(each, [*batch, *each.shape[-2:]]) for each in (a, b))
    return tf.linalg.solve(a, b)


@builtin(torch.linalg.matrix_power, torch.matrix_power, torch.Tensor.matrix_power, strategy=_PYTORCH)
def matrix_power(input: Tensor, n: int):
    def func(input, n):
        base, left = (input, n) if n >= 0 else (tf.linalg.inv(input), -n)
        result = None
        while left:  # by repeated squaring
            if left % 2:
                result = base if result is None else product(result, base)
            base, left = product(base, base), left // 2
        eye = tf.eye(input.shape[-1], batch_shape=input.shape[:-2], dtype=input.dtype)
        return tf.identity(eye if result is None else result)

    return func


@builtin(torch.matrix_exp, torch.linalg.matrix_exp, torch.Tensor.matrix_exp, strategy=_PYTORCH)
def matrix_exp(input: Tensor):
    return lambda input: tf.linalg.expm(input)
