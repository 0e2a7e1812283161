"""Convolutions of few channels with strides: places that a stride skips are put into the channels.

    before  CONV_2D 1x10, stride 5 (1, 1, 16000, 1) -> (1, 1, 3199, 48)
    after   RESHAPE (1, 1, 3200, 5), CONV_2D 1x2 -> (1, 1, 3199, 48)

A kernel that reads a place after the other is done with each too soon: a tap of one to three channels costs more by the way
to it than by its products. Strides of the last dim of places only: there the places lie side by side, and nothing is moved.
What a picture is padded with stays zeros, in whole strides; the kernel begins with zeros instead.

An x86 is quick to find a tap, and feels the copy that the RESHAPE is. Of what the convolution took before, after / before:

    224x224x3            7x7, stride 2, 64   4x4, stride 4, 96   16x16, stride 16, 768   a wave, as above
    one core of a Xeon   1.15                1.12                0.99                    0.94"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, is_constant, sizes, source, static

# Instructions of an emulated Cortex-A76 for six places and eight channels of the result, of each tap and of each of its
# channels; and times on an x86 in those of a product, of each tap and of each number that is copied.
_TAP, _CHANNEL = 24, 17
_TAP_OF_X86, _COPY_OF_X86 = 0.24, 11


@dataclass(frozen=True)
class _Across:
    """A convolution across a row.

    Attributes:
        picture: what it goes over, before it is padded.
        shape: (B, H, W, C), as the convolution takes the picture.
        down: rows of zeros above and below.
        left: places of zeros before the row.
        stride: places from one result to the next.
        results: their number.
        width: taps of the kernel.
    """

    picture: Tensor
    shape: list[int]
    down: tuple[int, int]
    left: int
    stride: int
    results: int
    width: int

    @property
    def strides_left(self) -> int:
        """Zeros before the row, in strides."""
        return -(-self.left // self.stride)

    @property
    def zeros_first(self) -> int:
        """In the kernel, for what the zeros before the row are too many."""
        return self.strides_left * self.stride - self.left

    @property
    def taps(self) -> int:
        """Of the kernel over whole strides."""
        return -(-(self.zeros_first + self.width) // self.stride)

    @property
    def strides_read(self) -> int:
        """Of the row, with the zeros that are behind it."""
        return self.results + self.taps - 1 - self.strides_left


def _across(op: Any) -> _Across | None:
    picture, kernel, result = (sizes(each) for each in (*op.inputs, *op.outputs))
    if picture is None or kernel is None or result is None or not is_constant(op.inputs[1]):
        return None
    _, down, stride, _ = op.get_attr("strides")
    plain = op.get_attr("data_format") == b"NHWC" and op.get_attr("dilations") == [1, 1, 1, 1]
    if not plain or stride == 1 or picture[3] != kernel[2]:
        return None
    if op.get_attr("padding") == b"SAME":
        above = max(0, (result[1] - 1) * down + kernel[0] - picture[1])
        before = max(0, (result[2] - 1) * stride + kernel[1] - picture[2])
        around = (above // 2, above - above // 2), before // 2
        return _Across(op.inputs[0], picture, *around, stride, result[2], kernel[1])
    if op.get_attr("padding") != b"VALID":
        return None
    padded = _before_padding(op.inputs[0])
    if padded is None:
        return _Across(op.inputs[0], picture, (0, 0), 0, stride, result[2], kernel[1])
    return _Across(*padded, stride, result[2], kernel[1])


def _before_padding(tensor: Tensor) -> tuple[Tensor, list[int], tuple[int, int], int] | None:
    """What is padded by zeros to the picture of a convolution, how that takes it, and zeros around and on the left; a row
    may be made a picture in between."""
    pad = source(tensor).op
    if pad.type == "ExpandDims" and len(sizes(pad.inputs[0]) or []) == 3 and tensor.shape[1] == 1:
        pad = source(pad.inputs[0]).op
    if pad.type != "Pad":
        return None
    shape, paddings = sizes(pad.inputs[0]), static(pad.inputs[1])
    if shape is None or paddings is None or paddings[0].any() or paddings[-1].any() or (paddings < 0).any():
        return None
    above, below = (int(each) for each in paddings[1]) if len(shape) == 4 else (0, 0)
    return (
        pad.inputs[0],
        shape if len(shape) == 4 else [shape[0], 1, *shape[1:]],
        (above, below),
        int(paddings[-2][0]),
    )


def form(on_arm: float, on_x86: float) -> Form:
    """For convolutions that take at most these shares of what they took."""

    def fits(op: Any) -> bool:
        found = _across(op)
        if found is None:
            return False
        rows, width, channels, made = op.inputs[1].shape
        wide = channels * found.stride
        if found.taps * (_TAP + _CHANNEL * wide) > on_arm * width * (_TAP + _CHANNEL * channels):
            return False
        copied = wide * op.get_attr("strides")[1] * _COPY_OF_X86 / made
        after = rows * found.taps * (_TAP_OF_X86 + wide) + copied
        return after <= on_x86 * rows * width * (_TAP_OF_X86 + channels)

    return Form(("Conv2D",), fits, _make)


def _make(op: Any, now: Now) -> Tensor:
    found = _across(op)
    assert found is not None
    batch, height, width, channels = found.shape
    rows, _, _, made = op.inputs[1].shape.as_list()
    stride, read = found.stride, found.strides_read
    x = tf.reshape(now(found.picture), found.shape)
    inside = min(-(-width // stride), read)  # strides of the row, or of its beginning
    x = (
        x[:, :, : inside * stride]
        if inside * stride < width
        else _padded(x, (0, 0), (0, inside * stride - width))
    )
    x = tf.reshape(x, [batch, height, inside, stride * channels])
    x = _padded(x, found.down, (found.strides_left, read - inside))
    zeros_last = found.taps * stride - found.zeros_first - found.width
    kernel = tf.pad(now(op.inputs[1]), [(0, 0), (found.zeros_first, zeros_last), (0, 0), (0, 0)])
    kernel = tf.reshape(kernel, [rows, found.taps, stride * channels, made])
    return tf.nn.conv2d(x, kernel, [1, op.get_attr("strides")[1], 1, 1], "VALID")


def _padded(x: Tensor, down: tuple[int, int], across: tuple[int, int]) -> Tensor:
    return tf.pad(x, [(0, 0), down, across, (0, 0)]) if any((*down, *across)) else x


# A GPU pads channels to fours, so that little is won there; a device may find more to be cheaper.
FORM, ARM_FORM, TRIED = form(0.8, 0.95), form(0.97, inf), form(1.2, inf)
