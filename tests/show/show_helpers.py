"""A small conversion that has something of everything, and reports of it."""

import warnings

import keras
import torch
from torch import nn

import nobuco
from nobuco import ChannelOrder, ChannelOrderingStrategy
from nobuco.validate.report import Report


@nobuco.traceable
def doubled(x):
    return x * 2


@nobuco.converter(doubled, channel_ordering_strategy=ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS)
def wrong_doubled(x):
    return lambda x: x * 2.5


class Whole(nn.Module):
    """Converted as a whole: what it calls lies below it, covered."""

    def forward(self, x):
        return torch.exp(x)


@nobuco.converter(Whole, channel_ordering_strategy=ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS)
def converter_whole(self, x):
    return lambda x: keras.ops.exp(x)


class Sample(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.linear = nn.Linear(8, 8)
        self.whole = Whole()
        self.register_buffer("table", torch.linspace(0, 1, 8))

    def forward(self, x):
        x = self.conv(self.conv(x))
        torch.sin(x)
        if x.mean() > -100:
            x = doubled(x)
        x[:, 1] += 1
        x = self.linear(x) + torch.exp(self.table)
        return self.whole(x)


def sample_report(**options) -> Report:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nobuco.DiscrepancyWarning)
        warnings.simplefilter("ignore", nobuco.BakedValueWarning)
        model = nobuco.pytorch_to_keras(
            Sample().eval(),
            args=[torch.rand(1, 4, 6, 8)],
            inputs_channel_order=ChannelOrder.TENSORFLOW,
            outputs_channel_order=ChannelOrder.TENSORFLOW,
            **{"verbose": False, **options},
        )
    return model.report
