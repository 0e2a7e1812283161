"""Products of matrices of integers, for which TFLite has no op: each number of the result is a sum of products."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.lowering.values import Rules, Tensor

REAL = Rules()

_TURNED = {"MatMul": ("transpose_a", "transpose_b"), "BatchMatMulV2": ("adj_x", "adj_y")}


@REAL.rule(*_TURNED, when=lambda op: op.inputs[0].dtype.is_integer)
def product(op: Any, *factors: Tensor) -> Tensor:
    a, b = (
        tf.linalg.matrix_transpose(x) if op.get_attr(turned) else x
        for x, turned in zip(factors, _TURNED[op.type], strict=True)
    )
    return tf.reduce_sum(a[..., None] * b[..., None, :, :], -2)
