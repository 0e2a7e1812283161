"""Verdicts on files with integers and with open sizes, held against ML Drift itself where there is a Vulkan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

import devices
import nobuco
from devices.runners.embedded.vulkan import vulkan_environment
from nobuco.delegates import DelegateCheck, State, check_delegates
from tests.delegates.files import file_with_integers, file_with_open_sizes
from tests.delegates.test_check import Shapes, file_of
from tests.delegates.webgpu import on_webgpu

_ROUNDING = 0.05  # of the largest number: some six steps of 8 bits
_RANDOM = np.random.default_rng(0)
_PICTURE: Shapes = [(1, 4, 5, 8)]
_CONSTANT = _RANDOM.standard_normal((1, 4, 5, 8)).astype(np.float32)
_SQUARE = _RANDOM.standard_normal((64, 64)).astype(np.float32) / 8
_PAIR = np.stack([_SQUARE, _SQUARE * 2])
_KERNEL = _RANDOM.standard_normal((3, 3, 64, 64)).astype(np.float32) / 24
_DEPTHWISE = _RANDOM.standard_normal((3, 3, 64, 2)).astype(np.float32)


def enlarged(x: Any, size: tuple[int, ...], step: int, padding: Any) -> Any:
    return tf.nn.conv2d_transpose(x, _KERNEL, np.array(size), step, padding)


_Case = tuple[Callable[..., Any], Shapes, str, str]


def _with(constant: Any, operation: Callable[..., Any] = tf.multiply) -> dict[str, _Case]:
    """As the right and as the left operand."""
    name = f"{operation.__name__} {np.shape(constant)}"
    return {
        f"{name}, right": (lambda x: operation(tf.nn.relu(x), constant), _PICTURE, "int8", ""),
        f"{name}, left": (lambda x: operation(constant, tf.nn.relu(x)), _PICTURE, "int8", ""),
    }


# the file, its precision, and what is known to be computed wrongly; all of it is taken
_TAKEN: dict[str, _Case] = {
    **_with(np.float32(3.0)),
    **_with(np.float32(3.0), tf.add),
    **_with(np.float32(0.4), tf.maximum),
    **_with(np.float32(0.4), tf.subtract),
    **_with(_CONSTANT[0, 0, 0]),
    **_with(_CONSTANT[0, 0, 0, :1]),
    **_with(_CONSTANT[:, :1, :1, :1]),
    **_with(_CONSTANT),
    "scales that differ": (lambda x: tf.concat([x, x * 7.0], 3), _PICTURE, "int8", ""),
    "averages": (lambda x: tf.nn.avg_pool2d(x, 2, 2, "VALID"), _PICTURE, "int8", ""),
    "convolution": (lambda x: tf.nn.conv2d(x, _KERNEL, 1, "SAME"), [(1, 4, 5, 64)], "int8", ""),
    "rows joined": (lambda x: tf.matmul(tf.reshape(x, [5, 64]), _SQUARE), [(1, 5, 64)], "int8",
                    "rows of a linear layer with integer weights"),
    "hybrid convolution": (lambda x: tf.nn.conv2d(x, _KERNEL, 1, "SAME"), [(1, 4, 5, 64)], "int8-dynamic", ""),
    "hybrid depthwise convolution": (lambda x: tf.nn.depthwise_conv2d(x, _DEPTHWISE, [1] * 4, "SAME"),
                                     [(1, 4, 5, 64)], "int8-dynamic", ""),
    "hybrid linear layer": (lambda x: tf.matmul(x, _SQUARE), [(5, 64)], "int8-dynamic", ""),
    "hybrid linear layer of four dims": (lambda x: tf.matmul(x, _SQUARE), [(1, 2, 5, 64)], "int8-dynamic", ""),
    "hybrid, rows joined": (lambda x: tf.matmul(tf.reshape(x, [5, 64]), _SQUARE) + 0.1, [(1, 5, 64)], "int8-dynamic",
                            "rows of a linear layer with integer weights"),
    "hybrid, one row": (lambda x: tf.matmul(tf.reshape(x, [1, 64]), _SQUARE) + 0.1, [(1, 1, 64)], "int8-dynamic", ""),
    "transposed convolution": (lambda x: enlarged(x, (1, 8, 10, 64), 2, "SAME"), [(1, 4, 5, 64)],
                               "int8-dynamic", "a transposed convolution padded unevenly"),
    "gathered weights": (lambda x: tf.gather(_SQUARE, tf.cast(x, tf.int32)), [(5,)], "int8-dynamic", ""),
}  # fmt: skip


@pytest.fixture(scope="module")
def vulkan() -> None:
    try:
        vulkan_environment()
    except devices.DeviceError as error:
        pytest.skip(str(error))


def forecast(file: Path) -> DelegateCheck:
    (check,) = check_delegates(file, delegates=["gpu-webgpu"])
    return check


def wrong(check: DelegateCheck) -> set[str]:
    return {danger.name for danger in check.dangers if danger.wrong}


@pytest.mark.parametrize("name", _TAKEN)
def test_what_is_taken_of_integers(name: str, tmp_path: Path) -> None:
    function, shapes, precision, danger = _TAKEN[name]
    check = forecast(file_with_integers(tmp_path, function, shapes, precision))
    assert check.whole, [each for each in check.verdicts if each.state is not State.TAKEN]
    assert wrong(check) == ({danger} if danger else set())


@pytest.mark.parametrize("name", _TAKEN)
def test_the_delegate_says_the_same_of_integers(name: str, tmp_path: Path, vulkan: None) -> None:
    function, shapes, precision, danger = _TAKEN[name]
    real = on_webgpu(file_with_integers(tmp_path, function, shapes, precision))
    assert real.taken == real.nodes > 0, real
    assert real.error is not None and (real.error < _ROUNDING) is not bool(danger), real


def test_sixteen_bits(tmp_path: Path, vulkan: None) -> None:
    def pooled(x: Any) -> Any:
        return tf.nn.avg_pool2d(x, 2, 2, "VALID") + tf.nn.max_pool2d(x, 2, 2, "VALID")

    file = file_with_integers(tmp_path, pooled, _PICTURE, "int16x8")
    check, real = forecast(file), on_webgpu(file)
    assert (check.on_gpu, wrong(check)) == (real.taken, {"16-bit numbers"}) and real.taken == 1
    assert real.error is not None and real.error > _ROUNDING


@pytest.mark.parametrize(
    ("module", "shape", "fails"),
    [
        (nn.Conv2d(64, 64, 3), (1, 64, 6, 6), False),
        (nn.Conv2d(64, 64, 3, groups=64), (1, 64, 6, 6), False),
        (nn.Linear(64, 64), (1, 64), True),
    ],
)
def test_weights_that_become_floats_in_each_run(
    module: nn.Module, shape: tuple[int, ...], fails: bool, tmp_path: Path, vulkan: None
) -> None:
    """As precision="int8-weights" writes them."""
    model = nobuco.pytorch_to_keras(module, [torch.randn(shape)], full_validation=False, verbose=False)
    file = nobuco.export_tflite(model, tmp_path / "m.tflite", precision="int8-weights", min_agreement=0).path
    check, real = forecast(file), on_webgpu(file)
    assert (check.on_gpu == 0) is (State.FATAL in {each.state for each in check.verdicts}) is fails
    assert check.on_gpu == real.taken
    assert ("Failed to initialize kernel" in real.failed) is fails


# the function, its shapes, and whether it is right
_FLOATS: dict[str, tuple[Callable[..., Any], Shapes, bool]] = {
    "uneven padding": (lambda x: enlarged(x, (1, 8, 10, 64), 2, "SAME"), [(1, 4, 5, 64)], False),
    "even padding": (lambda x: enlarged(x, (1, 4, 5, 64), 1, "SAME"), [(1, 4, 5, 64)], True),
    "no padding": (lambda x: enlarged(x, (1, 9, 11, 64), 2, "VALID"), [(1, 4, 5, 64)], True),
    "one constant side for two": (lambda x: tf.matmul(x, _SQUARE[None]), [(2, 5, 64)], False),
    "two constant sides for one": (lambda x: tf.matmul(x, _PAIR), [(1, 5, 64)], False),
    "a constant side each": (lambda x: tf.matmul(x, _PAIR), [(2, 5, 64)], True),
}  # fmt: skip


@pytest.mark.parametrize("name", _FLOATS)
def test_numbers_of_floats(name: str, tmp_path: Path, vulkan: None) -> None:
    function, shapes, right = _FLOATS[name]
    file = file_of(tmp_path, function, shapes)
    check, real = forecast(file), on_webgpu(file)
    assert check.whole and real.taken == real.nodes and real.error is not None
    assert check.right is (real.error < 1e-3) is right


# open sizes: where the batch alone is open, all of it is taken


_KEPT = _KERNEL[:, :, :8, :8]
_OPEN_BATCH: dict[str, Callable[..., Any]] = {
    "convolution": lambda x: tf.nn.relu(tf.nn.conv2d(x, _KEPT, 1, "SAME")) + 1.0,
    "mean": lambda x: tf.reduce_mean(x, [1, 2]),
    "rows joined": lambda x: tf.matmul(tf.reshape(x, [-1, 8]), _SQUARE[:8]),
}


@pytest.mark.parametrize("name", _OPEN_BATCH)
def test_an_open_batch_is_taken_to_be_one(name: str, tmp_path: Path, vulkan: None) -> None:
    file = file_with_open_sizes(tmp_path, _OPEN_BATCH[name], (None, 4, 5, 8))
    for check in check_delegates(file):
        assert check.whole and check.batch_assumed and "judged at batch 1" in str(check)
    real = on_webgpu(file)
    assert real.taken == real.nodes > 0 and real.error is not None and real.error < 1e-3


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (_OPEN_BATCH["convolution"], (1, None, None, 8)),
        (lambda x: tf.reshape(x, [tf.shape(x)[0], 160]), (None, 4, 5, 8)),
    ],
)
def test_other_open_sizes_are_unknown(
    function: Callable[..., Any], shape: tuple[int | None, ...], tmp_path: Path
) -> None:
    check = forecast(file_with_open_sizes(tmp_path, function, shape))
    assert not check.batch_assumed and check.counts[State.UNKNOWN] and not check.whole
