"""Variables in float64 become constants in float32: read as they are, they would be float64 in whatever is done next."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from nobuco.tflite.lowering.values import Rules, Tensor

REAL = Rules()


def value_of(op: Any) -> np.ndarray:
    """What the variable holds that an op reads."""
    outer = next(outer for outer, inner in op.graph.captures if inner is op.inputs[0])
    with tf.init_scope():
        return next(each for each in op.graph.variables if each.handle is outer).numpy()


def _is_wide(op: Any) -> bool:
    return op.outputs[0].dtype == tf.float64


@REAL.rule("ReadVariableOp", when=_is_wide)
def read(op: Any, handle: Tensor) -> Tensor:
    return tf.constant(value_of(op), tf.float32)


@REAL.rule("ResourceGather", when=lambda op: _is_wide(op) and not op.get_attr("batch_dims"))
def gathered(op: Any, handle: Tensor, places: Tensor) -> Tensor:
    return tf.gather(tf.constant(value_of(op), tf.float32), places)
