"""Scaled dot-product attention. `F.multi_head_attention_forward` is looked into, and ends in this and in products."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.context import is_constant
from nobuco.contract.converter import Impossible
from nobuco.contract.registry import builtin
from nobuco.node_converters._sizes import shape_of

_LOWEST = -1e30  # beside which scores vanish, and which no score takes to infinity


def _no_dropout(call: Any) -> str | None:
    if call.dropout_p > 0:
        return Impossible(
            "attention with dropout is active: the model is in training mode. Call model.eval() first"
        )
    return None


@builtin(
    F.scaled_dot_product_attention,
    strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER,
    accepts=_no_dropout,
)
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
):
    """``(..., Hq, L, E), (..., H, S, E), (..., H, S, Ev) -> (..., Hq, L, Ev)``.

    A boolean mask is true where attention is paid; a row in which it is nowhere true yields zeros, as in PyTorch. A
    float mask is added; a row of it that is minus infinity everywhere yields zeros as well. `is_causal` lets each place see
    itself and what lies before."""
    boolean = attn_mask is not None and attn_mask.dtype is torch.bool
    pays = is_constant(attn_mask) and attn_mask is not None and bool(attn_mask.isfinite().any(-1).all())

    def func(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
        if enable_gqa:
            heads = shape_of(query)[-3]
            key, value = (_repeated(each, heads) for each in (key, value))
        scores = tf.matmul(query * _factor(query, scale), key, transpose_b=True)
        if is_causal:
            # a large number, not infinity: it is added, and every row sees at least one place
            scores += tf.constant(-1e9, scores.dtype) * (1 - _lower_triangle(scores))
        if attn_mask is None:
            return tf.matmul(tf.nn.softmax(scores), value)
        if not boolean:
            mask = tf.cast(attn_mask, scores.dtype)
            if pays:
                return tf.matmul(tf.nn.softmax(scores + mask), value)
            weights = tf.nn.softmax(scores + tf.maximum(mask, tf.constant(_LOWEST, scores.dtype)))
            paid = tf.reduce_max(mask, -1, keepdims=True) >= scores.dtype.min
            return tf.matmul(weights * tf.cast(paid, scores.dtype), value)
        paid = tf.cast(attn_mask, scores.dtype)
        weights = tf.nn.softmax(scores + (1 - paid) * tf.constant(-1e9, scores.dtype))
        return tf.matmul(weights * tf.reduce_max(paid, -1, keepdims=True), value)

    return func


def _factor(query, scale: float | None):
    width = shape_of(query)[-1]
    if scale is None and tf.is_tensor(width):
        return tf.math.rsqrt(tf.cast(width, query.dtype))
    return tf.constant(1 / math.sqrt(width) if scale is None else scale, query.dtype)


def _lower_triangle(scores):
    """Ones up to the diagonal. A constant where the sizes are known; TFLite has no op for it where they are not."""
    length, seen = shape_of(scores)[-2:]
    if tf.is_tensor(length) or tf.is_tensor(seen):
        return tf.cast(tf.range(seen)[None, :] <= tf.range(length)[:, None], scores.dtype)
    return tf.linalg.band_part(tf.ones([length, seen], scores.dtype), -1, 0)


def _repeated(x, heads: Any):
    """Each head as often as the queries have heads for it."""
    shape = shape_of(x)
    times = heads // shape[-3]
    if isinstance(times, int) and times == 1:
        return x
    tiled = tf.tile(tf.expand_dims(x, -3), [1] * (len(shape) - 2) + [times, 1, 1])
    return tf.reshape(tiled, [*shape[:-3], heads, *shape[-2:]])
