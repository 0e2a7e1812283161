"""Common divisors and multiples of integers, by Euclid's algorithm."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import torch
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.dtypes import tf_dtype
from nobuco.contract.registry import builtin, spellings
from nobuco.node_converters._integers import absolute, floor_divided
from nobuco.node_converters._sizes import broadcast
from nobuco.node_converters._types import cast

_PYTORCH = ChannelOrderingStrategy.FORCE_PYTORCH_ORDER


@builtin(*spellings("gcd"), strategy=_PYTORCH)
def gcd(input: Tensor, other: Tensor):
    dtype = tf_dtype(torch.result_type(input, other))

    def func(input, other):
        return tf.cast(_divisor(*_sizes_without_sign(input, other, dtype)), dtype)

    return func


@builtin(*spellings("lcm"), strategy=_PYTORCH)
def lcm(input: Tensor, other: Tensor):
    dtype = tf_dtype(torch.result_type(input, other))

    def func(input, other):
        a, b = _sizes_without_sign(input, other, dtype)
        divisor = _divisor(a, b)
        share = floor_divided(a, tf.where(divisor == 0, tf.ones_like(divisor), divisor))
        wrapped = tf.cast(share * b, dtype)
        return tf.cast(absolute(tf.cast(wrapped, a.dtype)), dtype)

    return func


def _sizes_without_sign(a: Any, b: Any, dtype: Any) -> tuple[Any, Any]:
    """In 32 bits at least: TFLite has no remainders of fewer."""
    wide = dtype if dtype == tf.int64 else tf.int32
    one, two = broadcast(cast(cast(a, dtype), wide), cast(cast(b, dtype), wide))
    return absolute(one), absolute(two)


def _divisor(a: Any, b: Any) -> Any:
    """The pair is followed until the smaller one is zero everywhere."""

    def step(a: Any, b: Any) -> tuple[Any, Any]:
        done = b == 0
        rest = tf.math.floormod(a, tf.where(done, tf.ones_like(b), b))
        return tf.where(done, a, b), tf.where(done, b, rest)

    return tf.while_loop(lambda a, b: tf.reduce_any(b != 0), step, [a, b])[0]
