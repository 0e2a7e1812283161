"""Logarithms of a softmax are written out for XNNPACK, and stay right wherever exponentials would not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st

from nobuco.tflite import export_tflite
from tests.effort import examples
from tests.tflite.delegation import partitions_and_left
from tests.tflite.test_forms import formed


def exported(folder: Path, shape: tuple[int, ...]) -> Path:
    x = keras.Input(batch_shape=shape)
    model = keras.Model(x, keras.layers.Lambda(tf.nn.log_softmax)(x))
    return export_tflite(model, folder / "m.tflite", validate=False).path


def answer(file: Path, x: np.ndarray) -> np.ndarray:
    interpreter: Any = Interpreter(str(file))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@settings(max_examples=examples(100), deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=5), st.sampled_from([0.01, 1.0, 40.0, 1e6]))
def test_any_shape(shape: list[int], scale: float) -> None:
    ops = formed(lambda x: tf.nn.log_softmax(x * scale), tuple(shape))
    assert "LogSoftmax" not in ops and ops.count("Exp") == ops.count("Log") == 1


def test_sizes_that_are_unknown() -> None:
    assert "Log" in formed(tf.nn.log_softmax, (None, None), at=[(3, 5)])


@pytest.mark.parametrize("shape", [(7,), (1, 10), (2, 5, 1000), (1, 4, 4, 21), (1, 2, 3, 2, 5)])
def test_xnnpack_takes_it(shape: tuple[int, ...], tmp_path: Path) -> None:
    file = exported(tmp_path, shape)
    assert partitions_and_left(file) == (1, [])
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32) * 5
    double = x.astype(np.float64)
    right = double - np.log(np.exp(double).sum(-1, keepdims=True))
    np.testing.assert_allclose(answer(file, x), right, rtol=1e-6, atol=1e-6)


def test_values_that_exponentials_do_not_reach(tmp_path: Path) -> None:
    row = [
        [-np.inf, 0.0, 1.0],
        [1e30, -1e30, 0.0],
        [-3e38, 3e38, 0.0],
        [200.0, 200.0, 200.0],
        [-np.inf, 3e38, 3e38],
    ]
    x = np.array(row, np.float32)
    wanted = tf.nn.log_softmax(x).numpy()
    assert not np.isnan(wanted).any()
    np.testing.assert_allclose(answer(exported(tmp_path, x.shape), x), wanted, rtol=1e-6)
