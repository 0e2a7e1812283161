"""Joints of more tensors than delegates take at once.

    before  CONCATENATION a, b, c, d, e, f, g
    after   CONCATENATION (CONCATENATION a, b), (CONCATENATION c, d), e, f, g

What begins with a joint made earlier goes on from that, as in a dense block, where each layer reads all before it:

    before  CONCATENATION a, b, c, d, e, f;  CONCATENATION a, b, c, d, e, f, g
    after   p = CONCATENATION (CONCATENATION a, b), c, d, e, f;  CONCATENATION p, g"""

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
    return joined([now(tensor) for tensor in op.inputs[:-1]], axis)


def joined(tensors: list[Tensor], axis: int) -> Tensor:
    """All of them along an axis, no more at once than delegates take."""
    tensors = [source(tensor) for tensor in tensors]
    begun, count = _begun(tensors, axis)
    if not count:
        return tf.concat(_grouped(tensors, axis, _MOST), axis)
    return tf.concat([begun, *_grouped(tensors[count:], axis, _MOST - 1)], axis)


def _grouped(tensors: list[Tensor], axis: int, groups: int) -> list[Tensor]:
    """The tensors, neighbours joined, so many that they are no more than `groups`."""
    if len(tensors) <= groups:
        return tensors
    size, larger = divmod(len(tensors), groups)
    made, start = [], 0
    for group in range(groups):
        end = start + size + (group < larger)
        part = tensors[start:end]
        made.append(part[0] if len(part) == 1 else tf.concat(_grouped(part, axis, _MOST), axis))
        start = end
    return made


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
    return [part for tensor in op.inputs[:-1] for part in _joined(source(tensor), axis)]


def _same(some: list[Tensor], wanted: list[Tensor]) -> bool:
    return all(a is b for a, b in zip(some, wanted, strict=False))


FORM = Form(("ConcatV2",), _fits, _make)
