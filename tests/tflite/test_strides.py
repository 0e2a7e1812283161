"""Places that the stride of a convolution skips are put into the channels, where these are few."""

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
from nobuco.tflite.forms import strides
from tests.effort import examples
from tests.tflite.test_forms import formed

RANDOM = np.random.default_rng(0)
ALWAYS = (strides.form(10, 100),)


@settings(max_examples=examples(400), deadline=None, derandomize=True)
@given(st.data())
def test_right(data: Any) -> None:
    stride, width, rows, down = (data.draw(st.integers(*span)) for span in ((2, 6), (1, 11), (1, 3), (1, 3)))
    left, right, above, below = (data.draw(st.integers(0, 7)) for _ in range(4))
    length = data.draw(st.integers(max(1, width - left - right), 40))
    height = data.draw(st.integers(max(1, rows - above - below), 6))
    batch, channels = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 3))
    padding = data.draw(st.sampled_from(["SAME", "VALID"]))
    kernel = RANDOM.standard_normal((rows, width, channels, 4)).astype(np.float32)

    def convolved(x: Any) -> Any:
        if any((left, right, above, below)):
            x = tf.pad(x, [(0, 0), (above, below), (left, right), (0, 0)])
        return tf.nn.conv2d(x, kernel, [1, down, stride, 1], padding)

    ops = formed(convolved, (batch, height, length, channels), forms=ALWAYS)
    assert "Reshape" in ops


@settings(max_examples=examples(100), deadline=None, derandomize=True)
@given(st.integers(2, 5), st.integers(1, 11), st.integers(0, 6), st.integers(0, 9), st.integers(1, 2))
def test_rows(stride: int, width: int, padding: int, more: int, channels: int) -> None:
    kernel = RANDOM.standard_normal((width, channels, 4)).astype(np.float32)

    def convolved(x: Any) -> Any:
        return tf.nn.conv1d(tf.pad(x, [(0, 0), (padding, padding), (0, 0)]), kernel, stride, "VALID")

    formed(convolved, (1, width + more, channels), forms=ALWAYS)


WHERE = {  # whether a file for any processor has the form, and one for Arm
    "a wave": (nn.Conv1d(1, 48, 10, 5), (1, 1, 1600), True, True),
    "a wave of another length": (nn.Conv1d(1, 48, 10, 5), (1, 1, 1603), True, True),
    "a padded wave": (nn.Conv1d(1, 48, 10, 5, padding=3), (1, 1, 1600), False, True),
    "large patches": (nn.Conv2d(3, 768, 16, 16), (1, 3, 64, 48), True, True),
    "small patches": (nn.Conv2d(3, 96, 4, 4), (1, 3, 64, 48), False, True),
    "a stem of seven": (nn.Conv2d(3, 8, 7, 2, 3), (1, 3, 64, 64), False, True),
    "a stem of three": (nn.Conv2d(3, 8, 3, 2, 1), (1, 3, 64, 64), False, False),
    "many channels": (nn.Conv2d(64, 8, 3, 2, 1), (1, 64, 16, 16), False, False),
    "groups": (nn.Conv2d(4, 8, 8, 8, groups=2), (1, 4, 32, 32), False, False),
    "dilated": (nn.Conv2d(1, 8, 3, 2, dilation=2), (1, 1, 32, 32), False, False),
    "without strides": (nn.Conv2d(1, 8, 8), (1, 1, 32, 32), False, False),
}


@pytest.mark.parametrize(("layer", "shape", "anywhere", "on_arm"), WHERE.values(), ids=WHERE)
def test_where(
    layer: nn.Module, shape: tuple[int, ...], anywhere: bool, on_arm: bool, tmp_path: Path
) -> None:
    keras_model = nobuco.pytorch_to_keras(layer.eval(), [torch.randn(shape)], verbose=False)

    def has(target: Any) -> bool:
        info = export_tflite(keras_model, tmp_path / "x.tflite", target=target).info
        channels = next(op for op in info.rows if op.op == "CONV_2D").input_shapes[0][-1]
        return channels != shape[1]

    assert (has(None), has("arm"), has("x86"), has("gpu")) == (anywhere, on_arm, anywhere, False)
