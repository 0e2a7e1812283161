"""Tensors put together along a new axis, and taken apart along one: ops that delegates refuse.

before  PACK (1, 24), (1, 24) -> (2, 1, 24)
after   2 RESHAPE -> (1, 1, 24), CONCATENATION

before  UNPACK (2, 1, 24) -> (1, 24), (1, 24)
after   2 SLICE -> (1, 1, 24), 2 RESHAPE"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.concatenations import joined
from nobuco.tflite.forms.form import Form, Now, Tensor
from nobuco.tflite.forms.slices import Part, taken


def _is_known(op: Any) -> bool:
    """Whether reshapes can be written, which know all sizes but one."""
    tensors = [*op.inputs, *op.outputs]
    return all(
        tensor.dtype.is_floating and tensor.shape.rank is not None and tensor.shape.as_list().count(None) < 2
        for tensor in tensors
    )


def _packed(op: Any, now: Now) -> Tensor:
    axis = op.get_attr("axis") % op.outputs[0].shape.rank
    shape = [-1 if size is None else size for size in op.outputs[0].shape.as_list()]
    shape[axis] = 1
    return joined([tf.reshape(now(tensor), shape) for tensor in op.inputs], axis)


def _unpacked(op: Any, now: Now) -> list[Tensor]:
    x = now(op.inputs[0])
    shape = op.inputs[0].shape.as_list()
    axis = op.get_attr("axis") % len(shape)
    whole = [Part(size, 0, 1, size) for size in shape]
    return [
        taken(
            x,
            [*whole[:axis], Part(len(op.outputs), place, 1, 1), *whole[axis + 1 :]],
            output.shape.as_list(),
        )
        for place, output in enumerate(op.outputs)
    ]


FORMS = (Form(("Pack",), _is_known, _packed), Form(("Unpack",), _is_known, _unpacked))
