"""A converter may stand at any level: function, module, module around it; the outermost wins, the latest replaces."""

import keras
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import nobuco
from nobuco import ChannelOrderingStrategy

ANY = ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS


class Inner(nn.Module):
    def forward(self, x):
        return F.softsign(x)


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Inner()

    def forward(self, x):
        return self.inner(x) + 1


@pytest.fixture(autouse=True)
def registered():
    with nobuco.converters():
        yield


def softsign(*_, **__):
    return keras.ops.softsign


def converted() -> list[str]:
    """The calls that became nodes."""
    x = torch.linspace(-2, 2, 5)
    model = nobuco.pytorch_to_keras(Outer(), [x], verbose=False)
    assert model.report.ok
    assert torch.allclose(torch.tensor(model(x.numpy()).numpy()), Outer()(x))
    return [each.call.name for each in model.report.calls.values() if each.error is not None]


def test_for_a_function():
    nobuco.converter(F.softsign, channel_ordering_strategy=ANY)(softsign)
    assert converted() == ["F.softsign", "Tensor.add"]


def test_for_the_module_around_it():
    nobuco.converter(Inner, channel_ordering_strategy=ANY)(softsign)
    assert converted() == ["Inner", "Tensor.add"]


def test_for_a_module_further_out():
    nobuco.converter(Inner, channel_ordering_strategy=ANY)(softsign)
    nobuco.converter(Outer, channel_ordering_strategy=ANY)(
        lambda self, x: lambda x: keras.ops.softsign(x) + 1
    )
    assert converted() == ["Outer"]


def test_the_latest_replaces_what_was_there():
    nobuco.converter(Inner, channel_ordering_strategy=ANY)(lambda self, x: lambda x: x)
    nobuco.converter(Inner, channel_ordering_strategy=ANY)(softsign)
    assert converted() == ["Inner", "Tensor.add"]


def test_a_layer_does_as_well_as_a_function():
    nobuco.converter(Inner, channel_ordering_strategy=ANY)(
        lambda self, x: keras.layers.Activation("softsign")
    )
    assert converted() == ["Inner", "Tensor.add"]
