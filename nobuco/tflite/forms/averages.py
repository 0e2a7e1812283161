"""Averages of padded pictures, for a GPU, as a convolution of each channel.

    before  PAD (1, 8, 8, 4) -> (1, 10, 10, 4), AVERAGE_POOL_2D (3, 3) -> (1, 8, 8, 4)
    after   PAD, DEPTHWISE_CONV_2D with a kernel of ninths

ML Drift makes one op of the padding and the pooling, and leaves out of the average what is padding: PyTorch counts it."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, source


def _fits(op: Any) -> bool:
    if op.get_attr("data_format") != b"NHWC" or op.get_attr("padding") != b"VALID":
        return False
    _, rows, columns, _ = op.get_attr("strides")
    return (
        source(op.inputs[0]).op.type in ("Pad", "PadV2")
        and rows == columns
        and op.inputs[0].shape[3] is not None
    )


def _make(op: Any, now: Now) -> Tensor:
    _, height, width, _ = op.get_attr("ksize")
    kernel = tf.fill((height, width, op.inputs[0].shape[3], 1), 1.0 / (height * width))
    return tf.nn.depthwise_conv2d(now(op.inputs[0]), kernel, op.get_attr("strides"), "VALID")


GPU_FORMS = (Form(("AvgPool",), _fits, _make),)
