"""Functions of one's own as nodes of the graph: `nobuco.shape` and `force_tensorflow_order` written anew."""

# ruff: noqa: RUF059 - the modules are as people write them

import tensorflow as tf
import torch
from torch import Tensor, nn

import nobuco
from examples.checking import channel_last, same, true
from nobuco import (
    ChannelOrder,
    ChannelOrderingStrategy,
    converter,
    get_channel_order,
    permute_keras2pytorch,
    traceable,
)


@traceable
def force_tensorflow_order(inputs):
    return inputs


@converter(force_tensorflow_order, channel_ordering_strategy=ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER)
def converter_force_tensorflow_order(inputs):
    return lambda inputs: inputs


@traceable
def shape(x: Tensor):
    return tuple(torch.tensor(d, dtype=torch.int32) for d in x.shape)


@converter(shape, channel_ordering_strategy=ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS)
def converter_shape(x: Tensor):
    def func(x):
        shape = tf.unstack(tf.shape(x))
        if get_channel_order(x) == ChannelOrder.TENSORFLOW:
            shape = permute_keras2pytorch(shape)
        return tuple(shape)

    return func


class MyModule(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, kernel_size=3, stride=2)

    def forward(self, x):
        x = force_tensorflow_order(self.conv(x))
        b, c, h, w = shape(x)
        return x[:, : c // 2, h // 2 :] * w


torch.manual_seed(0)
module = MyModule().eval()
x = torch.rand(1, 3, 32, 48)
keras_model = nobuco.pytorch_to_keras(
    module,
    args=[x],
    input_shapes={x: (None, 3, None, None)},
    inputs_channel_order=ChannelOrder.TENSORFLOW,
    outputs_channel_order=ChannelOrder.TENSORFLOW,
)
names = [each.call.name for each in keras_model.report.calls.values()]
true("the functions are nodes", {f"{__name__}.shape", f"{__name__}.force_tensorflow_order"} <= set(names))
for image in (x, torch.rand(2, 3, 51, 40)):
    same("x".join(str(s) for s in image.shape), keras_model(channel_last(image)), channel_last(module(image)))
