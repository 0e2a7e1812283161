"""Fourier transforms of known length as matrix products; long ones in two shorter steps (Cooley and Tukey, 1965)."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from nobuco.tflite.lowering.values import Impossible, Pair, Tensor

# Elements of a matrix that is written into the file, 4 MB and a little: a transform beyond that is split.
_LARGEST = 1100 << 10
# 64 MB: where a length has no factors, so that it cannot be split.
_LIMIT = 1 << 24


def fft(x: Pair) -> Pair:
    """Along the last axis, of complex numbers."""
    return _transform(x, -1)


def ifft(x: Pair) -> Pair:
    return _scaled(_transform(x, 1), 1 / _size(x.real))


def rfft(x: Tensor, length: int) -> Pair:
    """Of real numbers, cut off or filled up to `length`; the half spectrum."""
    x = _sized(x, length)
    half = length // 2 + 1
    if length * 2 * half > _LARGEST and _factors(length):
        return Pair(*(part[..., :half] for part in _transform(Pair(x, tf.zeros_like(x)), -1)))
    return _parts(_times(x, np.concatenate(_waves(length, -1, columns=half), 1)), half)


def irfft(x: Pair, length: int) -> Tensor:
    """Real numbers of the half spectrum, which is cut off or filled up to what `length` takes."""
    half = length // 2 + 1
    x = Pair(*(_sized(part, half) for part in x))
    if length * 2 * half > _LARGEST and _factors(length):
        mirrored = slice(length - half, 0, -1)
        whole = Pair(
            tf.concat([x.real, x.real[..., mirrored]], -1), tf.concat([x.imag, -x.imag[..., mirrored]], -1)
        )
        return _scaled(_transform(whole, 1), 1 / length).real
    cos, sin = _waves(length, 1, rows=half)
    # all but the first (and, of an even length, the last) stand for their mirror images as well
    weight = np.full((half, 1), 2 / length)
    weight[0] = 1 / length
    if length % 2 == 0:
        weight[-1] = 1 / length
    return _times(tf.concat(x, -1), np.concatenate([cos * weight, -sin * weight], 0))


def _transform(x: Pair, sign: int) -> Pair:
    """The unscaled transform along the last axis."""
    n = _size(x.real)
    split = _factors(n)
    if 4 * n * n > _LARGEST and split:
        return _in_two(x, *split, sign)
    if 4 * n * n > _LIMIT:
        raise Impossible(
            f"a Fourier transform of {n} points, which have no factors, needs a matrix too large for a file"
        )
    return _direct(x, n, sign)


def _direct(x: Pair, n: int, sign: int) -> Pair:
    cos, sin = _waves(n, sign)
    matrix = np.block([[cos, sin], [-sin, cos]])
    return _parts(_times(tf.concat(x, -1), matrix), n)


def _in_two(x: Pair, rows: int, columns: int, sign: int) -> Pair:
    """n = rows * columns: transforms of the columns, a turn of each number, transforms of the rows."""
    lead = _lead(x.real)
    table = Pair(*(tf.reshape(part, [*lead, rows, columns]) for part in x))
    inner = _transform(_swapped(table), sign)  # (..., columns, rows)
    angle = sign * 2 * math.pi * np.outer(np.arange(columns), np.arange(rows)) / (rows * columns)
    cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    turned = Pair(inner.real * cos - inner.imag * sin, inner.real * sin + inner.imag * cos)
    outer = _transform(_swapped(turned), sign)  # (..., rows, columns)
    return Pair(*(tf.reshape(part, [*lead, rows * columns]) for part in _swapped(outer)))


def _swapped(x: Pair) -> Pair:
    rank = x.real.shape.rank
    assert rank is not None
    perm = [*range(rank - 2), rank - 1, rank - 2]
    return Pair(*(tf.transpose(part, perm) for part in x))


def _lead(x: Tensor) -> list[int]:
    """All sizes but the last; one that is not known as -1."""
    sizes = x.shape.as_list()[:-1]
    if sizes.count(None) > 1:
        raise Impossible("a long Fourier transform takes one unknown size at most")
    return [-1 if size is None else size for size in sizes]


def _factors(n: int) -> tuple[int, int] | None:
    """The two factors of n that are nearest to each other."""
    for small in range(math.isqrt(n), 1, -1):
        if n % small == 0:
            return small, n // small
    return None


def _waves(
    n: int, sign: int, rows: int | None = None, columns: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and (signed) sines. Whole and half turns are exact, so that what has no imaginary part gets none."""
    turns = np.outer(np.arange(rows or n), np.arange(columns or n)) % n
    angle = 2 * math.pi * turns / n
    return np.cos(angle), np.where(2 * turns % n == 0, 0.0, sign * np.sin(angle))


def _times(x: Tensor, matrix: np.ndarray) -> Tensor:
    factor = tf.constant(matrix, tf.float32)
    return tf.linalg.matmul(x, factor) if x.shape.rank != 1 else tf.linalg.matmul(x[None], factor)[0]


def _parts(both: Tensor, size: int) -> Pair:
    return Pair(both[..., :size], both[..., size:])


def _scaled(x: Pair, factor: float) -> Pair:
    return Pair(x.real * factor, x.imag * factor)


def _size(x: Tensor) -> int:
    size = x.shape[-1]
    if size is None:
        raise Impossible("the length of a Fourier transform must be known at conversion")
    return int(size)


def _sized(x: Tensor, size: int) -> Tensor:
    own = _size(x)
    if own > size:
        return x[..., :size]
    if own < size:
        return tf.pad(x, [[0, 0]] * (len(x.shape) - 1) + [[0, size - own]])
    return x
