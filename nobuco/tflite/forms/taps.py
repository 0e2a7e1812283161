"""Convolutions some of whose taps read zeros beside the picture, as dilated ones of small pictures do.

    before  CONV_2D 3x3, dilation 24 (1, 16, 16, 960) -> (1, 16, 16, 256), padded by 24
    after   CONV_2D 1x1: no other tap ever reads the picture

    before  CONV_2D 3x3, dilation 12 (1, 28, 28, 2048) -> (1, 28, 28, 256), padded by 12
    after   9 times SLICE of what a tap reads, CONV_2D 1x1, PAD, and 8 ADD: half of the products

In DeepLab's pyramids most products are with zeros. Those that are left are the same, in another order. After / before:

    3x3, dilation; picture; channels   24; 28x28, 512→256   12; 28x28, 512→256   36; 65x65, 256→256
    emulated Cortex-A76, instructions  0.20                 0.53                 0.43
    one core of a Xeon, time           0.16                 0.46                 0.6

Without dilation less is saved, and there are too many ops for it: 512 channels at 7x7 take 0.77 of the instructions.
Weights that another layer reads as well, as a detector's heads do at every scale, would be in the file twice: they stay
whole."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.borders import bordered
from nobuco.tflite.forms.form import Form, Now, Tensor, is_constant, readers, source

# Instructions of an emulated Cortex-A76, for a number of the result: of a product, and of the sum with what another tap has
# made there. And the share of both that has to be saved: four ops in place of one tap are four times that threads wait for
# each other.
_PRODUCT, _SUM = 0.35, 4.0
_SAVED = 0.3


@dataclass(frozen=True)
class _Axis:
    """One dim of places of a convolution."""

    given: int
    taps: int
    stride: int
    dilation: int
    before: int
    results: int

    def reads(self, tap: int) -> range:
        """The results for which a tap reads the picture."""
        offset = self.before - tap * self.dilation
        first = max(0, -(-offset // self.stride))
        last = min(self.results - 1, (self.given - 1 + offset) // self.stride)
        return range(first, max(first, last + 1))

    @cached_property
    def used(self) -> range:
        """The taps that ever do: those in the middle, as each reads what lies beside what its neighbour reads."""
        found = [tap for tap in range(self.taps) if self.reads(tap)]
        return range(found[0], found[-1] + 1) if found else range(0)

    @property
    def window(self) -> tuple[int, int]:
        """The first and the last place but one that they read; below 0, and beyond the picture, are zeros."""
        first = self.used[0] * self.dilation - self.before
        return first, first + (self.results - 1) * self.stride + (len(self.used) - 1) * self.dilation + 1

    @property
    def share(self) -> float:
        """Of the products of the taps that are used, those with the picture."""
        return sum(len(self.reads(tap)) for tap in self.used) / (len(self.used) * self.results)


def _axes(op: Any) -> tuple[_Axis, _Axis] | None:
    found = bordered(op)
    if found is None or 0 in found.shape or len(found.picture.shape) != 4 or not is_constant(op.inputs[1]):
        return None
    kernel, result = op.inputs[1].shape.as_list(), op.outputs[0].shape.as_list()
    strides, dilations = op.get_attr("strides"), op.get_attr("dilations")
    down, across = (
        _Axis(found.shape[i], kernel[i - 1], strides[i], dilations[i], border[0], result[i])
        for i, border in ((1, found.down), (2, found.across))
    )
    return (down, across) if down.used and across.used else None


def _has_idle_taps(op: Any) -> bool:
    axes = _axes(op)
    return axes is not None and any(len(axis.used) < axis.taps for axis in axes)


def _without_idle_taps(op: Any, now: Now) -> Tensor:
    found, axes = bordered(op), _axes(op)
    assert found is not None and axes is not None
    x, kernel = now(found.picture), now(op.inputs[1])
    down, across = axes
    x = _windowed(x, found.shape, *(axis.window for axis in axes))
    kernel = kernel[down.used.start : down.used.stop, across.used.start : across.used.stop]
    # a dilation means nothing to a single tap, and some kernels are for such without
    dilations = [axis.dilation if len(axis.used) > 1 else 1 for axis in axes]
    strides = op.get_attr("strides")
    if op.type == "Conv2D":
        return tf.nn.conv2d(x, kernel, strides, "VALID", dilations=dilations)
    return tf.nn.depthwise_conv2d(x, kernel, strides, "VALID", dilations=dilations)


def _windowed(x: Tensor, shape: list[int], down: tuple[int, int], across: tuple[int, int]) -> Tensor:
    """Of a picture what lies between two rows and two columns, with zeros where these lie beside it."""
    sides = list(zip((down, across), shape[1:3], strict=True))
    inside = [(max(0, first), min(size, last)) for (first, last), size in sides]
    beside = [(max(0, -first), max(0, last - size)) for (first, last), size in sides]
    (top, bottom), (left, right) = inside
    if (top, bottom, left, right) != (0, shape[1], 0, shape[2]):
        x = x[:, top:bottom, left:right]
    return tf.pad(x, [(0, 0), *beside, (0, 0)]) if any(map(any, beside)) else x


def _is_worth_parting(op: Any) -> bool:
    axes = _axes(op)
    if axes is None or op.get_attr("strides") != [1, 1, 1, 1] or op.outputs[0].dtype != tf.float32:
        return False
    down, across = axes
    channels = op.inputs[1].shape[2]
    taps = len(down.used) * len(across.used)
    if channels != op.inputs[0].shape[3] or taps == 1 or _is_shared(op.inputs[1]):
        return False
    sums = _SUM * (taps - 1) / (taps * channels * _PRODUCT)
    return down.share * across.share + sums <= 1 - _SAVED


def _is_shared(weights: Tensor) -> bool:
    """Whether other ops read the same constant or variable."""
    whole = source(weights)
    if whole.op.type == "ReadVariableOp":
        variable = whole.op.inputs[0]
        reading = [op for read in variable.consumers() for op in readers(read.outputs[0])]
    else:
        reading = list(readers(whole))
    # an earlier form of an op may still be there, and nothing reads it
    alive = [op for op in reading if op is None or any(list(readers(each)) for each in op.outputs)]
    return len(alive) > 1


def _parted(op: Any, now: Now) -> Tensor:
    found, axes = bordered(op), _axes(op)
    assert found is not None and axes is not None
    x, kernel = now(found.picture), now(op.inputs[1])
    down, across = axes
    parts = []
    for i in down.used:
        for j in across.used:
            rows, columns = down.reads(i), across.reads(j)
            top, left = i * down.dilation - down.before, j * across.dilation - across.before
            seen = _windowed(
                x,
                found.shape,
                (rows.start + top, rows.stop + top),
                (columns.start + left, columns.stop + left),
            )
            part = tf.nn.conv2d(seen, kernel[i : i + 1, j : j + 1], 1, "VALID")
            around = [
                (each.start, axis.results - each.stop) for each, axis in ((rows, down), (columns, across))
            ]
            parts.append(tf.pad(part, [(0, 0), *around, (0, 0)]) if any(map(any, around)) else part)
    return reduce(tf.add, parts)


IDLE = Form(("Conv2D", "DepthwiseConv2dNative"), _has_idle_taps, _without_idle_taps)
PARTED = Form(("Conv2D",), _is_worth_parting, _parted)
FORMS = (PARTED, IDLE)
