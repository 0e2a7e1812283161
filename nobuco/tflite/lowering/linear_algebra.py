"""Factorisations and solutions of small systems, step by step: a step for each row, all matrices of a batch at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from nobuco.tflite.lowering.values import Impossible, Rules, Tensor

REAL = Rules()
rule = REAL.rule

_LARGEST = 32  # rows, each of which is about ten ops


def _rows(op: Any, axis: int = -1) -> int:
    size = op.inputs[0].shape[axis]
    if size is None or size > _LARGEST:
        raise Impossible(
            f"it is done row by row, for {_LARGEST} rows at most, whose number is known at conversion; here {size}"
        )
    return int(size)


def _unit(size: int, k: int) -> Tensor:
    return tf.constant(np.arange(size) == k)


def _below(size: int, k: int) -> Tensor:
    return tf.constant((np.arange(size) > k).astype(np.float32))


def _transposed(x: Tensor) -> Tensor:
    return tf.linalg.matrix_transpose(x)


def _eliminated(a: Tensor, size: int, upwards: bool) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Gauss's elimination with the largest of each column as pivot, of matrices of `size` rows and any columns more.

    Returns them, the pivots, and for each step whether (1 or -1) two rows were exchanged."""
    pivots, signs = [], []
    for k in range(size):
        column = a[..., k]
        candidates = tf.where(tf.constant(np.arange(size) >= k), tf.abs(column), -tf.ones_like(column))
        chosen = tf.one_hot(tf.argmax(candidates, -1, tf.int32), size, dtype=tf.float32)
        best = tf.linalg.matmul(chosen[..., None, :], a)
        first = a[..., k : k + 1, :]
        a = tf.where(chosen[..., None] > 0, first, a)
        a = tf.where(_unit(size, k)[:, None], best, a)
        pivot = best[..., 0, k]
        pivots.append(pivot)
        signs.append(2 * chosen[..., k] - 1)
        others = 1 - tf.cast(_unit(size, k), tf.float32) if upwards else _below(size, k)
        factors = tf.math.divide_no_nan(a[..., k], pivot[..., None]) * others
        a -= factors[..., None] * best
    return a, pivots, signs


def _solved(a: Tensor, b: Tensor, size: int) -> Tensor:
    whole, pivots, _ = _eliminated(tf.concat([a, b], -1), size, upwards=True)
    return whole[..., size:] / tf.stack(pivots, -1)[..., None]


@rule("MatrixSolve")
def solve(op: Any, a: Tensor, b: Tensor) -> Tensor:
    return _solved(_transposed(a) if op.get_attr("adjoint") else a, b, _rows(op))


@rule("MatrixInverse")
def inverse(op: Any, a: Tensor) -> Tensor:
    size = _rows(op)
    found = _solved(a, tf.eye(size) + tf.zeros_like(a), size)
    return _transposed(found) if op.get_attr("adjoint") else found


@rule("MatrixDeterminant")
def determinant(op: Any, a: Tensor) -> Tensor:
    _, pivots, signs = _eliminated(a, _rows(op), upwards=False)
    result = tf.ones(tf.shape(a)[:-2]) if not pivots else pivots[0] * signs[0]
    for pivot, sign in zip(pivots[1:], signs[1:], strict=True):
        result *= pivot * sign
    return result


@rule("LogMatrixDeterminant")
def log_determinant(op: Any, a: Tensor) -> list[Any]:
    _, pivots, signs = _eliminated(a, _rows(op), upwards=False)
    sign, logarithm = tf.ones(tf.shape(a)[:-2]), tf.zeros(tf.shape(a)[:-2])
    for pivot, exchanged in zip(pivots, signs, strict=True):
        sign *= exchanged * tf.sign(pivot)
        logarithm += tf.math.log(tf.abs(pivot))
    return [sign, logarithm]


@rule("Cholesky")
def cholesky(op: Any, a: Tensor) -> Tensor:
    size = _rows(op)
    columns = []
    for k in range(size):
        kept = tf.constant((np.arange(size) >= k).astype(np.float32))
        column = a[..., k] * kept / tf.sqrt(a[..., k : k + 1, k])
        columns.append(column)
        a -= column[..., :, None] * column[..., None, :]
    return tf.stack(columns, -1)


@rule("MatrixTriangularSolve")
def triangular_solve(op: Any, a: Tensor, b: Tensor) -> Tensor:
    size = _rows(op)
    lower = op.get_attr("lower")
    if op.get_attr("adjoint"):
        a, lower = _transposed(a), not lower
    for k in range(size) if lower else reversed(range(size)):
        row = b[..., k : k + 1, :] / a[..., k : k + 1, k : k + 1]
        left = _below(size, k) if lower else tf.constant((np.arange(size) < k).astype(np.float32))
        b = tf.where(_unit(size, k)[:, None], row, b - (a[..., k] * left)[..., None] * row)
    return b


@rule("Qr")
def qr(op: Any, a: Tensor) -> list[Any]:
    """By Householder's reflections, with LAPACK's signs."""
    rows, columns = _rows(op, -2), _rows(op)
    q = tf.eye(rows) + tf.zeros_like(a[..., :1])
    for k in range(min(rows, columns)):
        x = a[..., k] * tf.constant((np.arange(rows) >= k).astype(np.float32))
        rest = tf.reduce_sum(tf.square(x * _below(rows, k)), -1, keepdims=True)
        first = x[..., k : k + 1]
        norm = tf.sqrt(tf.square(first) + rest)
        image = tf.where(first < 0, norm, -norm)
        v: Tensor = x - image * tf.cast(_unit(rows, k), tf.float32)
        v: Tensor = tf.where(rest > 0, v, tf.zeros_like(v))
        factor: Tensor = tf.math.divide_no_nan(2.0, tf.reduce_sum(tf.square(v), -1, keepdims=True))
        a -= (factor * v)[..., :, None] * tf.linalg.matmul(v[..., None, :], a)
        q -= tf.linalg.matmul(q, v[..., None]) * (factor * v)[..., None, :]
    kept = rows if op.get_attr("full_matrices") else min(rows, columns)
    return [q[..., :kept], tf.linalg.band_part(a, 0, -1)[..., :kept, :]]


