"""Grouped convolutions whose groups are no multiples of four channels, which ML Drift computes wrongly.

    before  CONV_2D (1, 9, 9, 16), kernel (12, 3, 3, 4): four groups that make three channels each
    after   CONV_2D (1, 9, 9, 16), kernel (12, 3, 3, 16), zero outside of the groups

The kernel becomes larger by the number of groups: for a GPU, and where they are few."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, is_constant
from nobuco.tflite.lowering.copying import copied

_MOST = 32  # groups
_LANES = 4


def _groups(op: Any) -> int:
    given, taken = op.inputs[0].shape[-1], op.inputs[1].shape[2]
    return 1 if given is None or not taken else given // taken


def _fits(op: Any) -> bool:
    groups, kernel = _groups(op), op.inputs[1]
    if (
        not 1 < groups <= _MOST
        or op.get_attr("data_format") != b"NHWC"
        or not kernel.shape.is_fully_defined()
    ):
        return False
    return is_constant(kernel) and any(
        width % _LANES for width in (kernel.shape[2], kernel.shape[3] // groups)
    )


def _make(op: Any, now: Now) -> Tensor:
    groups, kernel = _groups(op), now(op.inputs[1])
    _, _, taken, made = op.inputs[1].shape.as_list()
    inside = np.kron(np.eye(groups), np.ones((taken, made // groups))).astype(np.float32)
    return copied(op, [now(op.inputs[0]), tf.tile(kernel, [1, 1, groups, 1]) * inside])[0]


FORM = Form(("Conv2D",), _fits, _make)
