"""Channels put into another order are made in it, wherever weights can be, and the values stay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import nobuco
from nobuco.tflite import export_tflite
from tests.effort import examples
from tests.tflite.delegation import partitions_and_left
from tests.tflite.test_forms import formed
from tests.tflite.test_shuffles import weight

_SHAPE = (2, 4, 6, 12)


def turned(x: Any, rows: int) -> Any:
    channels = x.shape[-1]
    return tf.gather(x, np.arange(channels).reshape(rows, -1).T.ravel(), axis=-1)


_MAKERS: dict[str, Callable[[Any, int], Any]] = {
    "convolution": lambda x, n: tf.nn.conv2d(x, weight(3, 3, x.shape[-1], n), 1, "SAME"),
    "dilated": lambda x, n: tf.nn.conv2d(x, weight(3, 3, x.shape[-1], n), 1, "SAME", dilations=2),
    "transposed": lambda x, n: tf.nn.conv2d_transpose(
        x, weight(3, 3, n, x.shape[-1]), [x.shape[0], 2 * x.shape[1], 2 * x.shape[2], n], 2, "SAME"
    ),
    "linear": lambda x, n: tf.reshape(
        tf.matmul(tf.reshape(x, [-1, x.shape[-1]]), weight(x.shape[-1], n)), [*x.shape[:-1], n]
    ),
    "linear of turned weights": lambda x, n: tf.reshape(
        tf.matmul(tf.reshape(x, [-1, x.shape[-1]]), weight(n, x.shape[-1]), transpose_b=True), [*x.shape[:-1], n]
    ),
}  # fmt: skip

_BETWEEN: dict[str, Callable[[Any], Any]] = {
    "bias": lambda x: tf.nn.bias_add(x, weight(x.shape[-1])),
    "scale": lambda x: weight(1, 1, 1, x.shape[-1]) * x - 0.5,
    "relu": tf.nn.relu,
    "leaky": lambda x: tf.nn.leaky_relu(x, 0.2),
    "prelu": lambda x: tf.nn.relu(x) - weight(x.shape[-1]) * tf.nn.relu(-x),
    "silu": lambda x: x * tf.sigmoid(x),
    "gelu": tf.nn.gelu,
    "maximum": lambda x: tf.maximum(weight(x.shape[-1]), x),
    "map": lambda x: x + weight(*x.shape[1:]),
    "pad": lambda x: tf.pad(x, [(0, 0), (1, 0), (0, 1), (0, 0)]),
    "mirror": lambda x: tf.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], "REFLECT"),
    "pool": lambda x: tf.nn.max_pool2d(x, 2, 2, "SAME"),
    "mean pool": lambda x: tf.nn.avg_pool2d(x, 3, 1, "VALID"),
    "resize": lambda x: tf.image.resize(x, (7, 9)),
    "depthwise": lambda x: tf.nn.depthwise_conv2d(x, weight(3, 3, x.shape[-1], 1), [1, 1, 1, 1], "SAME"),
    "rows": lambda x: tf.reshape(x, [x.shape[0], -1, x.shape[2], x.shape[3]]),
}


@pytest.mark.parametrize("maker", _MAKERS)
@pytest.mark.parametrize("between", _BETWEEN)
def test_weights_take_the_order(maker: str, between: str) -> None:
    ops = formed(lambda x: turned(_BETWEEN[between](_MAKERS[maker](x, 18)), 3), _SHAPE)
    assert ops and "Transpose" not in ops


@settings(max_examples=examples(300), deadline=None, derandomize=True)
@given(
    st.sampled_from(sorted(_MAKERS)),
    st.lists(st.sampled_from(sorted({*_BETWEEN} - {"mean pool"})), max_size=4),
    st.permutations(range(10)),
    st.sampled_from([None, 2]),
)
def test_any_order_behind_anything(
    maker: str, between: list[str], order: list[int], residual: int | None
) -> None:
    def network(x: Any) -> Any:
        y = _MAKERS[maker](x, 10)
        for each in between:
            y = _BETWEEN[each](y)
        y = y if residual is None else y + tf.nn.relu(y) * residual
        return tf.gather(y, order, axis=3)

    ops = formed(network, (2, 4, 6, 5))
    assert ops and "Transpose" not in ops


@pytest.mark.parametrize("groups", [2, 4])
def test_groups_keep_what_they_make(groups: int) -> None:
    kernel = weight(3, 3, 12 // groups, 16)

    def grouped(order: Any) -> list[str]:
        return formed(lambda x: tf.gather(tf.nn.conv2d(x, kernel, 1, "SAME"), order, axis=-1), _SHAPE)

    within = np.arange(16).reshape(groups, -1)[:, ::-1].ravel()
    assert grouped(within)
    ops = grouped(np.arange(16).reshape(groups, -1).T.ravel())  # the channels of all groups in turn
    assert ops.count("Transpose") == 1


@pytest.mark.parametrize(
    "network",
    [
        lambda y: (turned(y, 3), y),
        lambda y: turned(y, 3) + tf.reduce_sum(y),
        lambda y: turned(y / tf.reduce_max(y, -1, keepdims=True), 3),
        lambda y: turned(tf.concat([y[..., :6], y[..., 6:]], -1), 3),
        lambda y: turned(tf.nn.softmax(y), 3),
        lambda y: turned(tf.pad(y[..., :11], [(0, 0), (0, 0), (0, 0), (0, 1)]), 3),
        lambda y: turned(tf.nn.depthwise_conv2d(y[..., :6], weight(3, 3, 6, 2), [1, 1, 1, 1], "SAME"), 3),
    ],
)
def test_what_else_reads_channels_reads_them_as_they_were(network: Any) -> None:
    ops = formed(lambda x: network(tf.nn.conv2d(x, weight(1, 1, 12, 12), 1, "SAME")), _SHAPE)
    assert ops.count("Transpose") == 1


@settings(max_examples=examples(100), deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from([None, 1, 2, 3]), min_size=1, max_size=4), st.integers(2, 4), st.integers(2, 4)
)
def test_orders_that_are_matrices_turned(lead: list[int | None], rows: int, columns: int) -> None:
    shape = (*lead, rows * columns)
    ops = formed(lambda x: turned(x, rows), shape, at=[tuple(size or 5 for size in shape)])
    assert ops.count("Transpose") == (1 if lead.count(None) < 2 else 0)


@pytest.mark.parametrize("places", [[0, 1, 3], [0, 0, 1, 1], [0, 4, 1, 5, 2, 3], [1, 0], [0, 1, 2, 3]])
def test_other_gathers_stay(places: list[int]) -> None:
    assert not formed(lambda x: tf.gather(x, places, axis=-1), (2, 3, 6))
    assert not formed(lambda x: tf.gather(tf.nn.relu(x), places, axis=1), (2, 6, 4))


@pytest.mark.parametrize("middle", [lambda x: x, tf.nn.elu, _BETWEEN["depthwise"], _BETWEEN["pad"]])
def test_a_convolution_behind_takes_the_order(middle: Any) -> None:
    ops = formed(lambda x: _MAKERS["convolution"](middle(turned(tf.nn.space_to_depth(x, 2), 4)), 5), _SHAPE)
    assert ops and "Transpose" not in ops


class _Enlarger(nn.Module):
    def __init__(self, middle: nn.Module, factor: int, colours: int) -> None:
        super().__init__()
        self.conv, self.middle = nn.Conv2d(4, colours * factor**2, 3, padding=1), middle
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.pixel_shuffle(self.middle(self.conv(x)), self.factor)


@pytest.mark.parametrize(
    ("module", "ops"),
    [
        (_Enlarger(nn.Identity(), 2, 3), ["CONV_2D", "DEPTH_TO_SPACE"]),
        (_Enlarger(nn.ReLU(), 3, 2), ["CONV_2D", "DEPTH_TO_SPACE"]),
        (_Enlarger(nn.PReLU(12), 2, 3), ["CONV_2D", "PRELU", "DEPTH_TO_SPACE"]),
        (_Enlarger(nn.BatchNorm2d(12), 2, 3), ["CONV_2D", "DEPTH_TO_SPACE"]),
        (_Enlarger(nn.SiLU(), 2, 3), ["CONV_2D", "LOGISTIC", "MUL", "DEPTH_TO_SPACE"]),
        (_Enlarger(nn.GELU(), 2, 1), ["CONV_2D", "GELU", "DEPTH_TO_SPACE"]),
        (nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(16, 4, 3)), ["SPACE_TO_DEPTH", "CONV_2D"]),
        (nn.Sequential(nn.PixelUnshuffle(3), nn.Conv2d(36, 4, 1, bias=False)), ["SPACE_TO_DEPTH", "CONV_2D"]),
        (
            nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(16, 8, 3, groups=2)),
            ["SPACE_TO_DEPTH", "RESHAPE", "TRANSPOSE", "RESHAPE", "CONV_2D"],
        ),
        (nn.PixelShuffle(2), ["RESHAPE", "TRANSPOSE", "RESHAPE", "DEPTH_TO_SPACE"]),
        (nn.Sequential(nn.ConvTranspose2d(4, 8, 2, 2), nn.PixelShuffle(2)), None),
        (nn.Sequential(nn.Conv2d(4, 8, 3, padding=1, groups=2), nn.ReLU(), nn.PixelShuffle(2)), None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("batch", [1, 2])
def test_pixel_shuffles(module: nn.Module, ops: list[str] | None, batch: int, tmp_path: Path) -> None:
    channels = 8 if isinstance(module, nn.PixelShuffle) else 4
    model = nobuco.pytorch_to_keras(module.eval(), args=[torch.randn(batch, channels, 6, 6)], verbose=False)
    result = export_tflite(model, tmp_path / "m.tflite")
    found = [row.op for row in result.info.rows]
    assert ops is None or found[: len(ops)] == ops  # channels first may come after
    assert "GATHER" not in found and partitions_and_left(result) == (1, [])
    assert result.max_relative_error is not None and result.max_relative_error < 1e-5
