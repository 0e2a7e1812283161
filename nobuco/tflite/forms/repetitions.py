"""A few repetitions as joints, which XNNPACK takes, where it knows nothing of TILE.

    before  TILE (1, 32, 2, 1, 16) -> (1, 32, 2, 3, 16)
    after   CONCATENATION of three times the same

So are the heads of keys and values repeated for groups of queries."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.concatenations import joined
from nobuco.tflite.forms.form import Form, Now, Tensor, is_constant, sizes, static

_MOST = 25  # repetitions that two rows of joints take


def _repeated(op: Any) -> tuple[int, int] | None:
    """The axis and how often."""
    multiples = static(op.inputs[1])
    if multiples is None:
        return None
    found = [(axis, int(count)) for axis, count in enumerate(multiples) if count != 1]
    return found[0] if len(found) == 1 else None


def _fits(op: Any) -> bool:
    tensor, repeated = op.inputs[0], _repeated(op)
    if repeated is None or tensor.dtype != tf.float32 or sizes(tensor) is None or is_constant(tensor):
        return False
    return 1 < repeated[1] <= _MOST


def _make(op: Any, now: Now) -> Tensor:
    repeated = _repeated(op)
    assert repeated is not None
    axis, count = repeated
    return joined([now(op.inputs[0])] * count, axis)


FORM = Form(("Tile",), _fits, _make)
