"""Transposed convolutions whose kernel is as large as their stride: each place becomes a tile of its own.

    before  TRANSPOSE_CONV 2x2, stride 2, 64 -> 64
    after   CONV_2D 1x1, 64 -> 256, DEPTH_TO_SPACE 2

What is added to each channel, and an activation, is done before the tiles are laid, where it becomes part of the
convolution."""

from __future__ import annotations

from math import prod
from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, sizes, source
from nobuco.tflite.lowering.copying import copied

_BY_CHANNEL = ("BiasAdd", "AddV2", "Sub", "Mul", "Relu", "Relu6")


def _tiles(op: Any) -> int | None:
    """The stride, where the form is for an op."""
    kernel, picture, result = sizes(op.inputs[1]), sizes(op.inputs[2]), sizes(op.outputs[0])
    if kernel is None or picture is None or result is None or op.get_attr("data_format") != b"NHWC":
        return None
    _, down, across, _ = op.get_attr("strides")
    if not 1 < down == across == kernel[0] == kernel[1] or op.get_attr("dilations") != [1, 1, 1, 1]:
        return None
    if result[1:3] != [picture[1] * down, picture[2] * down] or op.get_attr("padding") not in (
        b"SAME",
        b"VALID",
    ):
        return None
    return down


def _convolved(op: Any, now: Now) -> Tensor:
    stride = _tiles(op)
    assert stride is not None
    height, width, made, given = op.inputs[1].shape.as_list()
    kernel = tf.reshape(tf.transpose(now(op.inputs[1]), (3, 0, 1, 2)), [1, 1, given, height * width * made])
    return tf.nn.depth_to_space(tf.nn.conv2d(now(op.inputs[2]), kernel, 1, "VALID"), stride)


def _tiled(tensor: Tensor) -> Any:
    """The transposed convolution of this form that a tensor comes from, at most changed channel by channel; else None."""
    op = source(tensor).op
    while op.type in _BY_CHANNEL:
        picture = _picture(op)
        if picture is None:
            return None
        op = source(picture).op
    return op if op.type == "Conv2DBackpropInput" and _tiles(op) is not None else None


def tiled_before(op: Any) -> Any:
    """The transposed convolution of this form whose results an op changes channel by channel; else None."""
    picture = _picture(op)
    return None if picture is None else _tiled(picture)


def _picture(op: Any) -> Tensor | None:
    """What an op changes channel by channel; None where it does more than that."""
    if len(op.inputs) == 1:
        return op.inputs[0]
    if op.type == "BiasAdd" and op.get_attr("data_format") != b"NHWC":
        return None
    if op.outputs[0].shape.rank != 4:
        return None
    channels = op.outputs[0].shape[-1]
    for tiled, vector in (op.inputs, reversed(op.inputs)):
        shape = sizes(vector)
        if tiled.shape.rank != 4 or tiled.shape[-1] != channels:  # or what is added to it makes more channels
            continue
        if shape is not None and (shape == [] or (len(shape) < 5 and prod(shape) == shape[-1] == channels)):
            return tiled
    return None


def _by_channel(op: Any, now: Now) -> Tensor:
    values = [source(now(tensor)) for tensor in op.inputs]
    tiled = next(
        value for value, tensor in zip(values, op.inputs, strict=True) if _tiled(tensor) is not None
    ).op
    stride = tiled.get_attr("block_size")
    inputs = [
        tiled.inputs[0]
        if value.op is tiled
        else tf.tile(tf.reshape(value, [-1]), [stride**2])
        if value.shape.rank
        else value
        for value in values
    ]
    return tf.nn.depth_to_space(copied(op, inputs)[0], stride)


FORMS = (
    Form(("Conv2DBackpropInput",), lambda op: _tiles(op) is not None, _convolved),
    Form(_BY_CHANNEL, lambda op: tiled_before(op) is not None, _by_channel),
)
