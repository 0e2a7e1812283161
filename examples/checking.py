"""What the examples share: run a converted model, say whether it computes what PyTorch computes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter

TOLERANCE = 1e-4


def channel_last(tensor: torch.Tensor) -> np.ndarray:
    """(B, C, ...) -> (B, ..., C)"""
    return tensor.detach().movedim(1, -1).contiguous().numpy()


def same(what: str, actual: Any, expected: Any, tolerance: float = TOLERANCE) -> None:
    """Prints the relative error; ends the program when it is too large."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    if actual.shape != expected.shape:
        fail(f"{what}: shape {actual.shape}, PyTorch has {expected.shape}")
    error = np.abs(actual - expected).max() / (np.abs(expected).max() or 1.0)
    print(f"{what}: relative error {error:.1e}")
    if not error <= tolerance:
        fail(f"{what}: that is more than {tolerance:g}")


def true(what: str, condition: bool) -> None:
    print(f"{what}: {'yes' if condition else 'no'}")
    if not condition:
        fail(f"{what}: it should be so")


def fail(message: str) -> None:
    sys.exit(f"WRONG: {message}")


def run_tflite(file: Path | str, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Runs a .tflite file in the LiteRT interpreter, resized to the inputs' shapes where they differ."""
    interpreter = Interpreter(str(file))
    for detail, array in zip(interpreter.get_input_details(), inputs, strict=True):
        if tuple(detail["shape"]) != array.shape:
            interpreter.resize_tensor_input(detail["index"], array.shape)
    interpreter.allocate_tensors()
    for detail, array in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]
