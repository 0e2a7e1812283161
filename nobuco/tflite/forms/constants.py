"""Choices between constants, which TFLite's converter leaves to be made on every run, outside delegates.

before  SELECT_V2 of constants (64, 49, 49): the mask of Swin's shifted windows
after   a constant"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor

_MOST = 1 << 20  # elements


def _fits(op: Any) -> bool:
    size = op.outputs[0].shape.num_elements()
    return size is not None and size <= _MOST and _is_constant(op)


def _is_constant(op: Any) -> bool:
    """Whether nothing but constants goes into what an op computes."""
    seen, waiting = set(), [op]
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        runs_functions = any(value.HasField("func") for value in each.node_def.attr.values())
        if each.op_def.is_stateful or runs_functions or (each.type != "Const" and not each.inputs):
            return False
        waiting += [tensor.op for tensor in each.inputs]
    return True


def _make(op: Any, now: Now) -> Tensor:
    session = tf.compat.v1.Session(
        graph=op.graph
    )  # not in a `with`, which makes its graph the one that is built
    value = session.run(op.outputs[0])
    session.close()
    return tf.constant(value)


FORM = Form(("SelectV2", "Select"), _fits, _make)
