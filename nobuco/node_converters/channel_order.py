"""nobuco's own traceable functions: sizes as tensors, and channel order by force."""

from __future__ import annotations

import tensorflow as tf
import torch

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.registry import builtin
from nobuco.contract.traceable import force_pytorch_order, force_tensorflow_order, shape
from nobuco.node_converters._sizes import sizes_of


@builtin(shape)
def converter_shape(x: torch.Tensor):
    return lambda x: tuple(tf.constant(s, tf.int32) if isinstance(s, int) else s for s in sizes_of(x))


@builtin(force_tensorflow_order, strategy=ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER)
def converter_force_tensorflow_order(inputs: torch.Tensor):
    return lambda inputs: tf.identity(inputs)


@builtin(force_pytorch_order, strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER)
def converter_force_pytorch_order(inputs: torch.Tensor):
    return lambda inputs: tf.identity(inputs)
