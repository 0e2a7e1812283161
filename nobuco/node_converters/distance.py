"""Distances and similarities of vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.registry import builtin
from nobuco.node_converters._sizes import broadcast, shape_of
from nobuco.node_converters._types import cast, floating, result_dtype

_PYTORCH = ChannelOrderingStrategy.FORCE_PYTORCH_ORDER


def _norm(x: Any, p: float, axis: int | list[int] | None, keepdims: bool = False) -> Any:
    x = tf.abs(x)
    if p == 2:
        return tf.sqrt(tf.reduce_sum(tf.square(x), axis, keepdims))
    if p == 1:
        return tf.reduce_sum(x, axis, keepdims)
    if p == math.inf:
        return tf.reduce_max(x, axis, keepdims)
    if p == -math.inf:
        return tf.reduce_min(x, axis, keepdims)
    if p == 0:
        return tf.reduce_sum(tf.cast(x != 0, x.dtype), axis, keepdims)
    return tf.pow(tf.reduce_sum(tf.pow(x, p), axis, keepdims), 1 / p)


@builtin(torch.cdist, torch.functional.cdist, strategy=_PYTORCH)
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary"):
    """``(..., P, M), (..., R, M) -> (..., P, R)``, without the matrix product that loses digits of short distances."""
    return lambda x1, x2, p=2.0, compute_mode="": _norm(
        x1[..., :, None, :] - x2[..., None, :, :], float(p), -1
    )


@builtin(torch.dist, torch.Tensor.dist, strategy=_PYTORCH)
def dist(input: Tensor, other: Tensor, p: float = 2):
    return lambda input, other, p=2: _norm(input - other, float(p), None)


@builtin(F.pdist, torch.pdist, strategy=_PYTORCH)
def pdist(input: Tensor, p: float = 2.0):
    """Of each pair of rows once."""

    def func(input, p=2.0):
        rows = shape_of(input)[0]
        if tf.is_tensor(rows):
            pairs = tf.where(tf.range(rows)[:, None] < tf.range(rows)[None, :])
            first, second = pairs[:, 0], pairs[:, 1]
        else:
            first, second = np.triu_indices(rows, 1)
        return _norm(tf.gather(input, first) - tf.gather(input, second), float(p), -1)

    return func


@builtin(F.pairwise_distance, torch.pairwise_distance, strategy=_PYTORCH)
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False):
    return lambda x1, x2, p=2.0, eps=1e-6, keepdim=False: _norm(x1 - x2 + eps, float(p), -1, keepdim)


@builtin(F.cosine_similarity, torch.cosine_similarity, strategy=_PYTORCH)
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8):
    dtype = floating(result_dtype(x1, x2))

    def func(x1, x2, dim=1, eps=1e-8):
        a, b = broadcast(x1, x2)
        a, b = (cast(x if x.shape.rank else tf.reshape(x, [1]), dtype) for x in (a, b))
        a, b = (x / tf.maximum(_norm(x, 2, dim, True), eps) for x in (a, b))
        return tf.reduce_sum(a * b, dim)

    return func


@builtin(torch.renorm, torch.Tensor.renorm, torch.Tensor.renorm_, strategy=_PYTORCH)
def renorm(input: Tensor, p: float, dim: int, maxnorm: float):
    """Slices along `dim` whose norm is larger are scaled down to it."""

    def func(input, p, dim, maxnorm):
        axes = [i for i in range(input.shape.rank) if i != dim % input.shape.rank]
        norm = _norm(input, float(p), axes, True)
        return input * tf.where(norm > maxnorm, maxnorm / (norm + 1e-7), tf.ones_like(norm))

    return func
