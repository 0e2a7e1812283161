"""HARD_SWISH in int8 as products and a sum, which XNNPACK takes: it leaves the op itself to a slower kernel, and parts the
file there."""

from __future__ import annotations

from typing import Any

import numpy as np

from nobuco.tflite import flatbuffer as fb
from nobuco.tflite.precision.editing import INT8, Editing, Scale

HARD_SWISH = "HARD_SWISH"
_LEAST, _MOST = -128, 127


def taken_apart(data: bytes) -> bytes:
    """The file with ``x * clip(x / 6 + 1/2, 0, 1)`` for each HARD_SWISH of int8.

    A sixth of the steps of x are the steps of x / 6, so the first product rounds nothing. Where the sigmoid is 0 or 1
    the sum rounds nothing, either; in between it is off by half a step, 1/510 at most."""
    editing = Editing(data)
    found = [op for op in editing.ops if editing.kind(op) == HARD_SWISH and _is_int8(editing, op)]
    if not found:
        return data
    sixth = half = -1
    ops: list[Any] = []
    for op in editing.ops:
        if not any(op is each for each in found):
            ops.append(op)
            continue
        x, y = int(op.inputs[0]), int(op.outputs[0])
        given = editing.scale(x)
        assert given is not None
        if sixth < 0:
            sixth = _number(editing, x, 1 / 6, ";sixth")
            half = _number(editing, x, 1 / 2, ";half")
        smaller = editing.add_like(y, INT8, Scale(given.step / 6, given.zero), ";sixth_of_input")
        share = editing.add_like(y, INT8, _share(given), ";hard_sigmoid")
        ops += [
            _of_two(editing, "MUL", x, sixth, smaller),
            _of_two(editing, "ADD", smaller, half, share),
            _of_two(editing, "MUL", x, share, y),
        ]
    editing.graph.operators = ops
    return editing.bytes()


def _is_int8(editing: Editing, op: Any) -> bool:
    return editing.scale(int(op.inputs[0])) is not None and editing.scale(int(op.outputs[0])) is not None


def _share(given: Scale) -> Scale:
    """Of the sigmoid: 255 steps from 0 to the most that it becomes. A sum beyond either end becomes the end, which is what
    cuts the sigmoid off."""
    most = (_MOST - given.zero) * given.step / 6 + 1 / 2
    return Scale((most if 0 < most < 1 else 1.0) / (_MOST - _LEAST), _LEAST)


def _number(editing: Editing, like: int, value: float, ending: str) -> int:
    return editing.add_constant(like, np.array([_MOST], np.int8), [value / _MOST], ending=ending)


def _of_two(editing: Editing, kind: str, a: int, b: int, made: int) -> Any:
    op = editing.op(kind, a, made)
    op.inputs = [a, b]
    options = fb.schema.MulOptionsT() if kind == "MUL" else fb.schema.AddOptionsT()
    op.builtinOptions = options
    op.builtinOptionsType = getattr(fb.schema.BuiltinOptions, f"{kind.capitalize()}Options")
    return op
