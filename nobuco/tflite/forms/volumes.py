"""Convolutions of volumes, as clips of pictures are, by those of pictures: XNNPACK has no CONV_3D.

    before  CONV_3D 1x3x3
    after   CONV_2D 3x3 of all planes as a batch

    before  CONV_3D 3x1x1
    after   CONV_2D 3x1 of pictures whose rows are the planes

    before  CONV_3D 3x3x3
    after   3 (SLICE, CONV_2D 3x3), 2 ADD: each plane of the kernel over all planes that it meets

Where the kernel goes on by more than one plane, planes stand in groups of as many, so that slices have no strides."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, sizes


def _fits(op: Any) -> bool:
    picture, kernel = op.inputs[0].shape, sizes(op.inputs[1])
    if (
        kernel is None
        or picture.rank is None
        or not picture[1:].is_fully_defined()
        or picture[4] != kernel[3]
    ):
        return False
    plain = op.get_attr("data_format") == b"NDHWC" and op.get_attr("dilations") == [1, 1, 1, 1, 1]
    return plain and op.get_attr("padding") in (b"SAME", b"VALID")


def _make(op: Any, now: Now) -> Tensor:
    x, kernel = now(op.inputs[0]), now(op.inputs[1])
    depth, height, width, channels = x.shape.as_list()[1:]
    _, step, *steps, _ = op.get_attr("strides")
    padding = op.get_attr("padding").decode()
    planes, *rest = op.outputs[0].shape.as_list()[1:]
    made = [-1, planes, *rest]  # how many clips there are may be unknown
    taps, *window = kernel.shape.as_list()[:3]
    if window == [1, 1] and steps == [1, 1]:
        rows = tf.reshape(x, [-1, depth, height * width, channels])
        return tf.reshape(tf.nn.conv2d(rows, kernel[:, :, 0], [step, 1], padding), made)
    parts = [
        tf.nn.conv2d(tf.reshape(met, [-1, height, width, channels]), kernel[tap], steps, padding)
        for tap, met in enumerate(_met(x, taps, step, planes, padding))
    ]
    return tf.reshape(sum(parts[1:], parts[0]), made)


def _met(x: Tensor, taps: int, step: int, planes: int, padding: str) -> list[Tensor]:
    """For each plane of the kernel the planes of `x` that it meets, each as one row."""
    depth, height, width, channels = x.shape.as_list()[1:]
    size = height * width * channels
    if taps == step == 1:
        return [x]
    groups = planes + (taps - 1) // step
    needed = max(0, (planes - 1) * step + taps - depth) if padding == "SAME" else 0
    before, after = needed // 2, groups * step - depth - needed // 2
    rows = tf.reshape(x, [-1, depth, size])[:, : depth + min(after, 0)]
    if before or after > 0:
        rows = tf.pad(rows, [(0, 0), (before, max(after, 0)), (0, 0)])
    if step == 1:
        return [rows[:, tap : tap + planes] for tap in range(taps)]
    grouped = tf.reshape(rows, [-1, groups, step * size])
    return [
        grouped[:, tap // step : tap // step + planes, tap % step * size : (tap % step + 1) * size]
        for tap in range(taps)
    ]


FORM = Form(("Conv3D",), _fits, _make)
