"""Forecasts held against ML Drift itself, through WebGPU: nothing that is said to be taken is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

import devices
import nobuco
from devices.runners.embedded.vulkan import vulkan_environment
from nobuco.delegates import check_delegates
from tests.delegates import models
from tests.delegates.test_check import _BROKEN, _WRONG, Shapes, file_of
from tests.delegates.webgpu import on_webgpu


@pytest.fixture(scope="module", autouse=True)
def vulkan() -> None:
    try:
        vulkan_environment()
    except devices.DeviceError as error:
        pytest.skip(str(error))


def held(file: Path) -> None:
    """The forecast is what comes of it: how many nodes, and whether the numbers are right."""
    (check,) = check_delegates(file, delegates=["gpu-webgpu"])
    real = on_webgpu(file)
    assert (check.on_gpu, len(check.verdicts)) == (real.taken, real.nodes), real
    if real.taken:
        assert real.error is not None
        assert (real.error < 1e-3) is check.right, real


_ONE: dict[str, tuple[Callable[..., Any], Shapes]] = {
    **{name: (function, shapes) for name, (function, shapes, *_) in (_BROKEN | _WRONG).items()},
    "computed kernel": (lambda x, k: tf.nn.conv2d(x, k, 1, "SAME"), [(1, 6, 6, 3), (3, 3, 3, 5)]),
    "computed scalar": (lambda x: x * tf.reduce_max(x), [(4, 5, 8)]),
    "running sum": (lambda x: tf.cumsum(x, 2), [(1, 4, 5, 8)]),
    "running sum, backwards": (lambda x: tf.cumsum(x, 2, reverse=True), [(1, 4, 5, 8)]),
    "reversed channels": (lambda x: tf.reverse(x, [3]), [(1, 4, 5, 6)]),
    "shared side": (lambda x, y: tf.matmul(x, y), [(2, 4, 5, 8), (2, 1, 8, 3)]),
}


@pytest.mark.parametrize("name", _ONE)
def test_one_op(name: str, tmp_path: Path) -> None:
    held(file_of(tmp_path, *_ONE[name]))


@pytest.mark.parametrize("name", ["U-Net, group norm", "DETR, small", "YOLO-like", "super-resolution"])
@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_a_model(name: str, target: Any, tmp_path: Path) -> None:
    module, args = models.load(name)
    model = nobuco.pytorch_to_keras(module, args=args, full_validation=False, verbose=False)
    held(nobuco.export_tflite(model, tmp_path / "m.tflite", target=target).path)
