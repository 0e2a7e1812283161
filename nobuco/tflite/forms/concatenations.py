"""Joints of more tensors than delegates take at once.

    before  CONCATENATION a, b, c, d, e, f, g
    after   CONCATENATION (CONCATENATION a, b, c, d, e), f, g

What begins with a joint made earlier goes on from that, as in a dense block, where each layer reads all before it:

    before  CONCATENATION a, b, c, d, e, f;  CONCATENATION a, b, c, d, e, f, g
    after   p = CONCATENATION (CONCATENATION a, b, c, d, e), f;  CONCATENATION p, g"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, source, static

_MOST = 5  # tensors that XNNPACK joins in one op


def _axis(op: Any) -> int | None:
    """Counted from the first."""
    axis, rank = static(op.inputs[-1]), op.outputs[0].shape.rank
    return None if axis is None or rank is None else int(axis) % rank


def _fits(op: Any) -> bool:
    return len(op.inputs) - 1 > _MOST and op.outputs[0].dtype.is_floating and _axis(op) is not None


def _make(op: Any, now: Now) -> Tensor:
    axis = _axis(op)
    assert axis is not None
    waiting = [source(now(tensor)) for tensor in op.inputs[:-1]]
    begun, count = _begun(waiting, axis)
    if count:
        waiting = [begun, *waiting[count:]]
    while len(waiting) > _MOST:
        waiting = [tf.concat(waiting[:_MOST], axis), *waiting[_MOST:]]
    return tf.concat(waiting, axis)


def _begun(wanted: list[Tensor], axis: int) -> tuple[Tensor, int]:
    """What joins most of the first tensors already, and how many."""
    best, most, found = wanted[0], 0, True
    while found:
        found = False
        for reader in best.consumers():
            if reader.type != "ConcatV2" or _axis(reader) != axis or reader.inputs[0] is not best:
                continue
            joined = _joined(reader.outputs[0], axis)
            if most < len(joined) < len(wanted) and _same(joined, wanted):
                best, most, found = reader.outputs[0], len(joined), True
                break
    return best, most


def _joined(tensor: Tensor, axis: int) -> list[Tensor]:
    """What a joint of joints consists of."""
    op = tensor.op
    if op.type != "ConcatV2" or _axis(op) != axis:
        return [tensor]
    return [*_joined(source(op.inputs[0]), axis), *map(source, op.inputs[1:-1])]


def _same(some: list[Tensor], wanted: list[Tensor]) -> bool:
    return all(a is b for a, b in zip(some, wanted, strict=False))


FORM = Form(("ConcatV2",), _fits, _make)
