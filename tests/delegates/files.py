"""A function as a file for GPUs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import nobuco


def file_for_gpu(function: Callable[..., Any], shape: tuple[int, ...], folder: Path) -> Path:
    """Exported with `target="gpu"` from one input of that shape, in PyTorch's order of dims."""
    order = nobuco.ChannelOrder.PYTORCH
    model = nobuco.pytorch_to_keras(
        function,
        [torch.randn(shape)],
        inputs_channel_order=order,
        outputs_channel_order=order,
        full_validation=False,
        verbose=False,
    )
    return nobuco.export_tflite(model, folder / "m.tflite", target="gpu").path
