"""Constants that are joined are held as one of their equal parts, and what is computed stays, to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import models_zoo
import nobuco
from nobuco.tflite import export_tflite
from nobuco.tflite.forms import with_forms
from nobuco.tflite.forms.repeated_parts import FORM
from tests.effort import examples
from tests.tflite.delegation import partitions_and_left
from tests.tflite.test_forms import formed

_RANDOM = np.random.default_rng(0)


def _twice(shape: tuple[int, ...]) -> Any:
    batch, count, *others = shape
    return np.concatenate([_RANDOM.random((batch, count // 2, *others))] * 2, 1)


_CONSTANTS = {
    "zeros": tf.zeros,
    "ones": lambda shape: tf.ones_like(tf.zeros(shape)),
    "number": lambda shape: tf.reshape(tf.fill([int(np.prod(shape))], -2.5), shape),
    "signed zeros": lambda shape: np.where(np.arange(np.prod(shape)) % 3, -0.0, 0.0).reshape(shape),
    "bits": lambda shape: _RANDOM.integers(0, 2, shape),
    "twice": _twice,
}


def held(function: Any, shape: tuple[int, ...]) -> int:
    """Elements of the largest constant that a function joins."""
    spec = tf.TensorSpec(shape, tf.float32)
    made = with_forms(tf.function(function, autograph=False).get_concrete_function(spec), [FORM])
    joints = [op for op in made.graph.get_operations() if op.type == "ConcatV2"]
    constants = [tensor for op in joints for tensor in op.inputs[:-1] if tensor.op.type == "Const"]
    return max(tensor.shape.num_elements() for tensor in constants)


@settings(max_examples=examples(300), deadline=None, derandomize=True)
@given(
    st.sampled_from(sorted(_CONSTANTS)), st.integers(1, 2), st.integers(1, 20).map(lambda n: 2 * n),
    st.sampled_from([3, 128, 512]), st.integers(1, 3), st.integers(0, 3),
)  # fmt: skip
def test_any_constant(name: str, batch: int, count: int, width: int, others: int, place: int) -> None:
    constant = tf.constant(np.asarray(_CONSTANTS[name]((batch, count, width))), tf.float32)

    def joined(x: Any) -> Any:
        parts = [x * float(i + 1) for i in range(others)]
        parts.insert(place, constant)
        return tf.concat(parts, 1)

    spec = tf.TensorSpec((batch, 5, width), tf.float32)
    original = tf.function(joined, autograph=False).get_concrete_function(spec)
    x = tf.constant(_RANDOM.standard_normal(spec.shape), tf.float32)
    (expected,), (got,) = (tf.nest.flatten(each(x)) for each in (original, with_forms(original, [FORM])))
    assert got.numpy().tobytes() == expected.numpy().tobytes()


@pytest.mark.parametrize(
    ("count", "part"), [(32, 8), (16, 4), (8, 2), (6, 2), (4, 1), (7, 7), (2, 1), (1, 1)]
)
@pytest.mark.parametrize("name", ["zeros", "ones", "number"])
def test_the_least_part_is_held(count: int, part: int, name: str) -> None:
    def joined(x: Any) -> Any:
        return tf.concat([_CONSTANTS[name]((1, count, 64, 16)), x], 1)

    assert bool(formed(joined, (1, 8, 64, 16), forms=[FORM])) == (part < count)
    assert part == count or held(joined, (1, 8, 64, 16)) == part * 1024


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tf.concat([tf.zeros((4, 8, 16)), x[..., :16]], 1),  # short runs
        lambda x: tf.concat([tf.zeros((4, 8, 512)), *[x] * 4], 1),  # no more are joined at once
        lambda x: tf.concat([tf.range(1 << 14, dtype=tf.float32), tf.reshape(x, [-1])], 0),
        lambda x: tf.cast(tf.concat([tf.zeros((4, 8, 512), tf.int32), tf.cast(x, tf.int32)], 1), tf.float32),
    ],
)
def test_what_stays(function: Any) -> None:
    assert not formed(function, (4, 8, 512), forms=[FORM])


def test_a_scan(tmp_path: Path) -> None:
    loaded = models_zoo.load(models_zoo.ModelSpec("mamba"))
    model = nobuco.pytorch_to_keras(
        loaded.module, args=list(loaded.args), full_validation=False, verbose=False
    )
    result = export_tflite(model, tmp_path / "m.tflite")
    assert partitions_and_left(result) == (1, [])
    assert result.max_relative_error is not None and result.max_relative_error < 1e-5
    # Zeros for 1 to 32 steps of 3,072 states, and ones for 1 to 16, would be 1.2 MB.
    weights = sum(each.numel() * each.element_size() for each in loaded.module.parameters())
    assert result.path.stat().st_size < weights + 4 * 3072 * (8 + 4 + 2 + 1 + 4 + 2 + 1) + 60_000
