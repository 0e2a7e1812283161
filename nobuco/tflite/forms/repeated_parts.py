"""Constants that are joined to something and consist of equal parts: one part is held in the file, and joined several times.

before  CONCATENATION (1, 64, 192, 16) of a constant (1, 32, 192, 16) and (1, 32, 192, 16): 149 thousand instructions on a
        Cortex-A76, 393 KB
after   CONCATENATION of a constant (1, 8, 192, 16), four times, and (1, 32, 192, 16): 149, 98 KB

As in a scan by doubling, where states move by 1, 2, 4 ... steps and zeros or ones come in; what is left of one constant is
often the next. PAD, which would hold nothing, copies slower, and XNNPACK has no PADV2."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, sizes, source, static

_MOST = 5  # tensors that XNNPACK joins in one op
_FEWEST = 1024  # elements that lie side by side in a part: shorter ones cost more calls than they are worth
_RELABELS = ("Reshape", "Transpose", "ExpandDims", "Squeeze", "BroadcastTo", "Tile")


def _axis(op: Any) -> int | None:
    axis, rank = static(op.inputs[-1]), op.outputs[0].shape.rank
    return None if axis is None or rank is None else int(axis) % rank


def _value(tensor: Tensor) -> np.ndarray | None:
    """Of a constant; what is one number alone is that number."""
    tensor = source(tensor)
    op = tensor.op
    if op.type in ("ZerosLike", "OnesLike"):
        return np.array(op.type == "OnesLike", np.float32)
    if op.type == "Fill":
        return static(op.inputs[1])
    if op.type in _RELABELS:
        value = _value(op.inputs[0])
        return (
            value.reshape(-1)[0]
            if value is not None and value.size and _is_repeated(value.reshape(-1, 1))
            else None
        )
    return static(tensor) if op.type == "Const" else None


def _part(tensor: Tensor, axis: int, most: int) -> tuple[np.ndarray, int] | None:
    """The part that a constant consists of, and how often: at most so many times."""
    shape = sizes(tensor)
    if shape is None or prod(shape[axis:]) < 2 * _FEWEST:
        return None
    value = _value(tensor)
    if value is None:
        return None
    is_number, value = value.size == 1, np.broadcast_to(value, shape)
    for times in range(min(most, prod(shape[axis:]) // _FEWEST), 1, -1):
        if shape[axis] % times == 0:
            parts = np.split(value, times, axis)
            if is_number or _is_repeated(np.stack(parts)):
                return parts[0], times
    return None


def _is_repeated(values: np.ndarray) -> bool:
    """Whether all are the first, to the bit: zeros have signs."""
    bits = np.ascontiguousarray(values, np.float32).view(np.int32)
    return bool((bits == bits[:1]).all())


def _parts(op: Any) -> dict[int, tuple[np.ndarray, int]]:
    """By the number of the input."""
    axis, free = _axis(op), _MOST - (len(op.inputs) - 1)
    found: dict[int, tuple[np.ndarray, int]] = {}
    if axis is None or op.outputs[0].dtype != tf.float32:
        return found
    for place, tensor in enumerate(op.inputs[:-1]):
        part = _part(tensor, axis, free + 1) if free > 0 else None
        if part is not None:
            found[place] = part
            free -= part[1] - 1
    return found


def _make(op: Any, now: Now) -> Tensor:
    parts, axis = _parts(op), _axis(op)
    assert axis is not None
    joined: list[Tensor] = []
    for place, tensor in enumerate(op.inputs[:-1]):
        if place in parts:
            part, times = parts[place]
            joined += [tf.constant(part)] * times
        else:
            joined.append(now(tensor))
    return tf.concat(joined, axis)


FORM = Form(("ConcatV2",), lambda op: bool(_parts(op)), _make)
