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

from nobuco.tflite.forms.borders import bordered
from nobuco.tflite.forms.form import Form, Now, Tensor, is_constant

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
    found = bordered(op)
    _, _, stride, _ = op.get_attr("strides")
    if (
        found is None
        or stride == 1
        or op.get_attr("dilations") != [1, 1, 1, 1]
        or not is_constant(op.inputs[1])
    ):
        return None
    _, width, channels, _ = op.inputs[1].shape
    if channels != found.shape[3]:
        return None
    results = op.outputs[0].shape[2]
    return _Across(found.picture, found.shape, found.down, found.across[0], stride, results, width)


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
