"""Dilated convolutions over one dim, which Keras writes as convolutions of a tensor that is cut into more batches.

    before  SPACE_TO_BATCH_ND (1, 48, 16) -> (3, 18, 16), CONV_2D (3, 1, 18, 16), BATCH_TO_SPACE_ND -> (1, 48, 16)
    after   PAD (1, 1, 54, 16), CONV_2D with dilation 3

Delegates have neither of the two ops that cut and join."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, readers, sizes, source, static

_RELABELS = ("Reshape", "ExpandDims", "Squeeze")


def _parts(joined: Any) -> tuple[Any, Any, int, int, int] | None:
    """The convolution, the op that cuts, the dilation, and what is padded left and right."""
    convolution = _before(joined)
    if convolution is None or convolution.type not in ("Conv2D", "DepthwiseConv2dNative"):
        return None
    plain = convolution.get_attr("padding") == b"VALID" and convolution.get_attr("data_format") == b"NHWC"
    if not plain or {*convolution.get_attr("strides"), *convolution.get_attr("dilations")} != {1}:
        return None
    cut = _before(convolution)
    if cut is None or cut.type != "SpaceToBatchND" or len(sizes(cut.inputs[0]) or []) != 3:
        return None
    blocks, paddings, crops = static(cut.inputs[1]), static(cut.inputs[2]), static(joined.inputs[2])
    same = static(joined.inputs[1])
    if any(each is None for each in (blocks, paddings, crops, same)) or list(blocks) != list(same):
        return None
    if len(blocks) != 1 or crops[0][0] or paddings[0][1] < crops[0][1] or convolution.inputs[0].shape[1] != 1:
        return None
    return convolution, cut, int(blocks[0]), int(paddings[0][0]), int(paddings[0][1] - crops[0][1])


def _before(op: Any) -> Any:
    """The op that makes the first input, past changes of shape; None if something else reads it, too."""
    tensor = source(op.inputs[0])
    while tensor.op.type in _RELABELS and sum(1 for _ in readers(tensor)) == 1:
        tensor = source(tensor.op.inputs[0])
    return tensor.op if sum(1 for _ in readers(tensor)) == 1 else None


def _make(op: Any, now: Now) -> Tensor:
    found = _parts(op)
    assert found is not None
    convolution, cut, dilation, left, right = found
    batch, length, channels = cut.inputs[0].shape.as_list()
    x = tf.reshape(now(cut.inputs[0]), [batch, 1, length, channels])
    x = tf.pad(x, [(0, 0), (0, 0), (left, right), (0, 0)]) if left or right else x
    kernel = now(convolution.inputs[1])
    if convolution.type == "Conv2D":
        y = tf.nn.conv2d(x, kernel, 1, "VALID", dilations=[1, dilation])
    else:
        y = tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "VALID", dilations=[1, dilation])
    return tf.reshape(y, op.outputs[0].shape)


FORM = Form(("BatchToSpaceND",), lambda op: _parts(op) is not None, _make)
