"""Fourier transforms. TensorFlow has them; TFLite runs them with the Flex delegate only (but for rfft2)."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
import torch
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy, axis_of
from nobuco.contract.registry import builtin
from nobuco.node_converters._layouts import same_layout
from nobuco.node_converters._sizes import larger, shape_of
from nobuco.node_converters._types import cast

_PYTORCH = ChannelOrderingStrategy.FORCE_PYTORCH_ORDER


def _sized(x: Any, axis: int, size: Any) -> Any:
    """Cut off, or zeros added at the end."""
    own: Any = shape_of(x)[axis]
    if own is size or (isinstance(own, int) and own == size):
        return x
    if tf.is_tensor(own) or tf.is_tensor(size):
        x = x[(slice(None),) * axis + (slice(0, size),)]
        return tf.pad(x, [[0, larger(size - own, 0) if i == axis else 0] for i in range(x.shape.rank)])
    if own > size:
        return x[(slice(None),) * axis + (slice(0, size),)]
    return tf.pad(x, [[0, size - own if i == axis else 0] for i in range(x.shape.rank)])


def _scale(count: Any, norm: str | None, backwards: bool) -> Any:
    """What remains to be multiplied: TensorFlow divides by the size on the way back, and not on the way there."""
    if tf.is_tensor(count):
        count = tf.cast(count, tf.float32)
    root = tf.sqrt if tf.is_tensor(count) else math.sqrt
    if norm == "ortho":
        return root(count) if backwards else 1 / root(count)
    if norm == "forward":
        return count * 1.0 if backwards else 1 / count
    return 1.0


def _along_last(x: Any, axis: int, function: Any) -> Any:
    last = x.shape.rank - 1
    perm = list(range(last + 1))
    perm[axis], perm[last] = last, axis
    return function(x) if axis == last else tf.transpose(function(tf.transpose(x, perm)), perm)


def _transform(x: Any, n: int | None, dim: int, norm: str | None, kind: str) -> Any:
    axis = dim % x.shape.rank
    backwards = kind in ("ifft", "irfft")
    if kind == "rfft":
        x = cast(x, tf.float32) if not x.dtype.is_floating else x
    else:
        x = cast(x, tf.complex128 if x.dtype in (tf.float64, tf.complex128) else tf.complex64)
    own = shape_of(x)[axis]
    size = n if n is not None else 2 * (own - 1) if kind == "irfft" else own
    if n is not None:
        x = _sized(x, axis, size // 2 + 1 if kind == "irfft" else size)
    functions = {
        "fft": tf.signal.fft, "ifft": tf.signal.ifft,
        "rfft": tf.signal.rfft, "irfft": lambda v: tf.signal.irfft(v, [size]),
    }  # fmt: skip
    out = _along_last(x, axis, functions[kind])
    scale = _scale(size, norm, backwards)
    return out if isinstance(scale, float) and scale == 1 else out * tf.cast(scale, out.dtype)


def _one(kind: str) -> None:
    def transform(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None):
        return lambda input, n=None, dim=-1, norm=None: _transform(input, n, dim, norm, kind)

    builtin(getattr(torch.fft, kind), strategy=_PYTORCH)(transform)


def _several(kind: str, suffix: str) -> None:
    """One dim after the other; of the real ones the last dim is the real one."""

    def transform(input: Tensor, s=None, dim=None, norm: str | None = None):
        def func(input, s=None, dim=None, norm=None):
            default = (
                [-2, -1]
                if suffix == "2"
                else list(range(-len(s), 0))
                if s is not None
                else list(range(input.shape.rank))
            )
            dims = default if dim is None else [dim] if isinstance(dim, int) else list(dim)
            sizes = [None] * len(dims) if s is None else [None if n == -1 else n for n in s]
            pairs = list(zip(dims, sizes, strict=True))
            plain = {"rfft": "fft", "irfft": "ifft"}.get(kind, kind)
            x = input
            if kind == "rfft":
                x = _transform(x, pairs[-1][1], pairs[-1][0], norm, "rfft")
                pairs = pairs[:-1]
            rest = pairs[:-1] if kind == "irfft" else pairs
            for each, size in rest:
                x = _transform(x, size, each, norm, plain)
            return _transform(x, pairs[-1][1], pairs[-1][0], norm, "irfft") if kind == "irfft" else x

        return func

    builtin(getattr(torch.fft, kind + suffix), strategy=_PYTORCH)(transform)


for _kind in ("fft", "ifft", "rfft", "irfft"):
    _one(_kind)
    _several(_kind, "2")
    _several(_kind, "n")


def _shifted(name: str, forward: bool) -> None:
    def shift(input: Tensor, dim=None):
        def func(input, dim=None):
            rank = input.shape.rank
            dims = range(rank) if dim is None else [dim] if isinstance(dim, int) else dim
            axes = [axis_of(input, each) for each in dims]
            x = input
            for axis in axes:
                size = shape_of(x)[axis]
                cut = (size + 1) // 2 if forward else size // 2
                lead = (slice(None),) * axis
                x = tf.concat([x[(*lead, slice(cut, None))], x[(*lead, slice(0, cut))]], axis)
            return tf.identity(x)

        return func

    builtin(getattr(torch.fft, name), output_layout=same_layout)(shift)


_shifted("fftshift", True)
_shifted("ifftshift", False)


@builtin(torch.view_as_complex, strategy=_PYTORCH)
def view_as_complex(input: Tensor):
    return lambda input: tf.complex(input[..., 0], input[..., 1])


@builtin(torch.view_as_real, strategy=_PYTORCH)
def view_as_real(input: Tensor):
    return lambda input: tf.stack([tf.math.real(input), tf.math.imag(input)], -1)
