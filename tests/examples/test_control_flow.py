"""Python's own control flow leaves no trace in the ops: what hangs on it must not be taken for a constant."""

import keras
import tensorflow as tf
import torch
from torch import nn

import nobuco
from nobuco import ChannelOrderingStrategy


class Turns(nn.Module):
    """How often x must be halved; no op links the count to x."""

    def forward(self, x):
        turns = torch.zeros(1)
        while x.abs().max() > 0.1:
            x = x / 2
            turns = turns + 1
        return turns


class TurnsKeras(keras.layers.Layer):
    @tf.function
    def call(self, x):
        turns = tf.zeros((1,))
        while tf.reduce_max(tf.abs(x)) > 0.1:
            x = x / 2
            turns = turns + 1
        return turns


class Around(nn.Module):
    def __init__(self):
        super().__init__()
        self.turns = Turns()

    def forward(self, x):
        return self.turns(x) * 2 + x


def test_a_count_of_turns_is_no_constant():
    nobuco.converter(Turns, channel_ordering_strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER)(
        lambda self, x: TurnsKeras()
    )
    x = torch.tensor([0.3, 0.9])
    model = nobuco.pytorch_to_keras(Around(), [x], verbose=False)
    for scale in (0.01, 1.0, 50.0):
        assert torch.allclose(torch.tensor(model(scale * x.numpy()).numpy()), Around()(scale * x))


def test_without_a_converter_the_count_is_lifted():
    class Bare(Turns):
        def forward(self, x):
            return super().forward(x)

    model = nobuco.pytorch_to_keras(Bare(), [torch.tensor([0.3, 0.9])], verbose=False)
    for scale in (0.01, 1.0, 50.0):
        x = scale * torch.tensor([0.3, 0.9])
        assert torch.allclose(torch.tensor(model(x.numpy()).numpy()), Bare()(x))


def test_a_function_that_yields_a_constant_either_way_is_none():
    @nobuco.traceable
    def sign(x):
        return torch.ones(2) if x.sum() > 0 else torch.zeros(2)

    model = nobuco.pytorch_to_keras(lambda x: sign(x) + x, [torch.ones(2)], verbose=False)
    for x in (torch.ones(2), -torch.ones(2)):
        assert torch.equal(torch.tensor(model(x.numpy()).numpy()), sign(x) + x)
