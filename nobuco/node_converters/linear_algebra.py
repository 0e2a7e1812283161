"""Factorizations and solutions. TensorFlow has them; for a TFLite file they are taken apart, row by row."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
import torch
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.registry import builtin
from nobuco.contract.unknown_sizes import UnknownSizeError, static_shape
from nobuco.node_converters import _signs
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
    return tf.linalg.solve(*_of_one_batch(a, b))


def _of_one_batch(a: Any, b: Any) -> tuple[Any, Any]:
    """Matrices whose dims before the last two broadcast, with all of them."""
    if a.shape.is_fully_defined() and b.shape.is_fully_defined():
        batch = tf.broadcast_static_shape(a.shape[:-2], b.shape[:-2]).as_list()
        a, b = (tf.broadcast_to(each, [*batch, *each.shape[-2:]]) for each in (a, b))
    else:
        batch = tf.broadcast_dynamic_shape(tf.shape(a)[:-2], tf.shape(b)[:-2])
        a, b = (tf.broadcast_to(each, tf.concat([batch, tf.shape(each)[-2:]], 0)) for each in (a, b))
    return a, b


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
    """The series of a matrix so small that it converges at once, squared as often as it was halved."""
    halvings = 16

    def func(input):
        size = tf.reduce_max(tf.reduce_sum(tf.abs(input), -1), -1)[..., None, None]
        times = tf.clip_by_value(
            tf.math.ceil(tf.math.log(tf.maximum(size, 0.5)) / math.log(2)) + 1, 0, halvings
        )
        x = input / tf.pow(tf.constant(2, input.dtype), times)
        side = shape_of(input)[-1]
        one = tf.eye(side, dtype=input.dtype)
        result = one + x / 9
        for k in range(8, 0, -1):
            result = one + tf.matmul(x, result) / k
        for k in range(halvings):
            result = tf.where(times > k, tf.matmul(result, result), result)
        return result

    return func


@builtin(torch.linalg.solve_triangular, strategy=_PYTORCH)
def solve_triangular(
    input: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
):
    def func(input, B, *, upper, left=True, unitriangular=False):
        a = tf.linalg.band_part(input, 0, -1) if upper else tf.linalg.band_part(input, -1, 0)
        if unitriangular:
            a = tf.linalg.set_diag(a, tf.ones_like(a[..., 0]))
        if left:
            return _solved_triangular(a, B, lower=not upper)
        return tf.linalg.matrix_transpose(
            _solved_triangular(tf.linalg.matrix_transpose(a), tf.linalg.matrix_transpose(B), lower=upper)
        )

    return func


def _solved_triangular(a: Any, b: Any, lower: bool) -> Any:
    a, b = _of_one_batch(a, b)
    return tf.linalg.triangular_solve(a, b, lower=lower)


@builtin(torch.triangular_solve, torch.Tensor.triangular_solve, strategy=_PYTORCH)
def old_triangular_solve(
    input: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
):
    def func(input, A, upper=True, transpose=False, unitriangular=False):
        a = tf.linalg.band_part(A, 0, -1) if upper else tf.linalg.band_part(A, -1, 0)
        a = tf.linalg.set_diag(a, tf.ones_like(a[..., 0])) if unitriangular else a
        a = tf.linalg.matrix_transpose(a) if transpose else a
        return _solved_triangular(a, input, lower=upper == transpose), tf.identity(A)

    return func


def _triangle(call: Any) -> str | None:
    return None if call.mode != "r" else "the factor R alone comes with an empty Q, which no graph has"


@builtin(torch.linalg.qr, strategy=_PYTORCH, accepts=_triangle, aligned=_signs.of_triangle)
def qr(A: Tensor, mode: str = "reduced"):
    return lambda A, mode="reduced": tuple(tf.linalg.qr(A, full_matrices=mode == "complete"))


@builtin(torch.qr, torch.Tensor.qr, strategy=_PYTORCH, aligned=_signs.of_triangle)
def old_qr(input: Tensor, some: bool = True):
    return lambda input, some=True: tuple(tf.linalg.qr(input, full_matrices=not some))


@builtin(torch.linalg.svd, strategy=_PYTORCH, aligned=_signs.of_singular_vectors)
def svd(A: Tensor, full_matrices: bool = True):
    def func(A, full_matrices=True, **kwargs):
        s, u, v = tf.linalg.svd(A, full_matrices=full_matrices)
        return u, s, tf.linalg.matrix_transpose(v)

    return func


@builtin(torch.svd, torch.Tensor.svd, strategy=_PYTORCH)
def old_svd(input: Tensor, some: bool = True, compute_uv: bool = True):
    """The last is not transposed; without `compute_uv`, zeros stand for the vectors."""

    def func(input, some=True, compute_uv=True):
        if compute_uv:
            s, u, v = tf.linalg.svd(input, full_matrices=not some)
            return u, s, v
        *batch, rows, columns = shape_of(input)
        u, v = (tf.zeros([*batch, side, side], input.dtype) for side in (rows, columns))
        return u, tf.linalg.svd(input, compute_uv=False), v

    return func


@builtin(torch.linalg.svdvals, strategy=_PYTORCH)
def singular_values(A: Tensor):
    return lambda A: tf.linalg.svd(A, compute_uv=False)


@builtin(torch.linalg.eigh, strategy=_PYTORCH, aligned=_signs.of_eigenvectors)
def eigh(A: Tensor, UPLO: str = "L"):
    return lambda A, UPLO="L": tuple(tf.linalg.eigh(_symmetric(A, UPLO)))


@builtin(torch.linalg.eigvalsh, strategy=_PYTORCH)
def eigvalsh(A: Tensor, UPLO: str = "L"):
    return lambda A, UPLO="L": tf.linalg.eigvalsh(_symmetric(A, UPLO))


def _symmetric(a: Any, half: str) -> Any:
    """The lower triangle, or the upper one, stands for both."""
    kept = tf.linalg.band_part(a, -1, 0) if half.upper() == "L" else tf.linalg.band_part(a, 0, -1)
    return kept + tf.linalg.matrix_transpose(kept) - tf.linalg.band_part(a, 0, 0)
