"""Logarithms of a softmax, which neither XNNPACK nor GPU delegates have an op for.

before  LOG_SOFTMAX (32, 1, 37): 32.5 thousand instructions on a Cortex-A76; (128, 1000): 1,609; (1, 10): 7.0
after   REDUCE_MAX, SUB, EXP, SUM, LOG, MUL, ADD: 23.2; 1,233; 7.8, and no delegate ends there

With a difference for the last two, TFLite's converter would put LOG_SOFTMAX in again."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor
from nobuco.tflite.forms.joining import product, reshaped, reshaping


def _has_dims(op: Any) -> bool:
    return bool(op.inputs[0].shape.rank)


def _fits(op: Any) -> bool:
    return _has_dims(op) and op.inputs[0].dtype == tf.float32


def _make(op: Any, now: Now) -> Tensor:
    return _written_out(now(op.inputs[0]))


def _make_in_three_dims(op: Any, now: Now) -> Tensor:
    *before, last = op.inputs[0].shape.as_list()
    return _written_out(reshaped(now(op.inputs[0]), [1, product(before), last]))


def _written_out(x: Tensor) -> Tensor:
    x = x - tf.reduce_max(x, -1, keepdims=True)  # so that no exponential is infinite
    return x + tf.math.log(tf.reduce_sum(tf.exp(x), -1, keepdims=True)) * -1.0


FORM = Form(("LogSoftmax",), _fits, _make)
GPU_FORMS = (reshaping(("LogSoftmax",), _has_dims, _make_in_three_dims),)
