"""Batch, layer, group and instance normalization."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.context import is_constant
from nobuco.contract.converter import Impossible
from nobuco.contract.registry import builtin
from nobuco.contract.results import LayerChain, with_weights
from nobuco.node_converters._sizes import shape_of


def _in_evaluation_mode(call: Any) -> str | None:
    if call.training and call.running_mean is not None:
        return Impossible(
            "the model is in training mode: its batch statistics would be fixed. Call model.eval() first"
        )
    return None


@builtin(
    F.batch_norm,
    strategy=ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER,
    accepts=_in_evaluation_mode,
)
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
):
    constant = all(is_constant(each) for each in (running_mean, running_var, weight, bias))
    if running_mean is None or running_var is None or not constant:
        return _batch_statistics(eps) if running_mean is None else _computed(eps)
    layer = keras.layers.BatchNormalization(
        epsilon=eps, momentum=1 - (momentum or 0.0), scale=weight is not None, center=bias is not None
    )
    weights = [each for each in (weight, bias, running_mean, running_var) if each is not None]
    channels = running_mean.shape[0]
    return LayerChain(with_weights(layer, (None,) * (input.dim() - 1) + (channels,), *weights))


@builtin(
    torch.batch_norm,
    strategy=ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER,
    accepts=_in_evaluation_mode,
)
def batch_norm_of_torch(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
):
    """Takes the weights before the statistics, other than `F.batch_norm`."""
    return _weights_first(batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps))


def _weights_first(result: Any) -> Any:
    """What a converter of PyTorch's Python function returned, for the C++ function with its other order of arguments."""
    if isinstance(result, LayerChain):
        return result
    return lambda input, weight, bias, mean, var, *args, **kwargs: result(input, mean, var, weight, bias)


def _computed(eps):
    def func(input, running_mean, running_var, weight=None, bias=None, *args, **kwargs):
        return tf.nn.batch_normalization(input, running_mean, running_var, bias, weight, eps)

    return func


def _batch_statistics(eps):
    """Without running statistics the batch's own are used, in evaluation too."""

    def func(input, running_mean, running_var, weight=None, bias=None, *args, **kwargs):
        mean, variance = tf.nn.moments(input, list(range(input.shape.rank - 1)))
        return tf.nn.batch_normalization(input, mean, variance, bias, weight, eps)

    return func


@builtin(F.layer_norm, torch.layer_norm, strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER)
def layer_norm(
    input: Tensor, normalized_shape, weight=None, bias=None, eps: float = 1e-5, cudnn_enable: bool = True
):
    """Over the last dims, as many as `normalized_shape` has; the variance is the biased one."""
    axes = list(range(-len(normalized_shape), 0))

    def func(input, normalized_shape, weight=None, bias=None, eps=eps, cudnn_enable=True):
        deviation = input - tf.reduce_mean(input, axes, keepdims=True)
        x = deviation * tf.math.rsqrt(tf.reduce_mean(tf.square(deviation), axes, keepdims=True) + eps)
        x = x if weight is None else x * weight
        return x if bias is None else x + bias

    return func


@builtin(F.group_norm, torch.group_norm, strategy=ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER)
def group_norm(
    input: Tensor, num_groups: int, weight=None, bias=None, eps: float = 1e-5, cudnn_enabled: bool = True
):
    """Each group of channels by its own mean and variance over the group and space.

    The tensor keeps its shape and is read five times: means of channels come first, and groups are made of those, few
    as they are. Apart, groups of few channels would be walked through one by one.
    """

    def func(input, num_groups, weight=None, bias=None, eps=eps, cudnn_enabled=True):
        def mean(x):
            return _of_groups(tf.reduce_mean(x, axes, keepdims=True) if axes else x, num_groups)

        axes = list(range(1, input.shape.rank if num_groups == 1 else input.shape.rank - 1))
        center = mean(input)
        variance = mean(tf.math.squared_difference(input, center))
        return tf.nn.batch_normalization(input, center, variance, bias, weight, eps)

    return func


def _of_groups(means, groups):
    """For each channel its group's mean, of (B, 1, ..., C). A convolution repeats it, which XNNPACK and GPUs take."""
    shape, channels = shape_of(means), means.shape[-1]
    if groups in (1, channels):
        return means
    size = shape[-1] // groups
    of_groups = tf.reduce_mean(tf.reshape(means, [shape[0], 1, groups, size]), -1, keepdims=True)
    if channels is None:
        return tf.reshape(tf.repeat(of_groups, size, -1), shape)
    return tf.reshape(tf.nn.conv2d(of_groups, tf.ones([1, 1, 1, size], means.dtype), 1, "VALID"), shape)


@builtin(F.instance_norm, strategy=ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER)
def instance_norm(
    input: Tensor,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
):
    """Each channel of each sample by its own mean and variance over space, or by the running ones."""

    def func(input, running_mean=None, running_var=None, weight=None, bias=None, *args, **kwargs):
        if use_input_stats:
            mean, variance = tf.nn.moments(input, list(range(1, input.shape.rank - 1)), keepdims=True)
        else:
            mean, variance = running_mean, running_var
        return tf.nn.batch_normalization(input, mean, variance, bias, weight, eps)

    return func


@builtin(torch.instance_norm, strategy=ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER)
def instance_norm_of_torch(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
):
    """Takes the weights before the statistics, other than `F.instance_norm`."""
    return _weights_first(
        instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)
    )


@builtin(F.rms_norm, torch.rms_norm, strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER)
def rms_norm(input: Tensor, normalized_shape, weight=None, eps: float | None = None):
    """Over the last dims, by the root of the mean of squares; the smallest step of the dtype where `eps` is not given."""
    axes = list(range(-len(normalized_shape), 0))
    least = torch.finfo(input.dtype).eps if eps is None else eps

    def func(input, normalized_shape, weight=None, eps=None):
        x = input * tf.math.rsqrt(tf.reduce_mean(tf.square(input), axes, keepdims=True) + least)
        return x if weight is None else x * weight

    return func


@builtin(F.local_response_norm, strategy=ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER)
def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
    """Each channel by the squares of `size` channels around it. TFLite's op has as many before as behind."""
    before, behind = size // 2, (size - 1) // 2

    def func(input, size, alpha=1e-4, beta=0.75, k=1.0):
        if input.shape.rank == 4 and size % 2:
            return tf.nn.local_response_normalization(input, before, k, alpha / size, beta)
        rank, channels = input.shape.rank, shape_of(input)[-1]
        squares = tf.pad(tf.square(input), [[0, 0]] * (rank - 1) + [[before, behind]])
        total = sum(squares[..., i : i + channels] for i in range(size))
        return input / tf.pow(k + total * (alpha / size), beta)

    return func
