"""Parts of unequal sizes, or more than four, as slices: XNNPACK takes no others. Nor any that nothing reads, in integers.

before  SPLIT_V (1, 196, 4, 64) -> (1, 196, 4, 16), (1, 196, 4, 16), (1, 196, 4, 32)
after   3 SLICE"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, readers, static

_MOST = 4  # parts that XNNPACK splits into


def _axis(op: Any) -> int | None:
    axis = static(op.inputs[0 if op.type == "Split" else 2])
    rank = op.inputs[1 if op.type == "Split" else 0].shape.rank
    return None if axis is None or rank is None else int(axis) % rank


def _fits(op: Any) -> bool:
    axis = _axis(op)
    if axis is None or any(output.shape.rank is None or output.shape[axis] is None for output in op.outputs):
        return False
    lengths = {output.shape[axis] for output in op.outputs}
    unread = not all(any(True for _ in readers(output)) for output in op.outputs)
    return op.outputs[0].dtype.is_floating and (len(lengths) > 1 or len(op.outputs) > _MOST or unread)


def _make(op: Any, now: Now) -> list[Tensor]:
    axis, x = _axis(op) or 0, now(op.inputs[1 if op.type == "Split" else 0])
    begin, parts = 0, []
    for output in op.outputs:
        start = [0] * x.shape.rank
        length = [-1 if size is None else size for size in output.shape.as_list()]
        start[axis] = begin
        parts.append(tf.slice(x, start, length))
        begin += output.shape[axis]
    return parts


FORM = Form(("Split", "SplitV"), _fits, _make)
