"""Dilated convolutions, which Keras writes as convolutions of a tensor that is cut into more batches.

    before  SPACE_TO_BATCH_ND (1, 48, 16) -> (3, 18, 16), CONV_2D (3, 1, 18, 16), BATCH_TO_SPACE_ND -> (1, 48, 16)
    after   PAD (1, 1, 54, 16), CONV_2D with dilation 3

Delegates have neither of the two ops that cut and join. Of those over two dims TFLite's converter knows the pattern; other
forms do not."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, readers, sizes, source, static

_RELABELS = ("Reshape", "ExpandDims", "Squeeze")


# The convolution, the op that cuts, and for each dim the dilation and what is padded before and behind.
_Parts = tuple[Any, Any, list[tuple[int, int, int]]]


def _parts(joined: Any, dims: int) -> _Parts | None:
    convolution = _before(joined)
    if convolution is None or convolution.type not in ("Conv2D", "DepthwiseConv2dNative"):
        return None
    plain = convolution.get_attr("padding") == b"VALID" and convolution.get_attr("data_format") == b"NHWC"
    if not plain or {*convolution.get_attr("strides"), *convolution.get_attr("dilations")} != {1}:
        return None
    cut = _before(convolution)
    if cut is None or cut.type != "SpaceToBatchND" or len(sizes(cut.inputs[0]) or []) != dims + 2:
        return None
    blocks, paddings, crops = static(cut.inputs[1]), static(cut.inputs[2]), static(joined.inputs[2])
    same = static(joined.inputs[1])
    if any(each is None for each in (blocks, paddings, crops, same)) or list(blocks) != list(same):
        return None
    if len(blocks) != dims or crops[:, 0].any() or (paddings[:, 1] < crops[:, 1]).any():
        return None
    if dims == 1 and convolution.inputs[0].shape[1] != 1:
        return None
    steps = zip(blocks, paddings, crops, strict=True)
    return (
        convolution,
        cut,
        [(int(by), int(before), int(behind - cropped)) for by, (before, behind), (_, cropped) in steps],
    )


def _before(op: Any) -> Any:
    """The op that makes the first input, past changes of shape; None if something else reads it, too."""
    tensor = source(op.inputs[0])
    while tensor.op.type in _RELABELS and sum(1 for _ in readers(tensor)) == 1:
        tensor = source(tensor.op.inputs[0])
    return tensor.op if sum(1 for _ in readers(tensor)) == 1 else None


def _make(op: Any, now: Now) -> Tensor:
    found = _parts(op, 1)
    assert found is not None
    convolution, cut, [(dilation, left, right)] = found
    batch, length, channels = cut.inputs[0].shape.as_list()
    x = tf.reshape(now(cut.inputs[0]), [batch, 1, length, channels])
    x = tf.pad(x, [(0, 0), (0, 0), (left, right), (0, 0)]) if left or right else x
    y = _convolved(convolution, x, now(convolution.inputs[1]), "VALID", [1, dilation])
    return tf.reshape(y, op.outputs[0].shape)


def _make_of_two(op: Any, now: Now) -> Tensor:
    found = _parts(op, 2)
    assert found is not None
    convolution, cut, steps = found
    x, kernel = now(cut.inputs[0]), now(convolution.inputs[1])
    around = [(before, behind) for _, before, behind in steps]
    taps = convolution.inputs[1].shape.as_list()[:2]
    padded = [(size - 1) * by for size, (by, _, _) in zip(taps, steps, strict=True)]
    padding = "SAME" if around == [(each // 2, each - each // 2) for each in padded] else "VALID"
    if padding == "VALID" and any(map(any, around)):
        x = tf.pad(x, [(0, 0), *around, (0, 0)])
    return _convolved(convolution, x, kernel, padding, [by for by, _, _ in steps])


def _convolved(op: Any, x: Tensor, kernel: Tensor, padding: Any, dilations: list[int]) -> Tensor:
    if op.type == "Conv2D":
        return tf.nn.conv2d(x, kernel, 1, padding, dilations=dilations)
    return tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], padding, dilations=dilations)


FORM = Form(("BatchToSpaceND",), lambda op: _parts(op, 1) is not None, _make)
OF_TWO = Form(("BatchToSpaceND",), lambda op: _parts(op, 2) is not None, _make_of_two)
