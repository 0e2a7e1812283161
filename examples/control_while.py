"""A loop that ends when the data says so: `while` with a condition on a tensor."""

import tempfile
from pathlib import Path

import keras
import tensorflow as tf
import torch
from torch import nn

import nobuco
from examples.checking import run_tflite, same, true
from nobuco import ChannelOrder, ChannelOrderingStrategy


class Settle(nn.Module):
    """Applies a layer until its output is small; returns the output and the number of turns."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8, bias=False)
        nn.init.orthogonal_(self.layer.weight)

    def forward(self, x):
        turns = torch.zeros((1,))
        while x.abs().max() > 0.1:
            x = self.layer(x) * 0.7
            turns = turns + 1
        return x, turns


class SettleKeras(keras.layers.Layer):
    def __init__(self, layer, **kwargs):
        super().__init__(**kwargs)
        self.layer = layer

    def get_config(self):
        return {**super().get_config(), "layer": self.layer}

    @tf.function
    def call(self, x):
        turns = tf.zeros((1,))
        while tf.reduce_max(tf.abs(x)) > 0.1:
            x = self.layer(x) * 0.7
            turns = turns + 1
        return x, turns


@nobuco.converter(Settle, channel_ordering_strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER)
def converter_settle(self, x):
    return SettleKeras(nobuco.pytorch_to_keras(self.layer, [x], inputs_channel_order=ChannelOrder.PYTORCH))


torch.manual_seed(0)
module = Settle().eval()
x = torch.normal(0, 1, size=(2, 8))
keras_model = nobuco.pytorch_to_keras(module, args=[x])

with tempfile.TemporaryDirectory() as folder:
    file = nobuco.export_tflite(keras_model, Path(folder) / "while.tflite")
    true("the .tflite loops", "WHILE" in file.info.ops)
    for scale in (0.01, 1.0, 30.0):
        given = scale * torch.normal(0, 1, size=(2, 8))
        settled, turns = (each.detach() for each in module(given))
        for how, (ours, our_turns) in (
            ("Keras", keras_model(given.numpy())),
            (".tflite", run_tflite(file.path, [given.numpy()])),
        ):
            same(f"scale {scale}, {how}, after {int(turns)} turns", ours, settled)
            same(f"scale {scale}, {how}, turns", our_turns, turns)
