"""Pictures enlarged by whole factors, each place repeated: XNNPACK has no op for it, and the file parts there.

    before  RESIZE_NEAREST_NEIGHBOR (1, 64, 64, 32) -> (1, 128, 128, 32): 975 thousand instructions on a Cortex-A76
    after   CONCATENATION (1, 64, 64, 64) of two, RESHAPE (1, 64, 1, 4096), CONCATENATION (1, 64, 1, 8192) of two,
            RESHAPE: 842

    before  RESIZE_NEAREST_NEIGHBOR (1, 20, 20, 128) -> (1, 40, 40, 128): 181
    after   CONCATENATION (1, 20, 20, 512) of four, DEPTH_TO_SPACE 2: 264

By itself the op is cheaper where channels are many, and a whole YOLO costs the same either way; but nothing is left that
runs on one thread between two parts of the file."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, sizes

_MOST = 5  # tensors that XNNPACK joins in one op
_MANY = 96  # channels from which on DEPTH_TO_SPACE is cheaper than to join rows


def factors_of(op: Any) -> tuple[int, int] | None:
    """How often each row and each column is repeated, where all that an op does is that."""
    given, made = sizes(op.inputs[0]), sizes(op.outputs[0])
    if (
        given is None
        or made is None
        or 0 in given
        or op.get_attr("align_corners")
        or op.inputs[0].dtype != tf.float32
    ):
        return None
    offset = 0.5 if op.get_attr("half_pixel_centers") else 0.0
    (down, rest), (across, other) = divmod(made[1], given[1]), divmod(made[2], given[2])
    if rest or other or not 1 < max(down, across) <= _MOST:
        return None
    repeats = all(_is_repeated(given[axis], made[axis], offset) for axis in (1, 2))
    return (down, across) if repeats else None


def _is_repeated(given: int, made: int, offset: float) -> bool:
    """Whether a kernel, which reckons in float32, finds the places of whole factors."""
    scale = np.float32(given) / np.float32(made)
    places = np.floor((np.arange(made, dtype=np.float32) + np.float32(offset)) * scale)
    return bool((np.minimum(places, given - 1) == np.arange(made) // (made // given)).all())


def _make(op: Any, now: Now) -> Tensor:
    found = factors_of(op)
    assert found is not None
    return repeated(now(op.inputs[0]), *found)


def repeated(x: Tensor, down: int, across: int) -> Tensor:
    """A picture with each row and each column repeated so often."""
    batch, height, width, channels = x.shape.as_list()
    if batch == 1 and down == across == 2 and channels >= _MANY:  # GPU delegates err in several pictures
        return tf.nn.depth_to_space(tf.concat([x] * 4, 3), 2)
    rows = tf.reshape(tf.concat([x] * across, 3), [batch, height, 1, across * width * channels])
    return tf.reshape(tf.concat([rows] * down, 3), [batch, down * height, across * width, channels])


FORM = Form(("ResizeNearestNeighbor",), lambda op: factors_of(op) is not None, _make)
