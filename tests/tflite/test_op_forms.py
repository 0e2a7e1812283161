"""TensorFlow spellings that become one TFLite op: what the node converters are written upon.

A new TensorFlow that forgets one of these patterns fails here, with the pattern's name.
"""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from keras import layers
from torch import nn

import nobuco
from nobuco.tflite import export_tflite

_KERNEL = np.random.default_rng(1).standard_normal((3, 3, 8, 8)).astype(np.float32)
_SLOPE = np.linspace(0.1, 0.9, 8, dtype=np.float32)


def _resize(**options: bool) -> Callable[[tf.Tensor], tf.Tensor]:
    return lambda x: tf.raw_ops.ResizeBilinear(images=x, size=(20, 24), **options)


def _pad(x: tf.Tensor) -> tf.Tensor:
    return tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])


_FORMS: dict[str, tuple[Callable[[tf.Tensor], tf.Tensor], list[str]]] = {
    "grouped conv": (lambda x: tf.nn.conv2d(x, _KERNEL[:, :, :4], 1, "SAME"), ["CONV_2D"]),
    "grouped strided conv": (lambda x: tf.nn.conv2d(x, _KERNEL[:, :, :2], 2, "VALID"), ["CONV_2D"]),
    "dilated conv": (lambda x: tf.nn.conv2d(x, _KERNEL, 1, "SAME", dilations=2), ["CONV_2D"]),
    "padding equal to SAME": (lambda x: tf.nn.conv2d(_pad(x), _KERNEL, 1, "VALID"), ["CONV_2D"]),
    "padding unlike SAME": (lambda x: tf.nn.conv2d(_pad(x), _KERNEL, 2, "VALID"), ["PAD", "CONV_2D"]),
    "conv, scale and shift": (lambda x: tf.nn.conv2d(x, _KERNEL, 1, "SAME") * _SLOPE + 1.0, ["CONV_2D"]),
    "hard swish": (lambda x: x * tf.nn.relu6(x + 3.0) * (1 / 6), ["HARD_SWISH"]),
    "hard sigmoid": (lambda x: tf.nn.relu6(x + 3.0) * (1 / 6), ["ADD", "MUL"]),
    "clip to 0, 6": (lambda x: tf.clip_by_value(x, 0.0, 6.0), ["RELU6"]),
    "leaky relu": (lambda x: tf.nn.leaky_relu(x, 0.1), ["LEAKY_RELU"]),
    "prelu": (lambda x: tf.nn.relu(x) + (-_SLOPE.reshape(1, 1, 8)) * tf.nn.relu(-x), ["PRELU"]),
    "gelu": (lambda x: tf.nn.gelu(x, approximate=False), ["GELU"]),
    "gelu, tanh": (lambda x: tf.nn.gelu(x, approximate=True), ["GELU"]),
    "resize, half pixel": (_resize(half_pixel_centers=True), ["RESIZE_BILINEAR"]),
    "resize, align corners": (_resize(align_corners=True), ["RESIZE_BILINEAR"]),
    "global average pool": (lambda x: tf.reduce_mean(x, [1, 2], keepdims=True), ["MEAN"]),
    "pool and classify": (
        lambda x: tf.matmul(tf.reshape(tf.reduce_mean(x, [1, 2], keepdims=True), (1, 8)), _KERNEL[0, 0]),
        ["MEAN", "FULLY_CONNECTED"],
    ),
    "matmul of rank 4": (lambda x: tf.matmul(x, _KERNEL[0, 0], transpose_b=True), ["FULLY_CONNECTED"]),
    "transposed conv": (
        lambda x: tf.nn.conv2d_transpose(x, _KERNEL, (1, 20, 24, 8), 2, "SAME"),
        ["TRANSPOSE_CONV"],
    ),
    "split": (lambda x: tf.multiply(*tf.split(x, 2, axis=-1)), ["SPLIT", "MUL"]),
    "split, one part unread": (lambda x: tf.split(x, 2, axis=-1)[1], ["SLICE"]),
}


@pytest.mark.parametrize("name", _FORMS)
def test_form(name: str, tmp_path: Path) -> None:
    form, ops = _FORMS[name]
    x = keras.Input(batch_shape=(1, 10, 12, 8))
    result = export_tflite(keras.Model(x, layers.Lambda(form)(x)), tmp_path / "m.tflite")
    assert [row.op for row in result.info.rows] == ops
    assert result.max_relative_error is not None and result.max_relative_error < 1e-5


@pytest.mark.parametrize(
    ("layer", "ops"),
    [
        (layers.Conv2D(8, 3, groups=2), ["CONV_2D"]),
        (layers.DepthwiseConv2D(3), ["DEPTHWISE_CONV_2D"]),
        (layers.Conv2DTranspose(4, 3, 2), ["TRANSPOSE_CONV"]),
        (layers.Conv2DTranspose(4, 2, 2), ["CONV_2D", "DEPTH_TO_SPACE"]),
    ],
)
def test_batch_norm_folds(layer: keras.Layer, ops: list[str], tmp_path: Path) -> None:
    x = keras.Input(batch_shape=(1, 10, 12, 8))
    norm = layers.BatchNormalization(
        beta_initializer="random_normal", moving_mean_initializer="random_normal"
    )
    result = export_tflite(keras.Model(x, norm(layer(x))), tmp_path / "m.tflite")
    assert [row.op for row in result.info.rows] == ops


@pytest.mark.parametrize("slopes", [1, 8])
@pytest.mark.parametrize("shape", [(3, 8), (2, 8, 5), (2, 8, 5, 6), (1, 8, 3, 4, 5)])
def test_prelu(slopes: int, shape: tuple[int, ...], tmp_path: Path) -> None:
    module = nn.PReLU(slopes)
    nn.init.uniform_(module.weight)
    model = nobuco.pytorch_to_keras(module, args=[torch.randn(shape)], verbose=False)
    result = export_tflite(model, tmp_path / "m.tflite")
    ops = {row.op for row in result.info.rows} - {"TRANSPOSE"}
    assert ops == {"PRELU"} or (len(shape) > 4 and "PRELU" not in ops)
    assert result.max_relative_error is not None and result.max_relative_error < 1e-5


@pytest.mark.parametrize("shape", [(), (3,), (1, 1), (2, 1, 4)])
def test_prelu_of_one_number(shape: tuple[int, ...]) -> None:
    for weight in [torch.tensor(0.3), torch.tensor([0.3])]:
        nobuco.pytorch_to_keras(
            lambda x, weight=weight: torch.prelu(x, weight),
            args=[torch.randn(shape)],
            strict=True,
            verbose=False,
        )
