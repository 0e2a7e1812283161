"""Some ops of a file, as a file of their own, compute what they compute in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.bisect.recording import recorded
from nobuco.native_log import without_native_noise
from nobuco.tflite import TFLiteFileError, inspect_tflite
from nobuco.tflite.cutting import Cutter, NotCut
from tests.effort import examples
from tests.tflite.test_forms import weight

_KERNEL = weight(3, 3, 4, 4)


def _model(x: tf.Tensor) -> list[tf.Tensor]:
    y = tf.nn.conv2d(x, _KERNEL, 1, "SAME")
    parts = tf.split(tf.nn.tanh(y), 2, 3)
    z = tf.cond(tf.reduce_mean(y) > 0.0, lambda: parts[0] * 2.0, lambda: tf.exp(parts[1]))
    w = tf.while_loop(lambda i, w: i < 3, lambda i, w: (i + 1, w * 0.5 + z), (0, z))[1]
    return [w + parts[1], tf.transpose(y, (0, 3, 1, 2))]


@pytest.fixture(scope="module", params=["float32", "float16 weights"])
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    concrete = tf.function(_model, autograph=False).get_concrete_function(tf.TensorSpec((None, 5, 6, 4)))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
    if request.param != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    path = tmp_path_factory.mktemp("m") / "m.tflite"
    with without_native_noise():
        path.write_bytes(converter.convert())
    return path


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(st.data())
def test_any_nodes(file: Path, tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    cutter = Cutter(file)
    values = recorded(
        file, [np.random.default_rng(0).standard_normal((2, 5, 6, 4)).astype(np.float32)], cutter.computed
    )
    nodes = data.draw(st.sets(st.integers(0, len(cutter) - 1), min_size=1))
    cut = cutter.cut(nodes, values)
    path = tmp_path_factory.mktemp("cut") / "cut.tflite"
    path.write_bytes(cut.data)
    info = inspect_tflite(path)
    assert [row.op for row in info.rows if row.subgraph == 0] == [cutter.ops[node] for node in cut.nodes]
    again = recorded(path, [values[index] for index in cut.inputs], range(10_000))
    graph = Cutter(path)._graph
    assert len(graph.outputs) == len(cut.outputs) > 0
    for place, index in zip(graph.outputs, cut.outputs, strict=True):
        np.testing.assert_allclose(again[place], values[index], rtol=1e-5, atol=1e-6)


def test_the_size_of_what_is_left(file: Path) -> None:
    cutter = Cutter(file)
    values = recorded(file, [], cutter.computed)
    small = cutter.cut([cutter.ops.index("TRANSPOSE")], values)
    assert len(small.data) < 1200 < file.stat().st_size
    assert len(cutter.cut(range(len(cutter)), values).data) < file.stat().st_size + 500


def test_half_precision_weights_come_along(file: Path) -> None:
    cutter = Cutter(file)
    cut = cutter.cut([cutter.ops.index("CONV_2D")], recorded(file, [], cutter.computed))
    assert len(cut.inputs) == 1
    assert {cutter.ops[node] for node in cut.nodes} <= {"CONV_2D", "DEQUANTIZE"}


def test_what_is_not_recorded(file: Path) -> None:
    with pytest.raises(NotCut):
        Cutter(file).cut([0], {})


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(b"\0\0\0\0TFL3" + b"\xff" * 40)
    with pytest.raises(TFLiteFileError, match=r"m\.tflite: "):
        Cutter(tmp_path / "m.tflite")
