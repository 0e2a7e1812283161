"""Short-time Fourier transforms as convolutions with windowed waves, which TFLite runs fast and without complex numbers."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import numpy as np
import tensorflow as tf
import torch
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.context import is_constant
from nobuco.contract.dtypes import to_numpy
from nobuco.contract.registry import builtin
from nobuco.node_converters._sizes import shape_of

_PYTORCH = ChannelOrderingStrategy.FORCE_PYTORCH_ORDER


def _waves(n_fft: int, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines (n_fft, bins), exact for whole and half turns."""
    turns = np.outer(np.arange(n_fft), np.arange(bins)) % n_fft
    angle = 2 * math.pi * turns / n_fft
    return np.cos(angle), np.where(2 * turns % n_fft == 0, 0.0, np.sin(angle))


def _windowed(window: Any, n_fft: int, win_length: int | None) -> Any:
    """The window in the middle of n_fft places, (n_fft, 1)."""
    size = n_fft if win_length is None else win_length
    values = tf.ones([size]) if window is None else tf.cast(window, tf.float32)
    before = (n_fft - size) // 2
    return tf.pad(values, [[before, n_fft - size - before]])[:, None]


@builtin(torch._C._VariableFunctions.stft, strategy=_PYTORCH)  # type: ignore[attr-defined]
def stft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, normalized: bool = False, onesided: bool | None = None,
    return_complex: bool | None = None, align_to_window: bool | None = None,
):  # fmt: skip
    whole = input.is_complex() or (window is not None and window.is_complex())
    if whole or (align_to_window and not (win_length or n_fft) == n_fft):
        raise NotImplementedError("a short-time transform of complex numbers, or aligned to its window")
    batched = input.dim() == 2
    bins = n_fft // 2 + 1 if onesided or onesided is None else n_fft
    hop = hop_length or n_fft // 4

    def func(input, n_fft, hop_length=None, win_length=None, window=None, *args, **kwargs):
        cos, sin = _waves(n_fft, bins)
        scale = n_fft**-0.5 if normalized else 1.0
        kernel = tf.constant(np.concatenate([cos, -sin], 1) * scale, tf.float32)
        kernel *= _windowed(window, n_fft, win_length)
        x = (input if batched else input[None])[:, :, None]
        both = tf.nn.conv1d(x, kernel[:, None, :], hop, "VALID")  # (B, frames, 2 * bins)
        both = tf.transpose(both if batched else both[0], [0, 2, 1] if batched else [1, 0])
        real, imag = both[..., :bins, :], both[..., bins:, :]
        return tf.complex(real, imag) if return_complex else tf.stack([real, imag], -1)

    return func


@builtin(torch.istft, strategy=_PYTORCH)
def istft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, center: bool = True, normalized: bool = False, onesided: bool | None = None,
    length: int | None = None, return_complex: bool = False,
):  # fmt: skip
    if return_complex:
        raise NotImplementedError("an inverse short-time transform to complex numbers")
    batched = input.dim() == 3
    bins = input.shape[-2]
    hop = hop_length or n_fft // 4
    half = bins != n_fft
    squares = None
    if window is None or is_constant(window):
        size = n_fft if win_length is None else win_length
        values = np.ones(size, np.float32) if window is None else to_numpy(window).astype(np.float32)
        before = (n_fft - size) // 2
        squares = np.square(np.pad(values, (before, n_fft - size - before)))

    def func(input, n_fft, hop_length=None, win_length=None, window=None, *args, **kwargs):
        cos, sin = _waves(n_fft, bins)
        # all but the first (and, of an even length, the last) stand for their mirror images as well
        weight = np.full(bins, 2.0 if half else 1.0)
        weight[0] = 1
        if half and n_fft % 2 == 0:
            weight[-1] = 1
        weight *= (n_fft**0.5 if normalized else 1.0) / n_fft
        placed = _windowed(window, n_fft, win_length)
        basis = tf.constant(np.concatenate([cos * weight, -sin * weight], 1), tf.float32) * placed
        x = tf.concat([tf.math.real(input), tf.math.imag(input)], -2)
        x = tf.transpose(x if batched else x[None], [0, 2, 1])  # (B, frames, 2 * bins)
        frames = shape_of(x)[1]
        summed = _overlapped(x, basis, hop)
        if squares is not None and isinstance(frames, int):
            envelope = tf.constant(_envelope(squares, frames, hop))
        else:
            ones: Any = tf.ones([1, frames, 1])
            envelope = _overlapped(ones, tf.square(placed), hop)
        start = n_fft // 2 if center else 0
        # all that the frames reach but for the padding at the end, or as much as asked for
        end = start + length if length is not None else n_fft + hop * (frames - 1) - start
        signal = summed[:, start:end] / envelope[:, start:end]
        if length is not None:
            signal = tf.pad(signal, [[0, 0], [0, tf.maximum(length - tf.shape(signal)[1], 0)]])
            signal.set_shape([signal.shape[0], length])
        return signal if batched else signal[0]

    return func


def _envelope(squares: np.ndarray, frames: int, hop: int) -> np.ndarray:
    """What `_overlapped` makes of as many frames of ones: (1, samples)."""
    parts = -(-len(squares) // hop)
    row = np.pad(squares, (0, parts * hop - len(squares)))
    sums = np.zeros((frames + parts - 1) * hop, np.float32)
    for frame in range(frames):
        sums[frame * hop : (frame + parts) * hop] += row
    return sums[None]


def _overlapped(x: Any, basis: Any, hop: int) -> Any:
    """Frames (B, frames, C) by waves (n_fft, C), each added `hop` further on: (B, samples). The frames are cut into parts
    of `hop` samples, so that the parts that meet stand in one row."""
    n_fft = basis.shape[0]
    parts = -(-n_fft // hop)
    batch, frames, _ = shape_of(x)
    rows = tf.linalg.matmul(x, tf.pad(basis, [[0, parts * hop - n_fft], [0, 0]]), transpose_b=True)
    cut = tf.reshape(rows, [batch, frames, parts, hop])
    moved = [tf.pad(cut[:, :, i], [[0, 0], [i, parts - 1 - i], [0, 0]]) for i in range(parts)]
    # one by one: of ADD_N delegates know nothing
    return tf.reshape(functools.reduce(operator.add, moved), [batch, (frames + parts - 1) * hop])
