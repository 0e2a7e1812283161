"""A loop whose number of turns is an input: `for` over a range becomes a WHILE in the .tflite."""

import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import torch
from torch import nn

import nobuco
from examples.checking import channel_last, run_tflite, same, true
from nobuco import ChannelOrder, ChannelOrderingStrategy


class Diffuse(nn.Module):
    """Smooths an image a given number of times, and adds up what was lost."""

    def __init__(self):
        super().__init__()
        self.smooth = nn.Conv2d(4, 4, kernel_size=3, padding=1, groups=2)

    def forward(self, x, steps):
        lost = torch.zeros_like(x)
        for _ in range(int(steps)):
            smoothed = self.smooth(x)
            lost = lost + torch.relu(x - smoothed)
            x = smoothed
        return lost


class DiffuseKeras(keras.layers.Layer):
    def __init__(self, smooth, **kwargs):
        super().__init__(**kwargs)
        self.smooth = smooth

    def get_config(self):
        return {**super().get_config(), "smooth": self.smooth}

    @tf.function
    def call(self, x, steps):
        lost = tf.zeros_like(x)
        for _ in tf.range(steps):
            smoothed = self.smooth(x)
            lost = lost + tf.nn.relu(x - smoothed)
            x = smoothed
        return lost


@nobuco.converter(Diffuse, channel_ordering_strategy=ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER)
def converter_diffuse(self, x, steps):
    order = ChannelOrder.TENSORFLOW
    smooth = nobuco.pytorch_to_keras(
        self.smooth, [x], inputs_channel_order=order, outputs_channel_order=order
    )
    return DiffuseKeras(smooth)


torch.manual_seed(0)
module = Diffuse().eval()
x = torch.normal(0, 1, size=(1, 4, 12, 20))
keras_model = nobuco.pytorch_to_keras(
    module,
    args=[x, torch.tensor(3, dtype=torch.int32)],
    inputs_channel_order=ChannelOrder.TENSORFLOW,
    outputs_channel_order=ChannelOrder.TENSORFLOW,
)

with tempfile.TemporaryDirectory() as folder:
    file = nobuco.export_tflite(
        keras_model, Path(folder) / "for.tflite", sample_inputs=[channel_last(x), np.int32(3)]
    )
    true("the .tflite loops", "WHILE" in file.info.ops)
    for steps in (0, 1, 3, 7):
        expected = channel_last(module(x, torch.tensor(steps)))
        given = [channel_last(x), np.array(steps, np.int32)]
        same(f"{steps} steps", keras_model(given), expected)
        same(f"{steps} steps, as .tflite", run_tflite(file.path, given)[0], expected)
