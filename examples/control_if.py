"""A branch that depends on the data: the module around it has a converter, which converts the inner modules."""

# ruff: noqa: RET504 - the modules are as people write them

import tempfile
from pathlib import Path

import keras
import tensorflow as tf
import torch
from torch import nn

import nobuco
from examples.checking import channel_last, run_tflite, same, true
from nobuco import ChannelOrder, ChannelOrderingStrategy


class ControlIf(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv_pre = nn.Conv2d(3, 16, kernel_size=(1, 1))
        self.conv_true = nn.Conv2d(16, 32, kernel_size=(1, 1))
        self.conv_false = nn.Conv2d(16, 32, kernel_size=(1, 1))
        self.conv_shared = nn.Conv2d(32, 32, kernel_size=(1, 1))

    def forward(self, x):
        x = self.conv_pre(x)
        if x.mean() > 0:
            x = self.conv_true(x)
            x = torch.tanh(x)
            x = self.conv_shared(x)
            x = x + 1
        else:
            x = self.conv_false(x)
            x = torch.sigmoid(x)
            x = self.conv_shared(x)
            x = x - 1
        x = self.conv_shared(x)
        return x


class ControlIfKeras(keras.layers.Layer):
    def __init__(self, conv_pre, conv_true, conv_false, conv_shared, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.conv_pre = conv_pre
        self.conv_true = conv_true
        self.conv_false = conv_false
        self.conv_shared = conv_shared

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "conv_pre": self.conv_pre,
                "conv_true": self.conv_true,
                "conv_false": self.conv_false,
                "conv_shared": self.conv_shared,
            }
        )
        return config

    @tf.function
    def call(self, x):
        x = self.conv_pre(x)
        if tf.reduce_mean(x) > 0:
            x = self.conv_true(x)
            x = tf.tanh(x)
            x = self.conv_shared(x)
            x = x + 1
        else:
            x = self.conv_false(x)
            x = tf.sigmoid(x)
            x = self.conv_shared(x)
            x = x - 1
        x = self.conv_shared(x)
        return x


@nobuco.converter(ControlIf, channel_ordering_strategy=ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER)
def converter_ControlIf(self, x):
    order = ChannelOrder.TENSORFLOW
    kwargs = {"inputs_channel_order": order, "outputs_channel_order": order, "return_outputs_pt": True}

    conv_pre, out_pre = nobuco.pytorch_to_keras(self.conv_pre, [x], **kwargs)
    conv_true, out_true = nobuco.pytorch_to_keras(self.conv_true, [out_pre], **kwargs)
    conv_false, _ = nobuco.pytorch_to_keras(self.conv_false, [out_pre], **kwargs)
    conv_shared, _ = nobuco.pytorch_to_keras(self.conv_shared, [out_true], **kwargs)
    return ControlIfKeras(conv_pre, conv_true, conv_false, conv_shared)


torch.manual_seed(0)
module = ControlIf().eval()
x = torch.normal(0, 1, size=(1, 3, 16, 24))
keras_model = nobuco.pytorch_to_keras(
    module,
    args=[x],
    inputs_channel_order=ChannelOrder.TENSORFLOW,
    outputs_channel_order=ChannelOrder.TENSORFLOW,
)

taken = set()
with tempfile.TemporaryDirectory() as folder:
    file = nobuco.export_tflite(keras_model, Path(folder) / "control_if.tflite")
    true("the .tflite branches", "IF" in file.info.ops)
    for sign in (1, -1):
        image = sign * torch.normal(0.5, 1, size=(1, 3, 16, 24)) * 4
        branch = bool(module.conv_pre(image).mean() > 0)
        taken.add(branch)
        expected = channel_last(module(image))
        same(f"branch {branch}", keras_model(channel_last(image)), expected)
        same(f"branch {branch}, as .tflite", run_tflite(file.path, [channel_last(image)])[0], expected)
true("both branches were taken", taken == {True, False})
