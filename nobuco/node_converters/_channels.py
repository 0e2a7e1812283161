"""Inputs without a batch dim: (C, *space) is a tensor of its rank, and stands as one of that rank in channel-last order."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from nobuco.contract.channel_order import channel_last, transposition


def batch_of_one(x: Any, dims: int) -> Any:
    """(C, *space) as it stands in TensorFlow's order -> (1, *space, C)."""
    return tf.expand_dims(tf.transpose(x, transposition(channel_last(dims + 1), (*range(1, dims + 1), 0))), 0)


def without_batch(x: Any, dims: int) -> Any:
    """(1, *space, C) -> (C, *space) as it stands in TensorFlow's order."""
    return tf.transpose(x[0], transposition((*range(1, dims + 1), 0), channel_last(dims + 1)))