_SWEEPS = 10


def _rotations(size: int) -> Tensor:
    """For each step of the sweeps the two columns to turn, one-hot: (steps, 2, size)."""
    pairs = [(p, q) for p in range(size) for q in range(p + 1, size)] or [(0, 0)]
    return tf.constant(np.eye(size, dtype=np.float32)[np.array(pairs * _SWEEPS)])


def _turned(matrices: list[Tensor], p: Tensor, q: Tensor, cos: Any, sin: Any) -> list[Tensor]:
    """Columns p and q of each become cos p - sin q and sin p + cos q."""
    results = []
    for each in matrices:
        a, b = tf.linalg.matvec(each, p), tf.linalg.matvec(each, q)
        change_a, change_b = (cos - 1) * a - sin * b, sin * a + (cos - 1) * b
        results.append(each + change_a[..., None] * p + change_b[..., None] * q)
    return results


def _angle(off: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine that make `off` zero, between diagonal elements `first` and `second` (Rutishauser, 1966)."""
    small = tf.abs(off) < 1e-30
    theta = (second - first) / tf.where(small, tf.ones_like(off), 2 * off)
    sign = tf.where(theta < 0, -tf.ones_like(theta), tf.ones_like(theta))
    tangent = sign / (tf.abs(theta) + tf.sqrt(1 + tf.square(theta)))
    tangent = tf.where(small, tf.zeros_like(tangent), tangent)
    cos = tf.math.rsqrt(1 + tf.square(tangent))
    return cos, tangent * cos


@rule("Svd")
def svd(op: Any, a: Tensor) -> list[Any]:
    """By Jacobi's rotations of the columns until they are at right angles (Hestenes, 1958)."""
    rows, columns = _rows(op, -2), _rows(op)
    wanted = op.get_attr("compute_uv")
    if wanted and op.get_attr("full_matrices") and rows != columns:
        raise Impossible("all singular vectors of a matrix that is not square")
    wide = columns > rows
    x = _transposed(a) if wide else a
    size = min(rows, columns)
    x = x * (1 + tf.zeros_like(x))
    v = tf.eye(size) + tf.zeros_like(x[..., :size, :])
    steps = _rotations(size)

    def turn(k: Tensor, x: Tensor, v: Tensor) -> Any:
        p, q = steps[k, 0], steps[k, 1]
        first, second = tf.linalg.matvec(x, p), tf.linalg.matvec(x, q)
        cos, sin = _angle(
            tf.reduce_sum(first * second, -1),
            tf.reduce_sum(tf.square(first), -1),
            tf.reduce_sum(tf.square(second), -1),
        )
        return k + 1, *_turned([x, v], p, q, cos[..., None], sin[..., None])

    if size > 1:
        _, x, v = tf.while_loop(lambda k, x, v: k < steps.shape[0], turn, (tf.zeros([], tf.int32), x, v))
    values = tf.sqrt(tf.reduce_sum(tf.square(x), -2))
    values, order = tf.math.top_k(values, size)
    if not wanted:
        return [values, tf.zeros([0]), tf.zeros([0])]
    chosen = _transposed(tf.one_hot(order, size))
    u = tf.math.divide_no_nan(tf.linalg.matmul(x, chosen), values[..., None, :])
    v = tf.linalg.matmul(v, chosen)
    return [values, v, u] if wide else [values, u, v]


@rule("SelfAdjointEigV2")
def eigh(op: Any, a: Tensor) -> list[Any]:
    """By Jacobi's rotations of rows and columns (1846)."""
    size = _rows(op)
    a = tf.linalg.band_part(a, -1, 0)
    a += _transposed(a) - tf.linalg.band_part(a, 0, 0)
    v = tf.eye(size) + tf.zeros_like(a)
    steps = _rotations(size)

    def turn(k: Tensor, a: Tensor, v: Tensor) -> Any:
        p, q = steps[k, 0], steps[k, 1]
        first, second = tf.linalg.matvec(a, p), tf.linalg.matvec(a, q)
        cos, sin = _angle(
            tf.reduce_sum(first * q, -1), tf.reduce_sum(first * p, -1), tf.reduce_sum(second * q, -1)
        )
        cos, sin = cos[..., None], sin[..., None]
        a, v = _turned([a, v], p, q, cos, sin)
        # the rows likewise
        first, second = tf.linalg.matmul(p[None], a), tf.linalg.matmul(q[None], a)
        change, other = (
            (cos - 1)[..., None] * first - sin[..., None] * second,
            (sin[..., None] * first + (cos - 1)[..., None] * second),
        )
        return k + 1, a + p[:, None] * change + q[:, None] * other, v

    if size > 1:
        _, a, v = tf.while_loop(lambda k, a, v: k < steps.shape[0], turn, (tf.zeros([], tf.int32), a, v))
    falling, order = tf.math.top_k(-tf.reduce_sum(a * tf.eye(size), -1), size)
    if not op.get_attr("compute_v"):
        return [-falling, tf.zeros([0])]
    return [-falling, tf.linalg.matmul(v, _transposed(tf.one_hot(order, size)))]
