"""An export does not ask the Keras model again what the conversion has asked it, unless it is another model by then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

import nobuco
from nobuco.keras_model.answers import Answers, fingerprint
from nobuco.tflite import compare, export_tflite


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.norm(self.conv(x))).mean((2, 3)))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often an export has run the Keras model."""
    times: list[int] = []
    run = compare._by_keras
    monkeypatch.setattr(compare, "_by_keras", lambda *given: (times.append(1), run(*given))[1])
    return times


def _converted(net: nn.Module | None = None) -> keras.Model:
    torch.manual_seed(0)
    return nobuco.pytorch_to_keras((net or Net()).eval(), args=[torch.randn(1, 3, 8, 8)], verbose=False)


def test_what_is_known_is_not_asked_again(tmp_path: Path, asked: list[int]) -> None:
    written = export_tflite(_converted(), tmp_path / "a.tflite")
    assert not asked and written.max_relative_error is not None and written.max_relative_error < 1e-5


def _other_weights(model: keras.Model) -> None:
    model.weights[0].assign(model.weights[0] * 2 + 0.5)


def _other_statistics(model: Any) -> None:
    norm: Any = next(each for each in model.layers if isinstance(each, keras.layers.BatchNormalization))
    norm.moving_mean.assign(norm.moving_mean + 1)


def _other_attribute(model: keras.Model) -> None:
    norm: Any = next(each for each in model.layers if isinstance(each, keras.layers.BatchNormalization))
    norm.epsilon = 0.5


@pytest.mark.parametrize("change", [_other_weights, _other_statistics, _other_attribute])
def test_another_model_is_asked(change: Any, tmp_path: Path, asked: list[int]) -> None:
    model = _converted()
    change(model)
    written = export_tflite(model, tmp_path / "a.tflite")
    assert asked and written.max_relative_error is not None and written.max_relative_error < 1e-5


def test_other_inputs_are_asked(tmp_path: Path, asked: list[int]) -> None:
    export_tflite(_converted(), tmp_path / "a.tflite", sample_inputs=[np.ones((1, 8, 8, 3), np.float32)])
    assert asked


_NUMBERS = np.array([1.0, 2.0, 3.0], np.float32)


def _traced(function: Any) -> Any:
    return tf.function(function).get_concrete_function(tf.TensorSpec((2, 3), tf.float32))


def test_fingerprints() -> None:
    weight, alike = tf.Variable(_NUMBERS), tf.Variable(_NUMBERS)
    one = fingerprint(_traced(lambda x: tf.nn.relu(x * weight) - 1))
    assert one is not None and one == fingerprint(_traced(lambda y: tf.nn.relu(y * alike) - 1))
    others = [
        lambda x: tf.nn.relu(x * weight) - 2,
        lambda x: tf.nn.relu6(x * weight) - 1,
        lambda x: 1 - tf.nn.relu(x * weight),
        lambda x: tf.nn.relu(weight * x) - 1,  # the same in fact; to be called another does no harm
        lambda x: (tf.nn.relu(x * weight) - 1, x),
    ]
    assert one not in [fingerprint(_traced(each)) for each in others]
    alike.assign([1.0, 2.0, 4.0])
    assert one != fingerprint(_traced(lambda x: tf.nn.relu(x * alike) - 1))


@pytest.mark.parametrize(
    "unknown",
    [
        lambda x: x + tf.random.normal((2, 3)),
        lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: x, lambda: -x),
        lambda x: tf.numpy_function(lambda a: a, [x], tf.float32),
    ],
)
def test_what_is_not_known_is_asked_each_time(unknown: Any) -> None:
    assert fingerprint(_traced(unknown)) is None
    answers = Answers()
    answers.keep(None, [np.ones(2)], [np.ones(2)])
    assert answers.find(None, [np.ones(2)]) is None


def test_inputs_are_told_apart() -> None:
    answers, zeros = Answers(), np.zeros((2, 3), np.float32)
    answers.keep(b"f", [zeros], [np.ones(1)])
    assert answers.find(b"f", [zeros]) is not None
    for other in (zeros.reshape(3, 2), zeros.astype(np.int32), zeros + 1, np.zeros((0,), np.float32)):
        assert answers.find(b"f", [other]) is None
    assert answers.find(b"g", [zeros]) is None and answers.find(b"f", [zeros, zeros]) is None
