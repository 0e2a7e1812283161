"""Tensors changed in place: as a whole, in part, and through a slice that nobody assigns back."""

import torch
from torch import nn

import nobuco
from examples.checking import channel_last, same


class Assigned(nn.Module):
    def forward(self, x):
        x[:, 1:2, 16:25, 8::2] *= 2
        torch.relu_(x)
        return x


class Slice(nn.Module):
    """`relu_` changes a slice, and with it `x`, of which the slice is a view."""

    def forward(self, x):
        torch.relu_(x[:, 1:2, 16:25, 8::2])
        return x


class AssignedSlice(nn.Module):
    def forward(self, x):
        x[:, 1:2, 16:25, 8::2] = torch.relu_(x[:, 1:2, 16:25, 8::2])
        return x


class ViewOfView(nn.Module):
    def forward(self, x):
        left, right = x.chunk(2, dim=3)
        left[:, 0].transpose(1, 2)[:, ::2].add_(1)
        return right + left, x


torch.manual_seed(0)
for module in (Assigned(), Slice(), AssignedSlice(), ViewOfView()):
    x = torch.normal(0, 1, size=(1, 3, 32, 48))
    expected = module(x.clone())
    keras_model = nobuco.pytorch_to_keras(
        module,
        args=[x],
        inputs_channel_order=nobuco.ChannelOrder.TENSORFLOW,
        outputs_channel_order=nobuco.ChannelOrder.TENSORFLOW,
    )
    actual = keras_model(channel_last(x))
    pairs = (
        [(actual, expected)]
        if isinstance(expected, torch.Tensor)
        else list(zip(actual, expected, strict=True))
    )
    for ours, theirs in pairs:
        same(type(module).__name__, ours, channel_last(theirs))
