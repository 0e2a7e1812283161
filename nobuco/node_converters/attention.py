"""Scaled dot-product attention. `F.multi_head_attention_forward` is looked into, and ends in this and in products."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.converter import Impossible
from nobuco.contract.registry import builtin


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
    float mask is added. `is_causal` lets each place see itself and what lies before."""
    boolean = attn_mask is not None and attn_mask.dtype is torch.bool
    factor = scale if scale is not None else 1 / math.sqrt(query.shape[-1])
    length, seen = query.shape[-2], key.shape[-2]
    repeats = query.shape[-3] // key.shape[-3] if enable_gqa else 1

    def func(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
        key, value = (_repeated(each, repeats) for each in (key, value))
        scores = tf.matmul(query * tf.constant(factor, query.dtype), key, transpose_b=True)
        if is_causal:
            # a large number, not infinity: it is added, and every row sees at least one place
            scores += tf.constant(-1e9, scores.dtype) * (
                1 - tf.linalg.band_part(tf.ones([length, seen], scores.dtype), -1, 0)
            )
        if attn_mask is None:
            return tf.matmul(tf.nn.softmax(scores), value)
        if not boolean:
            return tf.matmul(tf.nn.softmax(scores + tf.cast(attn_mask, scores.dtype)), value)
        paid = tf.cast(attn_mask, scores.dtype)
        weights = tf.nn.softmax(scores + (1 - paid) * tf.constant(-1e9, scores.dtype))
        return tf.matmul(weights * tf.reduce_max(paid, -1, keepdims=True), value)

    return func


def _repeated(x, times: int):
    """Each head as often as the queries have heads for it."""
    if times == 1:
        return x
    shape = x.shape.as_list()
    tiled = tf.tile(tf.expand_dims(x, -3), [1] * (len(shape) - 2) + [times, 1, 1])
    return tf.reshape(tiled, [*shape[:-3], shape[-3] * times, *shape[-2:]])
