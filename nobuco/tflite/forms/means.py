"""Means over places that do not lie side by side, for which kernels walk through memory element by element.

    before  MEAN over axes 1 and 3 of (1, 98, 8, 4)
    after   MEAN over axis 1 -> (1, 1, 8, 4), MEAN over axis 3

A group's mean (GroupNorm) is that of its channels' means. The first of the two reads everything, in order; the second
little is left for."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, static


def _axes(op: Any) -> list[int] | None:
    axes, rank = static(op.inputs[1]), op.inputs[0].shape.rank
    if axes is None or rank is None:
        return None
    return sorted({int(axis) % rank for axis in axes.reshape(-1)})


def _outer(op: Any) -> tuple[list[int], list[int]]:
    """The axes, those that stand together at the end by themselves."""
    axes = [axis for axis in _axes(op) or [] if op.inputs[0].shape[axis] != 1]
    last = len(axes)
    while last > 1 and axes[last - 2] == axes[last - 1] - 1:
        last -= 1
    return axes[: last - 1], axes[last - 1 :]


def _fits(op: Any) -> bool:
    if not op.inputs[0].dtype.is_floating or _axes(op) is None:
        return False
    shape = op.inputs[0].shape
    outer, inner = _outer(op)
    if not outer or not inner:
        return False
    return any(shape[axis] != 1 for axis in range(outer[-1] + 1, inner[0]))


def _make(op: Any, now: Now) -> Tensor:
    outer, inner = _outer(op)
    reduced = tf.reduce_mean(tf.reduce_mean(now(op.inputs[0]), outer, keepdims=True), inner, keepdims=True)
    if op.get_attr("keep_dims"):
        return reduced
    return tf.squeeze(reduced, _axes(op))


FORM = Form(("Mean",), _fits, _make)
