"""Shuffled channels are the business of the weights behind them, and stay where anything else reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tests.tflite.test_forms import formed

_RANDOM = np.random.default_rng(0)


def weight(*shape: int) -> Any:
    return tf.constant(_RANDOM.standard_normal(shape), tf.float32)


def shuffled(x: Any, groups: int) -> Any:
    batch, height, width, channels = x.shape
    apart = tf.reshape(x, [batch, height, width, groups, channels // groups])
    return tf.reshape(tf.transpose(apart, (0, 1, 2, 4, 3)), x.shape)


def pointwise(x: Any, channels: int) -> Any:
    return tf.nn.conv2d(x, weight(1, 1, x.shape[-1], channels), 1, "SAME")


_BEFORE = {
    "nothing": lambda x: x,
    "pad": lambda x: tf.pad(x, [(0, 0), (1, 0), (0, 2), (0, 0)]),
    "pool": lambda x: tf.nn.max_pool2d(x, 2, 2, "SAME"),
    "relu": tf.nn.relu,
    "scale": lambda x: weight(x.shape[-1]) * x + weight(1, 1, 1, x.shape[-1]),
    "number": lambda x: x * 0.5 - 1.0,
    "depthwise": lambda x: (
        tf.nn.depthwise_conv2d(x, weight(3, 3, x.shape[-1], 1), [1, 2, 2, 1], "SAME") + weight(x.shape[-1])
    ),
}


@pytest.mark.parametrize("before", _BEFORE)
@pytest.mark.parametrize("groups", [2, 3])
def test_a_convolution_takes_the_shuffle(before: str, groups: int) -> None:
    ops = formed(lambda x: pointwise(_BEFORE[before](shuffled(x, groups)), 5), (2, 4, 4, 12))
    assert ops and "Transpose" not in ops and "Reshape" not in ops


@settings(max_examples=examples(200), deadline=None, derandomize=True)
@given(st.lists(st.sampled_from([2, 3, 4]), min_size=1, max_size=5), st.sampled_from([2, 3]), st.data())
def test_blocks_through_which_channels_go_on(groups: list[int], parts: int, data: Any) -> None:
    before = data.draw(st.sampled_from(sorted(_BEFORE)))

    def network(x: Any) -> Any:
        for each in groups:
            *on, last = tf.split(x, parts, axis=3)
            x = shuffled(tf.concat([*on, pointwise(tf.nn.relu(last), last.shape[-1])], 3), each)
        return pointwise(_BEFORE[before](x), 7)

    formed(network, (1, 2, 3, 24))  # the values are right, whether or not a shuffle goes


@pytest.mark.parametrize("groups", [1, 2, 5, 8])
def test_blocks_of_two_halves(groups: int) -> None:
    def network(x: Any) -> Any:
        for _ in range(groups):
            on, taken = tf.split(x, 2, axis=3)
            x = shuffled(tf.concat([on, pointwise(taken, taken.shape[-1])], 3), 2)
        return pointwise(x, 7)

    ops = formed(network, (1, 2, 3, 24))
    assert "Transpose" not in ops


@pytest.mark.parametrize(
    "reader",
    [
        lambda x: (x, pointwise(x, 3)),
        lambda x: tf.nn.conv2d(x, weight(3, 3, 6, 4), 1, "SAME"),  # in two groups, each of its own channels
        lambda x: tf.reduce_max(x, axis=3),
        lambda x: pointwise(x[:, :, :1], 3) + pointwise(tf.reshape(x, [2, 4, 4, 12]) ** tf.nn.relu(x[..., :1]), 3),
    ],
)  # fmt: skip
def test_a_shuffle_that_something_else_reads_stays(reader: Any) -> None:
    ops = formed(lambda x: reader(shuffled(tf.nn.sigmoid(x), 3)), (2, 4, 4, 12))
    assert not ops or ops.count("Transpose") == 1


def test_what_reorders_more_than_channels_is_no_shuffle() -> None:
    def network(x: Any) -> Any:
        apart = tf.reshape(x, [1, 4, 4, 3, 4])
        return pointwise(tf.reshape(tf.transpose(apart, (0, 2, 1, 4, 3)), x.shape), 5)

    assert "Transpose" in formed(network, (1, 4, 4, 12)) or not formed(network, (1, 4, 4, 12))
