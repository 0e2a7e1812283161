"""Losses, for models that compute one in their forward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import torch.nn.functional as F
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.registry import builtin
from nobuco.node_converters._sizes import shape_of
from nobuco.node_converters._types import cast

_PYTORCH = ChannelOrderingStrategy.FORCE_PYTORCH_ORDER


def _reduction_of(kwargs: dict[str, Any], default: str = "mean") -> str:
    average, reduce = kwargs.get("size_average"), kwargs.get("reduce")
    if average is not None or reduce is not None:  # PyTorch's older way to say it
        return "none" if reduce is False else "sum" if average is False else "mean"
    return kwargs.get("reduction", default)


def _reduced(x: Any, reduction: str) -> Any:
    return {"none": tf.identity, "sum": tf.reduce_sum, "mean": tf.reduce_mean}[reduction](x)


# name -> element by element, of input and target and the loss's own options
_OF_TWO: dict[str, Callable[..., Any]] = {
    "mse_loss": lambda x, y: tf.square(x - y),
    "l1_loss": lambda x, y: tf.abs(x - y),
    "smooth_l1_loss": lambda x, y, beta=1.0: _smooth(tf.abs(x - y), beta),
    "huber_loss": lambda x, y, delta=1.0: _huber(tf.abs(x - y), delta),
    "soft_margin_loss": lambda x, y: tf.nn.softplus(-y * x),
    "kl_div": lambda x, y, log_target=False: (
        tf.exp(y) * (y - x) if log_target else tf.math.xlogy(y, y) - y * x
    ),
    "poisson_nll_loss": lambda x, y, log_input=True, full=False, eps=1e-8: _poisson(
        x, y, log_input, full, eps
    ),
}


def _smooth(distance: Any, beta: float) -> Any:
    return (
        distance
        if beta == 0
        else tf.where(distance < beta, 0.5 * distance * distance / beta, distance - 0.5 * beta)
    )


def _huber(distance: Any, delta: float) -> Any:
    return tf.where(distance <= delta, 0.5 * distance * distance, delta * (distance - 0.5 * delta))


def _poisson(x: Any, y: Any, log_input: bool, full: bool, eps: float) -> Any:
    loss = tf.exp(x) - y * x if log_input else x - y * tf.math.log(x + eps)
    if not full:
        return loss
    stirling = y * tf.math.log(y) - y + 0.5 * tf.math.log(6.283185307179586 * y)
    return loss + tf.where(y > 1, stirling, tf.zeros_like(y))


def _register(name: str, function: Callable[..., Any]) -> None:
    def loss(input: Tensor, target: Tensor, *args: Any, **kwargs: Any):
        reduction = _reduction_of(kwargs)
        options = {
            k: v for k, v in kwargs.items() if k not in ("size_average", "reduce", "reduction", "weight")
        }

        def func(input, target, **kwargs):
            each = function(input, cast(target, input.dtype), **options)
            if reduction == "batchmean":
                return tf.reduce_sum(each) / tf.cast(tf.shape(input)[0], each.dtype)
            return _reduced(each, reduction)

        return func

    def accepts(call: Any) -> str | None:
        if not call.args and call.kwargs.get("weight") is None:
            return None
        return f"{name} with these arguments is not converted: give them by name, and no weight"

    builtin(getattr(F, name), strategy=_PYTORCH, accepts=accepts)(loss)


for _name, _function in _OF_TWO.items():
    _register(_name, _function)


@builtin(F.binary_cross_entropy, strategy=_PYTORCH)
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *args: Any, **kwargs: Any
):
    reduction = _reduction_of(kwargs)

    def func(input, target, weight=None, *args, **kwargs):
        positive = tf.maximum(tf.math.log(input), -100.0)  # as PyTorch does, so that no infinity arises
        negative = tf.maximum(tf.math.log(1 - input), -100.0)
        loss = -(target * positive + (1 - target) * negative)
        return _reduced(loss if weight is None else loss * weight, reduction)

    return func


@builtin(F.binary_cross_entropy_with_logits, strategy=_PYTORCH)
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *args: Any,
    pos_weight: Tensor | None = None,
    **kwargs: Any,
):
    reduction = _reduction_of(kwargs)

    def func(input, target, weight=None, *args, pos_weight=None, **kwargs):
        factor = 1 if pos_weight is None else 1 + (pos_weight - 1) * target
        loss = (1 - target) * input + factor * (tf.nn.softplus(-tf.abs(input)) + tf.nn.relu(-input))
        return _reduced(loss if weight is None else loss * weight, reduction)

    return func


@builtin(F.nll_loss, strategy=_PYTORCH)
def nll_loss(input: Tensor, target: Tensor, weight: Tensor | None = None, *args: Any, **kwargs: Any):
    """Of log-probabilities ``(N, C, *)`` and class numbers ``(N, *)``."""
    reduction, ignored = _reduction_of(kwargs), kwargs.get("ignore_index", -100)
    return lambda input, target, weight=None, *args, **kwargs: _nll(input, target, weight, ignored, reduction)


def _nll(logs: Any, target: Any, weight: Any, ignored: int, reduction: str) -> Any:
    axis = 0 if logs.shape.rank == 1 else 1
    counts = tf.cast(target != ignored, logs.dtype)
    chosen = tf.one_hot(
        tf.where(target == ignored, tf.zeros_like(target), target),
        shape_of(logs)[axis],
        axis=axis,
        dtype=logs.dtype,
    )
    if weight is not None:
        shape = [-1 if i == axis else 1 for i in range(logs.shape.rank)]
        counts = counts * tf.reduce_sum(chosen * tf.reshape(weight, shape), axis)
    loss = -tf.reduce_sum(tf.where(chosen > 0, logs, tf.zeros_like(logs)), axis) * counts
    return tf.reduce_sum(loss) / tf.reduce_sum(counts) if reduction == "mean" else _reduced(loss, reduction)


@builtin(F.cross_entropy, strategy=_PYTORCH)
def cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, *args: Any, **kwargs: Any):
    """Of logits ``(N, C, *)`` and class numbers ``(N, *)``, or probabilities ``(N, C, *)``."""
    reduction, ignored = _reduction_of(kwargs), kwargs.get("ignore_index", -100)
    smoothing = kwargs.get("label_smoothing", 0.0)
    soft = target.is_floating_point()
    axis = 0 if input.dim() == 1 else 1

    def func(input, target, weight=None, *args, **kwargs):
        classes = shape_of(input)[axis]
        count = tf.cast(classes, input.dtype) if tf.is_tensor(classes) else classes
        last = input.shape.rank - 1
        perm = [*(i for i in range(last + 1) if i != axis), axis]
        logs = tf.transpose(
            tf.nn.log_softmax(tf.transpose(input, perm)), [perm.index(i) for i in range(last + 1)]
        )
        shape = [-1 if i == axis else 1 for i in range(last + 1)]
        weights = None if weight is None else tf.reshape(weight, shape)
        if soft:
            probabilities = target * (1 - smoothing) + smoothing / count
            loss = -tf.reduce_sum(
                probabilities * logs if weights is None else probabilities * logs * weights, axis
            )
            if reduction == "mean":
                return tf.reduce_sum(loss) / tf.cast(tf.size(loss), loss.dtype)
            return _reduced(loss, reduction)
        plain = _nll(logs, target, weight, ignored, reduction)
        if not smoothing:
            return plain
        counts = tf.cast(target != ignored, logs.dtype)
        even = -tf.reduce_sum(logs if weights is None else logs * weights, axis) * counts / count
        if reduction == "mean":
            chosen = tf.one_hot(
                tf.where(target == ignored, tf.zeros_like(target), target),
                classes,
                axis=axis,
                dtype=logs.dtype,
            )
            total = counts if weights is None else counts * tf.reduce_sum(chosen * weights, axis)
            even = tf.reduce_sum(even) / tf.reduce_sum(total)
        else:
            even = _reduced(even, reduction)
        return plain * (1 - smoothing) + even * smoothing

    return func
