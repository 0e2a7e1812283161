"""Integers of 8 and 16 bits, with which TFLite computes only where they stand for real numbers: in 32 bits and back,
which wraps around as PyTorch does. Bools, too, where TFLite does not move them."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.lowering.copying import copied
from nobuco.tflite.lowering.values import Rules, Tensor

REAL = Rules()

NARROW = (tf.uint8, tf.int8, tf.uint16, tf.int16)
_IN_INT32 = dict.fromkeys(NARROW, tf.int32)
_IN_FLOAT32 = dict.fromkeys(NARROW, tf.float32)


def _is_narrow(op: Any) -> bool:
    return any(tensor.dtype in NARROW for tensor in op.inputs)


@REAL.rule(
    "AddV2", "Add", "AddN", "Sub", "Mul", "Square", "Abs", "Neg", "Sign", "Minimum", "Maximum", "Equal", "NotEqual",
    "Greater", "GreaterEqual", "Less", "LessEqual", "SelectV2", "Select", "FloorMod", "FloorDiv", "TruncateDiv", "Max",
    "Min", "Sum", "Prod", "Cumsum", "Pow", "ReverseV2", when=_is_narrow,
)  # fmt: skip
def in_int32(op: Any, *inputs: Tensor) -> list[Tensor]:
    return _widened(op, inputs, _IN_INT32)


# Ops that compute nothing, or only compare, and the types that TFLite does not know them for.
_OF_16_BITS = (tf.uint16, tf.int16)
_UNKNOWN = {
    "Transpose": _OF_16_BITS,
    "ArgMax": _OF_16_BITS,
    "ArgMin": _OF_16_BITS,
    "Tile": (*_OF_16_BITS, tf.int8),
    "DepthToSpace": (*_OF_16_BITS, tf.bool),
    "SpaceToDepth": (*NARROW, tf.bool),
}


@REAL.rule(*_UNKNOWN, when=lambda op: op.inputs[0].dtype in _UNKNOWN[op.type])
def moved(op: Any, *inputs: Tensor) -> list[Tensor]:
    return _widened(op, inputs, {**_IN_INT32, tf.bool: tf.int32})


@REAL.rule("ResizeNearestNeighbor", "ResizeBilinear", when=_is_narrow)
def in_float32(op: Any, *inputs: Tensor) -> list[Tensor]:
    return _widened(op, inputs, _IN_FLOAT32)


def _widened(op: Any, inputs: tuple[Tensor, ...], wider: dict[Any, Any]) -> list[Tensor]:
    wide = [tf.cast(each, wider[each.dtype]) if each.dtype in wider else each for each in inputs]
    made = copied(op, wide, wider)
    return [
        tf.cast(new, old.dtype) if new.dtype != old.dtype else new
        for new, old in zip(made, op.outputs, strict=True)
    ]
