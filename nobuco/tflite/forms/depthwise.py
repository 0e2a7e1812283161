"""Depthwise convolutions with large kernels, as sums of some with as many taps as kernels are written for.

    before  DEPTHWISE_CONV_2D 7x7
    after   PAD, 3 SLICE, DEPTHWISE_CONV_2D 3x7, 3x7 and 1x7, 2 ADD

XNNPACK's depthwise kernels take up to 25 taps in one pass; beyond, they go over the data again and again. Each band of
kernel rows is a convolution of what those rows see."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, sizes

_TAPS = 25


def _fits(op: Any) -> bool:
    picture, kernel = sizes(op.inputs[0]), sizes(op.inputs[1])
    if picture is None or kernel is None or kernel[0] * kernel[1] <= _TAPS or kernel[1] > _TAPS:
        return False
    return op.get_attr("data_format") == b"NHWC" and op.get_attr("padding") in (b"SAME", b"VALID")


def _make(op: Any, now: Now) -> Tensor:
    x, kernel = now(op.inputs[0]), now(op.inputs[1])
    (_, height, width, _), (rows, columns, _, _) = sizes(op.inputs[0]), sizes(op.inputs[1])  # type: ignore[misc]
    strides, dilations = op.get_attr("strides"), op.get_attr("dilations")
    if op.get_attr("padding") == b"SAME":
        down = _padding(height, rows, strides[1], dilations[1])
        across = _padding(width, columns, strides[2], dilations[2])
        x = tf.pad(x, [(0, 0), down, across, (0, 0)])
    seen = (op.outputs[0].shape[1] - 1) * strides[1] + 1  # rows that a single row of the kernel sees
    total = None
    band = _TAPS // columns
    for first in range(0, rows, band):
        last = min(first + band, rows) - 1
        start, length = first * dilations[1], seen + (last - first) * dilations[1]
        part = tf.nn.depthwise_conv2d(
            x[:, start : start + length],
            kernel[first : last + 1],
            strides=strides,
            padding="VALID",
            dilations=dilations[1:3],
        )
        total = part if total is None else total + part
    return total


def _padding(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """What SAME pads, before and after."""
    needed = max(0, (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size)
    return needed // 2, needed - needed // 2


FORM = Form(("DepthwiseConv2dNative",), _fits, _make)
