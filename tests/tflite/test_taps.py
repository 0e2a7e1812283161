"""Taps of a convolution that read zeros beside the picture are left out, for all results or for those where they do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import nobuco
from nobuco.tflite import export_tflite
from nobuco.tflite.forms import taps
from tests.effort import examples
from tests.tflite.test_forms import formed

RANDOM = np.random.default_rng(0)


def numbers(*shape: int) -> Any:
    return RANDOM.standard_normal(shape).astype(np.float32)


@settings(max_examples=examples(300), deadline=None, derandomize=True)
@given(st.data())
def test_right(data: Any) -> None:
    height, width, batch = (data.draw(st.integers(1, most)) for most in (9, 9, 2))
    rows, columns = (data.draw(st.integers(1, 5)) for _ in range(2))
    dilations = [data.draw(st.integers(1, 9)) for _ in range(2)]
    strides = [1, 1] if max(dilations) > 1 else [data.draw(st.integers(1, 3)) for _ in range(2)]
    sides = [data.draw(st.integers(0, 20)) for _ in range(4)]
    least = [(rows - 1) * dilations[0] + 1 - height, (columns - 1) * dilations[1] + 1 - width]
    sides[0], sides[2] = max(sides[0], least[0] - sides[1]), max(sides[2], least[1] - sides[3])
    padding = data.draw(st.sampled_from(["SAME", "VALID"]))
    deep, form = data.draw(st.sampled_from([(False, taps.IDLE), (False, taps.PARTED), (True, taps.IDLE)]))
    channels = 60 if form is taps.PARTED else 3
    kernel = numbers(rows, columns, channels, 2)

    def convolved(x: Any) -> Any:
        if padding == "VALID":
            x = tf.pad(x, [(0, 0), (sides[0], sides[1]), (sides[2], sides[3]), (0, 0)])
        if deep:
            same = [1, max(strides), max(strides), 1]  # TensorFlow's kernel has one stride for both dims
            return tf.nn.depthwise_conv2d(x, kernel, same, padding, dilations=dilations)
        return tf.nn.conv2d(x, kernel, [1, *strides, 1], padding, dilations=dilations)

    formed(convolved, (batch, height, width, channels), forms=(form,))


WHERE = {  # height and width, what is to come of it: kernels, and how many
    "no tap but one": (nn.Conv2d(64, 32, 3, dilation=24, padding=24), (16, 16), {(1, 1): 1}),
    "one row of taps": (nn.Conv2d(64, 32, 3, dilation=24, padding=24), (16, 40), {(1, 3): 1}),
    "one row of taps, apart": (nn.Conv2d(256, 32, 3, dilation=24, padding=24), (16, 40), {(1, 1): 3}),
    "a picture of one place": (nn.Conv2d(64, 32, 3, padding=1), (1, 1), {(1, 1): 1}),
    "half of the products": (nn.Conv2d(64, 32, 3, dilation=12, padding=12), (28, 28), {(1, 1): 9}),
    "a fifth of the products": (nn.Conv2d(512, 32, 3, padding=1), (7, 7), {(3, 3): 1}),
    "few products": (nn.Conv2d(64, 32, 3, dilation=2, padding=2), (28, 28), {(3, 3): 1}),
    "few channels": (nn.Conv2d(8, 32, 3, dilation=12, padding=12), (28, 28), {(3, 3): 1}),
    "groups, one tap": (nn.Conv2d(64, 32, 3, dilation=24, padding=24, groups=2), (16, 16), {(1, 1): 1}),
    "depthwise, one tap": (nn.Conv2d(8, 8, 3, padding=1, groups=8), (1, 1), {(1, 1): 1}),
    "without padding": (nn.Conv2d(64, 32, 3, dilation=12), (28, 28), {(3, 3): 1}),
}


@pytest.mark.parametrize(("layer", "size", "kernels"), WHERE.values(), ids=WHERE)
def test_where(layer: nn.Conv2d, size: tuple[int, int], kernels: dict[Any, int], tmp_path: Path) -> None:
    args = [torch.randn(1, layer.in_channels, *size)]
    keras_model = nobuco.pytorch_to_keras(nn.Sequential(layer, nn.ReLU()).eval(), args, verbose=False)
    rows = export_tflite(keras_model, tmp_path / "x.tflite").info.rows
    found = [row.input_shapes[1][1:3] for row in rows if row.op in ("CONV_2D", "DEPTHWISE_CONV_2D")]
    assert {each: found.count(each) for each in found} == kernels


def test_weights_that_two_layers_read_stay_whole(tmp_path: Path) -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Conv2d(256, 256, 3, padding=1, bias=False)

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.head(x), self.head(y)

    args = [torch.randn(1, 256, 16, 16), torch.randn(1, 256, 2, 2)]
    model = nobuco.pytorch_to_keras(Heads().eval(), args, verbose=False)
    exported = export_tflite(model, tmp_path / "model.tflite")
    assert exported.info.ops == {"CONV_2D": 2}
    assert exported.info.size_bytes < 1.1 * model.count_params() * 4


def test_a_gpu_is_given_no_more_convolutions(tmp_path: Path) -> None:
    layer = nn.Conv2d(64, 32, 3, dilation=12, padding=12).eval()
    keras_model = nobuco.pytorch_to_keras(layer, [torch.randn(1, 64, 28, 28)], verbose=False)
    assert export_tflite(keras_model, tmp_path / "x.tflite", target="gpu").info.ops["CONV_2D"] == 1


@pytest.mark.parametrize("precision", ["int8", "int8-dynamic", "fp16"])
def test_integers_are_summed_in_one_op(precision: str, tmp_path: Path) -> None:
    """Parts of a sum would each be rounded."""
    layer = nn.Conv2d(64, 32, 3, dilation=12, padding=12).eval()
    samples = [torch.randn(1, 64, 28, 28) for _ in range(32)]
    keras_model = nobuco.pytorch_to_keras(layer, samples[:1], verbose=False)
    written = export_tflite(keras_model, tmp_path / "x.tflite", precision=precision, calibration=samples)
    assert written.info.ops["CONV_2D"] == (9 if precision == "fp16" else 1)
    for file in (written, tmp_path / "x.tflite"):
        (output,) = nobuco.accuracy(keras_model, file, samples[:4]).outputs
        assert output.snr > 30
