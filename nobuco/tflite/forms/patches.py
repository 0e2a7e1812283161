"""Patches of a picture put into its channels, as by the patch merging of Swin.

    before  4 STRIDED_SLICE (1, 28, 28, 24) -> (1, 14, 14, 24), CONCATENATION -> (1, 14, 14, 96)
    after   RESHAPE (14, 2, 28, 24), TRANSPOSE (14, 28, 2, 24), RESHAPE (1, 14, 14, 96)

That is for slices in the order (0, 0), (1, 0), (0, 1), (1, 1), down the columns of each patch. Along its rows, which is
SPACE_TO_DEPTH, it is RESHAPE (14, 2, 14, 48), TRANSPOSE (14, 14, 2, 48)."""

from __future__ import annotations

from math import prod
from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, sizes, source, static
from nobuco.tflite.forms.slices import parts


def _patches(op: Any) -> tuple[Tensor, int, int, bool] | None:
    """The picture (B, H, W, C), height and width of a patch, and whether its columns are read one after the other."""
    slices = [source(tensor).op for tensor in op.inputs[:-1]]
    if len(slices) < 2 or any(each.type != "StridedSlice" for each in slices):
        return None
    picture = source(slices[0].inputs[0])
    shape, result = sizes(picture), op.outputs[0].shape
    axis = static(op.inputs[-1])
    if shape is None or len(shape) != 4 or result.rank != 4 or axis is None or int(axis) % 4 != 3:
        return None
    places = []
    height = width = 0
    for each in slices:
        taken = parts(each)
        if source(each.inputs[0]) is not picture or taken is None or len(each.outputs[0].shape) != 4:
            return None
        batch, down, across, channels = taken
        if not batch.whole or not channels.whole:
            return None
        height, width = shape[1] // (down.count or 1), shape[2] // (across.count or 1)
        if (height, width) != (down.stride, across.stride) or down.begin >= height or across.begin >= width:
            return None
        if (down.count, across.count) != (shape[1] / height, shape[2] / width):
            return None
        places.append((down.begin, across.begin))
    if places == [(i, j) for i in range(height) for j in range(width)]:
        return picture, height, width, False
    if places == [(i, j) for j in range(width) for i in range(height)]:
        return picture, height, width, True
    return None


def _fits(op: Any) -> bool:
    return op.outputs[0].dtype.is_floating and _patches(op) is not None


def _make(op: Any, now: Now) -> Tensor:
    found = _patches(op)
    assert found is not None
    picture, height, width, columns = found
    batch, down, across, channels = picture.shape.as_list()
    rows = batch * down // height
    places = across if columns else across // width
    x = tf.reshape(now(picture), [rows, height, places, prod([across, channels]) // places])
    return tf.reshape(tf.transpose(x, (0, 2, 1, 3)), op.outputs[0].shape)


FORM = Form(("ConcatV2",), _fits, _make)
