"""Factorizations and solutions. TensorFlow has them; TFLite runs them with the Flex delegate only."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import torch
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.registry import builtin
from nobuco.contract.unknown_sizes import UnknownSizeError, static_shape
from nobuco.node_converters._sizes import shape_of
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
    vector = B.dim() == 1 or (B.dim() == A.dim() - 1 and _same(static_shape(B), static_shape(A)[:-1]))

    def func(A, B, *, left=True):
        if vector:
            return tf.squeeze(_solved(A, tf.expand_dims(B, -1)), -1)
        if left:
            return _solved(A, B)
        return tf.linalg.matrix_transpose(
            _solved(tf.linalg.matrix_transpose(A), tf.linalg.matrix_transpose(B))
        )

    return func


def _same(right: tuple[int | None, ...], rows: tuple[int | None, ...]) -> bool:
    """Whether PyTorch takes the right side for vectors: where it has the shape of the matrices' rows."""
    if None not in (*right, *rows) or any(a != b for a, b in zip(right, rows, strict=True) if a and b):
        return right == rows
    raise UnknownSizeError(
        "solve takes its right side for vectors or for a matrix by its sizes, which are not known: give it one dim more"
    )


def _solved(a: Any, b: Any) -> Any:
    if a.shape.is_fully_defined() and b.shape.is_fully_defined():
        batch = tf.broadcast_static_shape(a.shape[:-2], b.shape[:-2]).as_list()
        a, b = (tf.broadcast_to(each, [*batch, *each.shape[-2:]]) for each in (a, b))
    else:
        batch = tf.broadcast_dynamic_shape(tf.shape(a)[:-2], tf.shape(b)[:-2])
        a, b = (tf.broadcast_to(each, tf.concat([batch, tf.shape(each)[-2:]], 0)) for each in (a, b))
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
        if result is not None:
            return tf.identity(result)
        *batch, _, side = shape_of(input)
        return tf.broadcast_to(tf.eye(side, dtype=input.dtype), [*batch, side, side])

    return func


@builtin(torch.matrix_exp, torch.linalg.matrix_exp, torch.Tensor.matrix_exp, strategy=_PYTORCH)
def matrix_exp(input: Tensor):
    return lambda input: tf.linalg.expm(input)
