"""Places to gather from, as one row of them: GPU delegates take no others.

    before  GATHER (1, 9, 8), places (3, 5) -> (1, 3, 5, 8)
    after   GATHER, places (15,) -> (1, 15, 8), RESHAPE

    before  GATHER_ND (4, 6, 8), places (3, 2) -> (3, 8)
    after   RESHAPE (1, 24, 8), GATHER, places (3,) -> (1, 3, 8), RESHAPE

Places that are computed stay in the dims that they are for: counted through, one that is not there would be another."""

from __future__ import annotations

from math import prod
from typing import Any

import tensorflow as tf

from nobuco.tflite.forms.form import Now, Tensor, is_constant, static
from nobuco.tflite.forms.joining import product, reshaped, reshaping


def _has_many_dims(op: Any) -> bool:
    x, places, axis = op.inputs
    batches = x.shape.as_list()[: op.get_attr("batch_dims")]
    return set(batches) <= {1} and places.shape.rank != 1 and static(axis) is not None


def _gathered(op: Any, now: Now) -> Tensor:
    x, places, axis = op.inputs
    batches, sizes = op.get_attr("batch_dims"), x.shape.as_list()
    axis = int(static(axis)) % len(sizes) - batches
    return tf.gather(reshaped(now(x), sizes[batches:]), tf.reshape(now(places), [-1]), axis=axis)


def _is_of_rows(op: Any) -> bool:
    x, places = op.inputs
    depth, found = places.shape[-1], static(places)
    sizes = x.shape.as_list()[:depth]
    if depth == 1 or None in sizes:
        return depth == 1
    return is_constant(places) if found is None else bool(((found >= 0) & (found < sizes)).all())


def _rows_gathered(op: Any, now: Now) -> Tensor:
    x, places = op.inputs
    depth, sizes = places.shape[-1], x.shape.as_list()
    rows = tf.cast(tf.reshape(now(places), [-1, depth]), tf.int32)
    steps = [prod(sizes[axis + 1 : depth]) for axis in range(depth)]
    rows = tf.reshape(rows, [-1]) if depth == 1 else tf.reduce_sum(rows * steps, -1)
    return tf.gather(reshaped(now(x), [1, product(sizes[:depth]), product(sizes[depth:])]), rows, axis=1)


GPU_FORMS = (
    reshaping(("GatherV2",), _has_many_dims, _gathered),
    reshaping(("GatherNd",), _is_of_rows, _rows_gathered),
)
