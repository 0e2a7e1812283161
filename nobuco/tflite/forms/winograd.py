"""3x3 convolutions of many channels with fewer multiplications: Winograd's F(2x2, 3x3).

    before  CONV_2D 3x3 (1, 28, 28, 128) -> (1, 28, 28, 128)
    after   PAD, 16 (SLICE, DEPTHWISE_CONV_2D, stride 2), 16 CONV_2D 1x1 (1, 14, 14, 128), 24 ADD or SUB, CONCATENATION,
            DEPTH_TO_SPACE

Each square of 2x2 results comes from 4x4 places of the picture by 16 products for each pair of channels instead of 36
(Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015). The weights are 16/9 as large, and the rounding
error is several times that of the convolution as it was, about 1e-6 of the largest result.

Thousands of instructions on an emulated Cortex-A76, before and after: 64 channels at 56x56 38,267 and 26,800; 256 at 14x14
0.55 of what they were. On one core of an EPYC 64 channels take 1.11 of the time, 128 take 0.79, 256 take 0.67."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, sizes

# The picture's side of the transform: where in the 4 places a combination begins, and its factors.
_PICTURE = ((0, (1.0, 0.0, -1.0)), (1, (1.0, 1.0)), (1, (-1.0, 1.0)), (1, (1.0, 0.0, -1.0)))
_WEIGHTS = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], np.float32)
_LEAST = 4  # height and width of the results


def form(fewest_channels: int) -> Form:
    """For convolutions that read and make so many channels or more."""

    def fits(op: Any) -> bool:
        picture, kernel, result = (sizes(each) for each in (*op.inputs, *op.outputs))
        if picture is None or kernel is None or result is None or kernel[:2] != [3, 3]:
            return False
        if picture[3] != kernel[2] or min(kernel[2:]) < fewest_channels or min(result[1:3]) < _LEAST:
            return False
        plain = op.get_attr("strides") == [1, 1, 1, 1] and op.get_attr("dilations") == [1, 1, 1, 1]
        return (
            plain and op.get_attr("data_format") == b"NHWC" and op.get_attr("padding") in (b"SAME", b"VALID")
        )

    return Form(("Conv2D",), fits, _make)


def _make(op: Any, now: Now) -> Tensor:
    _, height, width, _ = sizes(op.outputs[0])  # type: ignore[misc]
    before = 1 if op.get_attr("padding") == b"SAME" else 0
    x = tf.pad(
        now(op.inputs[0]), [(0, 0), (before, before + height % 2), (before, before + width % 2), (0, 0)]
    )
    rows, columns = -(-height // 2), -(-width // 2)
    weights = _transformed(now(op.inputs[1]))
    made = {
        (i, j): tf.nn.conv2d(_combined(x, i, j, rows, columns), weights[i, j], 1, "VALID")
        for i, j in product(range(4), range(4))
    }
    halves = [_results([made[i, j] for i in range(4)]) for j in range(4)]  # down, for each column
    squares = [_results([half[i] for half in halves]) for i in range(2)]  # then across
    whole = tf.nn.depth_to_space(tf.concat([*squares[0], *squares[1]], 3), 2)
    return whole[:, :height, :width] if height % 2 or width % 2 else whole


def _combined(x: Tensor, i: int, j: int, rows: int, columns: int) -> Tensor:
    """The combination (i, j) of the places that each square of results is made of."""
    (top, down), (left, across) = _PICTURE[i], _PICTURE[j]
    seen = x[:, top : top + 2 * rows - 2 + len(down), left : left + 2 * columns - 2 + len(across)]
    factors = np.outer(down, across).astype(np.float32)[:, :, None, None]
    kernel = tf.constant(np.tile(factors, (1, 1, x.shape[3], 1)))
    return tf.nn.depthwise_conv2d(seen, kernel, [1, 2, 2, 1], "VALID")


def _transformed(kernel: Tensor) -> dict[tuple[int, int], Tensor]:
    """The weights of the 1x1 convolutions. Of constants: done when the file is made."""
    _, _, taken, made = kernel.shape.as_list()
    both = tf.constant(np.kron(_WEIGHTS, _WEIGHTS))  # (16, 9): down and across at once
    all_ = tf.matmul(both, tf.reshape(kernel, [9, taken * made]))
    return {(i, j): tf.reshape(all_[4 * i + j], [1, 1, taken, made]) for i, j in product(range(4), range(4))}


def _results(four: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Two neighbouring results of the four products."""
    a, b, c, d = four
    return a + b + c, b - c - d
