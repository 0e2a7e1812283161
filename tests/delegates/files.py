"""A function as a file: for GPUs, of integers, or with an open batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import torch

import nobuco
from nobuco.native_log import without_native_noise


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


def file_with_integers(
    folder: Path, function: Callable[..., Any], shapes: Sequence[tuple[int, ...]], precision: str = "int8"
) -> Path:
    """As TFLite's own converter makes it, with float inputs and outputs: "int8", "int16x8", or "int8-dynamic" for integers
    as weights alone. nobuco's files are made in other forms."""
    random = np.random.default_rng(0)
    specs = [tf.TensorSpec(shape) for shape in shapes]
    concrete = tf.function(function, autograph=False).get_concrete_function(*specs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision != "int8-dynamic":
        converter.representative_dataset = lambda: (
            [random.standard_normal(shape).astype(np.float32) for shape in shapes] for _ in range(8)
        )
    if precision == "int16x8":
        wide = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [wide]
    path = folder / "integers.tflite"
    with without_native_noise():
        path.write_bytes(converter.convert())
    return path


def file_with_open_sizes(folder: Path, function: Callable[..., Any], shape: tuple[int | None, ...]) -> Path:
    """As TFLite's own converter makes it; None for a size that only runs tell."""
    concrete = tf.function(function, autograph=False).get_concrete_function(tf.TensorSpec(shape))
    path = folder / "open.tflite"
    with without_native_noise():
        path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module()).convert())
    return path
