"""Hurwitz's zeta function and what is made of it: TensorFlow's own is wrong for negative numbers."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.registry import builtin, spellings
from nobuco.node_converters._sizes import broadcast
from nobuco.node_converters._types import cast, floating, result_dtype

_START = 10  # from here on the asymptotic expansion is exact to float32
_MOST_TERMS = 400  # down to here the sum is taken; below it the result is not a number


def hurwitz_zeta(s: Any, q: Any) -> Any:
    """The sum of (q + n)^-s: the terms up to q + n >= 10 one by one, the others by DLMF 25.11.43."""
    s, q = broadcast(s, q)
    one = tf.ones([], q.dtype)
    terms = tf.clip_by_value(tf.math.ceil(_START - q), 0 * one, _MOST_TERMS * one)
    last = tf.reduce_max(terms)
    _, total = tf.while_loop(
        lambda n, total: n < last,
        lambda n, total: (n + 1, total + tf.where(n < terms, tf.pow(q + n, -s), tf.zeros_like(q))),
        (0 * one, tf.zeros_like(q)),
    )
    far = q + terms
    power = tf.pow(far, -s)
    total += power * far / (s - 1) + 0.5 * power
    factor, power = s, power / far
    for index, bernoulli in enumerate((1 / 12, -1 / 720, 1 / 30240, -1 / 1209600)):
        total += factor * power * bernoulli
        factor *= (s + 2 * index + 1) * (s + 2 * index + 2)
        power /= tf.square(far)
    whole = q == tf.floor(q)
    nothing = tf.zeros_like(total)
    undefined = (s < 1) | ((q <= 0) & ~whole & (s != tf.floor(s))) | (q < _START - _MOST_TERMS)
    total = tf.where(undefined, nothing + math.nan, total)
    return tf.where((s == 1) | ((s >= 1) & (q <= 0) & whole), nothing + math.inf, total)


@builtin(*spellings("zeta"), strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER)
def zeta(input: Any, other: Any):
    dtype = floating(result_dtype(input, other))
    return lambda input, other: hurwitz_zeta(cast(input, dtype), cast(other, dtype))


@builtin(*spellings("polygamma"), any_layout=True)
def polygamma(n, input):
    """`torch.polygamma(n, x)`, and `x.polygamma(n)`."""

    def func(n, input):
        order, x = (input, n) if tf.is_tensor(n) else (n, input)
        x = cast(x, floating(x.dtype))
        if order == 0:
            return tf.math.digamma(x)
        if order == 1:  # by reflection, as PyTorch has it (DLMF 5.15.6)
            sine = tf.sin(math.pi * (x - tf.floor(x)))
            near = hurwitz_zeta(tf.constant(2.0, x.dtype), tf.where(x < 0.5, 1 - x, x))
            return tf.where(x < 0.5, tf.square(math.pi / sine) - near, near)
        return (
            (-1.0) ** (order + 1) * math.factorial(order) * hurwitz_zeta(tf.constant(order + 1.0, x.dtype), x)
        )

    return func
