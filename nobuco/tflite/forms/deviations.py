"""Squared deviations from a mean, as LayerNorm takes them.

    before  SUB x, m;  SQUARED_DIFFERENCE x, m
    after   d = SUB x, m;  MUL d, d

TFLite's converter makes one op of a difference and its square, although the difference is needed again."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, readers, source


def _fits(op: Any) -> bool:
    x = source(op.inputs[0])
    return x.dtype.is_floating and x.op.type == "Sub" and sum(1 for _ in readers(x)) > 1


def _make(op: Any, now: Now) -> Tensor:
    x = now(op.inputs[0])
    return tf.multiply(x, x)


FORM = Form(("Square",), _fits, _make)
