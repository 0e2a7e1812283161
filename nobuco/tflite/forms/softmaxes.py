"""Logarithms of a softmax, which GPU delegates have no op for.

before  LOG_SOFTMAX (2, 5, 10)
after   REDUCE_MAX, SUB, EXP, SUM, LOG, MUL, ADD

With a difference for the last two, TFLite's converter would put LOG_SOFTMAX in again."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Now, Tensor
from nobuco.tflite.forms.joining import product, reshaped, reshaping


def _has_dims(op: Any) -> bool:
    return op.inputs[0].shape.rank > 0


def _make(op: Any, now: Now) -> Tensor:
    *before, last = op.inputs[0].shape.as_list()
    x = reshaped(now(op.inputs[0]), [1, product(before), last])
    x = x - tf.reduce_max(x, -1, keepdims=True)  # so that no exponential is infinite
    return x + tf.math.log(tf.reduce_sum(tf.exp(x), -1, keepdims=True)) * -1.0


GPU_FORMS = (reshaping(("LogSoftmax",), _has_dims, _make),)
