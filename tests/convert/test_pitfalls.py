"""Where conversions of PyTorch models are known to go wrong, each by name."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import nobuco
from tests.graph_runner import worst_error

IMAGE = (2, 4, 9, 11)


class SlicesParameter(nn.Module):
    """A table of positions cut to the length of the input, which is not known before."""

    def __init__(self):
        super().__init__()
        self.positions = nn.Parameter(torch.randn(1, 16, 8))

    def forward(self, x):
        return x + self.positions[:, : nobuco.shape(x)[1]]


class MaskedKeys(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.register_buffer("mask", torch.tensor([[False, False, True, True], [False, True, False, False]]))

    def forward(self, x):
        return self.attention(x, x, x, key_padding_mask=self.mask)


class NoAffine(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(4, affine=False)
        self.norm.running_mean.uniform_(-1, 1)
        self.norm.running_var.uniform_(1, 2)

    def forward(self, x):
        return self.norm(x)


class Lstm(nn.Module):
    def __init__(self, **kwargs):
        super().__init__()
        self.lstm = nn.LSTM(5, 6, batch_first=True, **kwargs)

    def forward(self, x):
        y, (h, c) = self.lstm(x)
        return y, h, c


def attention(mask: torch.Tensor | None = None, **kwargs: Any):
    return lambda q: F.scaled_dot_product_attention(q, q + 1, q - 1, attn_mask=mask, **kwargs)


CASES: dict[str, tuple[Any, tuple[int, ...]]] = {
    "average pooling that does not count its padding": (nn.AvgPool2d(3, 2, 1, count_include_pad=False), IMAGE),
    "average pooling that counts it": (nn.AvgPool2d(3, 2, 1), IMAGE),
    "average pooling, ceil": (nn.AvgPool2d(3, 2, 1, ceil_mode=True), IMAGE),
    "max pooling, ceil": (nn.MaxPool2d(3, 2, ceil_mode=True), IMAGE),
    "max pooling, dilated": (nn.MaxPool2d(3, 1, 1, dilation=2), IMAGE),
    "max pooling of negative numbers": (lambda x: F.max_pool2d(-x.abs() - 1, 3, 2, 1), IMAGE),
    "nearest, 13 to 20": (lambda x: F.interpolate(x, size=(20, 20)), (1, 3, 13, 13)),
    "nearest by a factor": (lambda x: F.interpolate(x, scale_factor=1.6), (1, 3, 13, 13)),
    "bilinear by a factor": (lambda x: F.interpolate(x, scale_factor=1.6, mode="bilinear"), (1, 3, 13, 13)),
    "bicubic": (lambda x: F.interpolate(x, size=(20, 7), mode="bicubic"), (1, 3, 13, 13)),
    "linear": (lambda x: F.interpolate(x, size=20, mode="linear", align_corners=True), (1, 3, 13)),
    "circular padding on one side": (lambda x: F.pad(x, (0, 2, 0, 0), mode="circular"), IMAGE),
    "reflected padding": (nn.ReflectionPad2d((1, 2, 3, 0)), IMAGE),
    "transposed convolution, output padding": (nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1), IMAGE),
    "transposed convolution, one dim": (nn.ConvTranspose1d(4, 6, 3), (2, 4, 9)),
    "transposed convolution, groups": (nn.ConvTranspose2d(4, 6, 3, 2, groups=2), IMAGE),
    "batch norm without parameters": (NoAffine(), IMAGE),
    "squeeze of all dims": (lambda x: x[:1, :, :1].squeeze(), IMAGE),
    "attention, float mask": (attention(torch.randn(5, 5)), (2, 3, 5, 4)),
    "attention, bool mask": (attention(torch.ones(5, 5).tril().bool()), (2, 3, 5, 4)),
    "attention, causal": (attention(is_causal=True), (2, 3, 5, 4)),
    "layer norm over several dims": (nn.LayerNorm((4, 9, 11)), IMAGE),
    "LSTM with projection": (Lstm(proj_size=3), (2, 7, 5)),
    "LSTM, two layers, two ways": (Lstm(num_layers=2, bidirectional=True), (2, 7, 5)),
    "adaptive pooling to 3x3": (nn.AdaptiveAvgPool2d(3), IMAGE),
    "adaptive max pooling to 3x3": (nn.AdaptiveMaxPool2d(3), IMAGE),
    "convolution in space": (nn.Conv3d(4, 6, 3, 2, 1), (1, 4, 5, 6, 7)),
    "pooling in space": (nn.Sequential(nn.MaxPool3d(2), nn.AvgPool3d(2, 1)), (1, 4, 5, 6, 7)),
    "attention with padded keys": (MaskedKeys(), (2, 4, 8)),
    "log softmax of large values": (lambda x: F.log_softmax(x * 1000, 1), IMAGE),
    "transformer layer with its default activation": (
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (2, 5, 8),
    ),
    "a parameter cut to a computed length": (SlicesParameter(), (2, 7, 8)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_equal_to_pytorch(name: str) -> None:
    model, shape = CASES[name]
    if isinstance(model, nn.Module):
        model.eval()
    generator = torch.Generator().manual_seed(0)
    x, other = (torch.randn(shape, generator=generator) for _ in range(2))
    assert worst_error(model, [x], [other]) < 1e-5


def test_one_tensor_read_by_two_convolutions_is_transposed_once():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(4, 5, 3), nn.Conv2d(4, 6, 1)

        def forward(self, x):
            return self.a(x), self.b(x)

    converted = nobuco.pytorch_to_keras(
        Two(), [torch.rand(IMAGE)], inputs_channel_order=nobuco.ChannelOrder.PYTORCH, verbose=False
    )
    assert converted.report.transposes == 1


def test_deeper_than_python_calls_may_be_nested(tmp_path):
    def deep(x):
        for _ in range(sys.getrecursionlimit() // 2 + 50):
            x = torch.relu(x) * 1.001
        return x

    limit = sys.getrecursionlimit()
    model = nobuco.pytorch_to_keras(deep, [torch.randn(1, 4)], verbose=False, full_validation=False)
    assert len(model.layers) > limit == sys.getrecursionlimit()
    assert nobuco.export_tflite(model, tmp_path / "deep.tflite").max_relative_error < 1e-5
