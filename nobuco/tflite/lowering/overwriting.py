"""Writing to places, of which the last write to a place counts. TFLite's SCATTER_ND would add up all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from nobuco.tflite.lowering.narrow_integers import NARROW
from nobuco.tflite.lowering.values import Impossible, Pair, Rules, Tensor

REAL, COMPLEX = Rules(), Rules()


@REAL.rule("TensorScatterUpdate")
def overwritten(op: Any, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    """A choice, and no arithmetic with what is overwritten: that may be infinite."""
    if x.dtype in (*NARROW, tf.bool):  # TFLite has few ops for them
        wide = overwritten(op, tf.cast(x, tf.int32), indices, tf.cast(updates, tf.int32))
        return tf.cast(wide, x.dtype)
    *lead, depth = [None] if op.inputs[1].shape.rank is None else op.inputs[1].shape.as_list()
    if depth is None:
        raise Impossible("writing to places needs to know how many dims an index tells")
    if 0 in lead:
        return tf.identity(x)
    sizes = tf.shape(x)
    if _has_no_repeats(op.inputs[1]):
        hit = (
            tf.scatter_nd(indices, tf.ones(tf.shape(indices)[:-1], tf.int32), _as(indices, sizes[:depth])) > 0
        )
        written = tf.scatter_nd(indices, updates, _as(indices, sizes))
        return tf.where(_over(hit, op.inputs[0].shape.rank), written, x)
    rows = tf.reshape(updates, tf.concat([[-1], sizes[depth:]], 0))
    turn, hit = _last_turns(tf.reshape(tf.cast(indices, tf.int32), [-1, depth]), sizes[:depth])
    if None in lead:  # there may be no row at all, and yet one is read
        rows = tf.concat([rows, tf.zeros(tf.concat([[1], sizes[depth:]], 0), rows.dtype)], 0)
    return tf.where(_over(hit, op.inputs[0].shape.rank), tf.reshape(tf.gather(rows, turn), sizes), x)


@COMPLEX.rule("TensorScatterUpdate")
def overwritten_parts(op: Any, x: Pair, indices: Tensor, updates: Pair) -> Pair:
    return Pair(*(overwritten(op, old, indices, new) for old, new in zip(x, updates, strict=True)))


def _has_no_repeats(indices: Any) -> bool:
    """For certain: there is one place only, or they are known now."""
    *lead, depth = indices.shape.as_list()
    if None not in lead and np.prod(lead) <= 1:
        return True
    known = tf.get_static_value(indices)
    if known is None:
        return False
    rows = np.reshape(known, [-1, depth])
    return len(np.unique(rows, axis=0)) == len(rows)


def _last_turns(places: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
    """Which row is the last one sent to each place, the first one where none is sent; and whether any is."""
    flat, count = places[:, 0], sizes[0]
    for axis in range(1, places.shape[1]):
        flat, count = flat * sizes[axis] + places[:, axis], count * sizes[axis]
    turn = tf.math.unsorted_segment_max(tf.range(tf.shape(flat)[0]), flat, count)
    turn = tf.reshape(turn, sizes)
    return tf.maximum(turn, 0), turn >= 0


def _as(indices: Tensor, sizes: Tensor) -> Tensor:
    return tf.cast(sizes, indices.dtype)


def _over(hit: Tensor, rank: int) -> Tensor:
    """With dims behind those of the places, for what lies at a place."""
    return (
        tf.reshape(hit, tf.concat([tf.shape(hit), [1] * (rank - hit.shape.rank)], 0))
        if hit.shape.rank < rank
        else hit
    )
