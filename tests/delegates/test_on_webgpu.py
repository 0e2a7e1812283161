"""Forecasts held against ML Drift itself, through WebGPU: nothing that is said to be taken is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
import torch
from torch.nn import functional as F

import devices
import nobuco
from devices.runners.embedded.vulkan import vulkan_environment
from models_zoo import load, resolve
from nobuco.delegates import check_delegates
from tests.delegates.files import file_for_gpu
from tests.delegates.test_check import _BROKEN, _WRONG, Shapes, convolution, file_of, of_a_vector
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


_ONE_AROUND = [[0, 0], [1, 1], [1, 1], [0, 0]]
_ONE: dict[str, tuple[Callable[..., Any], Shapes]] = {
    **{name: (function, shapes) for name, (function, shapes, *_) in (_BROKEN | _WRONG).items()},
    "computed kernel": (lambda x, k: tf.nn.conv2d(x, k, 1, "SAME"), [(1, 6, 6, 3), (3, 3, 3, 5)]),
    "vector": (of_a_vector, [(8,)]),
    "computed scalar": (lambda x: x * tf.reduce_max(x), [(4, 5, 8)]),
    "running sum": (lambda x: tf.cumsum(x, 2), [(1, 4, 5, 8)]),
    "running sum, backwards": (lambda x: tf.cumsum(x, 2, reverse=True), [(1, 4, 5, 8)]),
    "reversed channels": (lambda x: tf.reverse(x, [3]), [(1, 4, 5, 6)]),
    "shared side": (lambda x, y: tf.matmul(x, y), [(2, 4, 5, 8), (2, 1, 8, 3)]),
}


@pytest.mark.parametrize("name", _ONE)
def test_one_op(name: str, tmp_path: Path) -> None:
    held(file_of(tmp_path, *_ONE[name]))


@pytest.mark.parametrize(("size", "right"), [((16, 32), False), ((16, 28), True)])
def test_a_convolution_in_half_precision(tmp_path: Path, size: tuple[int, int], right: bool) -> None:
    """What `check_delegates` warns of is what this runtime does here."""
    file = file_of(tmp_path, *convolution(size))
    (check,) = check_delegates(file, delegates=["gpu-webgpu"])
    error = on_webgpu(file, half=True).error
    assert error is not None and (error < 1e-2) is right is not bool(check.dangers)


_FORMS: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], tuple[int, ...]]] = {
    "logarithm of a softmax": (lambda x: torch.log_softmax(x * 40.0, -1), (3, 5, 10)),
    "places": (lambda x: torch.tanh(x)[:, torch.tensor([[0, 3], [3, 1]])], (2, 4, 8)),
    "places of a grid": (
        lambda x: F.grid_sample(x[:, :8], x[:, 8:].permute(0, 2, 3, 1) / 2.0, align_corners=False),
        (1, 10, 5, 6),
    ),
    "places of two dims": (
        lambda x: torch.tanh(x)[torch.tensor([0, 1, 1]), torch.tensor([3, 0, 2])],
        (2, 4, 8),
    ),
    "an average of a padded picture": (lambda x: F.avg_pool2d(x.tanh(), 3, 1, 1), (1, 4, 5, 6)),
    "a number of all": (lambda x: x * x.mean() + x.amax(), (3, 4, 8)),
}


@pytest.mark.parametrize("name", _FORMS)
def test_what_a_form_makes_is_taken(name: str, tmp_path: Path) -> None:
    file = file_for_gpu(*_FORMS[name], tmp_path)
    held(file)
    (check,) = check_delegates(file, delegates=["gpu-webgpu"])
    assert check.whole and check.right, [each for each in check.verdicts if not each.on_gpu]


@pytest.mark.parametrize("name", ["unet_group_norm@32", "detr@32", "yolo@32", "super_resolution@16"])
@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_a_model(name: str, target: Any, tmp_path: Path) -> None:
    loaded = load(resolve([name])[0])
    model = nobuco.pytorch_to_keras(
        loaded.module, args=list(loaded.args), full_validation=False, verbose=False
    )
    held(nobuco.export_tflite(model, tmp_path / "m.tflite", target=target).path)


def test_an_average_of_a_padded_picture(tmp_path: Path) -> None:
    held(file_of(tmp_path, lambda x: tf.nn.avg_pool2d(tf.pad(x, _ONE_AROUND), 3, 1, "VALID"), [(1, 5, 6, 4)]))


def test_infinity_as_padding(tmp_path: Path) -> None:
    order = nobuco.ChannelOrder.PYTORCH
    model = nobuco.pytorch_to_keras(
        lambda x: F.max_pool3d(x, 2, 2, 1),
        [torch.randn(1, 2, 3, 5, 6)],
        inputs_channel_order=order,
        outputs_channel_order=order,
        full_validation=False,
        verbose=False,
    )
    held(nobuco.export_tflite(model, tmp_path / "m.tflite", target="gpu").path)
