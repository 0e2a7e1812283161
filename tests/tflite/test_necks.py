"""1x1 convolutions of joints: what was enlarged for them is convolved first, where that saves more than it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

import nobuco
from nobuco.tflite import export_tflite
from nobuco.tflite.forms import necks
from tests.effort import examples
from tests.tflite.test_forms import formed

RANDOM = np.random.default_rng(0)


def numbers(*shape: int) -> Any:
    return RANDOM.standard_normal(shape).astype(np.float32)


AFTER = {
    "bias": lambda x: tf.nn.bias_add(x, numbers(8)),
    "scale": lambda x: x * numbers(8),
    "shift": lambda x: numbers(1, 1, 1, 8) + x,
    "number": lambda x: x * 0.5,
    "difference": lambda x: x - numbers(8),
    "other difference": lambda x: numbers(8) - x,
    "relu": tf.nn.relu,
}


@settings(max_examples=examples(300), deadline=None, derandomize=True)
@given(st.data())
def test_right(data: Any) -> None:
    height, width, batch = (data.draw(st.integers(1, most)) for most in (9, 9, 2))
    kinds = data.draw(
        st.lists(st.sampled_from(["same", "nearest", "bilinear", "place", "tiled"]), min_size=1, max_size=4)
    )
    channels = [data.draw(st.integers(1, 24)) for _ in kinds]
    after = data.draw(st.lists(st.sampled_from(sorted(AFTER)), max_size=3))
    small = [data.draw(st.integers(1, height)), data.draw(st.integers(1, width))]
    kernel = numbers(1, 1, sum(channels), 8)
    shapes = [
        (batch, *{"same": [height, width], "place": [1, 1], "tiled": [1, 1]}.get(kind, small), each)
        for kind, each in zip(kinds, channels, strict=True)
    ]

    def neck(*pictures: Any) -> Any:
        parts = []
        for kind, x in zip(kinds, pictures, strict=True):
            if kind == "tiled":
                x = tf.tile(x, [1, height, width, 1])
            elif kind != "same":
                method = "nearest" if kind == "nearest" else "bilinear"
                x = tf.compat.v1.image.resize(x, [height, width], method)
            parts.append(x)
        x = tf.nn.conv2d(tf.concat(parts, 3), kernel, 1, "VALID")
        for name in after:
            x = AFTER[name](x)
        return x

    for form in (necks.FORM, necks.GPU_FORM):
        formed(neck, *shapes, forms=(form,))


def test_more_than_one_reader() -> None:
    """What reads the convolution before its bias gets it without; two that read the joint have a form each."""
    first, second, bias = numbers(1, 1, 40, 8), numbers(1, 1, 40, 8), numbers(8)

    def both(x: Any, y: Any) -> Any:
        joint = tf.concat([tf.compat.v1.image.resize(x, [8, 8]), y], 3)
        one = tf.nn.conv2d(joint, first, 1, "VALID")
        return one, one + bias, tf.nn.conv2d(joint, second, 1, "VALID") + bias

    ops = formed(both, (1, 4, 4, 32), (1, 8, 8, 8), forms=(necks.FORM,))
    assert ops.count("Conv2D") == 4 and "ConcatV2" not in ops


class Neck(nn.Module):
    def __init__(self, enlarged: int, other: int, made: int, mode: str = "nearest", kernel: int = 1) -> None:
        super().__init__()
        self.mode = mode
        self.conv = nn.Conv2d(enlarged + other, made, kernel, bias=False)
        self.norm = nn.BatchNorm2d(made)
        for each in (self.norm.weight, self.norm.bias, self.norm.running_mean):
            nn.init.normal_(each)  # type: ignore[arg-type]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x = F.interpolate(x, size=y.shape[-2:], mode=self.mode)
        return F.silu(self.norm(self.conv(torch.cat([x, y], 1))))


WHERE = {
    "a detector's": (Neck(64, 32, 32), 8, True),
    "one that is enlarged by a half": (Neck(64, 32, 32, "bilinear"), 11, True),
    "the whole picture's mean": (Neck(64, 32, 32, "bilinear"), 1, True),
    "few channels": (Neck(2, 32, 32), 8, False),
    "many more channels afterwards": (Neck(8, 32, 64), 8, False),
    "none that was enlarged": (Neck(64, 32, 32), 16, False),
    "3x3": (Neck(64, 32, 32, kernel=3), 8, False),
}


@pytest.mark.parametrize(("neck", "size", "has"), WHERE.values(), ids=WHERE)
@pytest.mark.parametrize("target", [None, "gpu"])
def test_where(neck: Neck, size: int, has: bool, target: Any, tmp_path: Path) -> None:
    enlarged = neck.conv.in_channels - 32
    args = [torch.randn(1, enlarged, size, size), torch.randn(1, 32, 16, 16)]
    keras_model = nobuco.pytorch_to_keras(neck.eval(), args, verbose=False)
    rows = export_tflite(keras_model, tmp_path / "x.tflite", target=target).info.rows
    convolved = [row.output_shapes[0][1] for row in rows if row.op == "CONV_2D"]
    assert sorted(convolved) == (sorted([size, 16]) if has else [16 - neck.conv.kernel_size[0] + 1])
    # what is done to each channel went into the weights, and is not done anew
    assert sum(row.op == "ADD" for row in rows) == has and sum(row.op == "MUL" for row in rows) == 1


def test_integers_are_summed_in_one_op(tmp_path: Path) -> None:
    samples = [(torch.randn(1, 64, 8, 8), torch.randn(1, 32, 16, 16)) for _ in range(32)]
    keras_model = nobuco.pytorch_to_keras(Neck(64, 32, 32).eval(), list(samples[0]), verbose=False)
    written = export_tflite(keras_model, tmp_path / "x.tflite", precision="int8", calibration=samples)
    assert written.info.ops["CONV_2D"] == 1
