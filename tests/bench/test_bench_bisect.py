"""The smallest part of a file that a delegate refuses, fails on or computes wrongly."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import devices
from bench.bisect import trial
from bench.bisect.search import smallest
from bench.cli import main
from bench.commands.bisect import FOUND
from devices.runners.embedded.vulkan import vulkan_environment
from nobuco.native_log import without_native_noise
from nobuco.tflite import inspect_tflite
from tests.delegates.files import file_with_integers
from tests.delegates.test_check import file_of
from tests.effort import examples

_SHAPE = [(1, 4, 5, 8)]


@pytest.fixture
def webgpu() -> None:
    try:
        vulkan_environment()
    except devices.DeviceError as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def bisect(file: Path, *arguments: str) -> Any:
    return CliRunner().invoke(main, ["bisect", str(file), *arguments])


def a_chain(x: tf.Tensor, odd: Callable[[Any], Any]) -> tf.Tensor:
    """An odd op among others, not the first and not the last."""
    y = tf.nn.tanh(tf.nn.conv2d(x, tf.ones((3, 3, 8, 8)) / 50.0, 1, "SAME"))
    return tf.nn.sigmoid(odd(y * 0.5 + 1.0)) * 3.0 + tf.nn.relu(x)


# -- the search


@settings(max_examples=examples(200), deadline=None, derandomize=True)
@given(
    st.integers(1, 60).flatmap(
        lambda count: st.tuples(st.just(count), st.sets(st.integers(0, count - 1), min_size=1))
    )
)
def test_nothing_can_be_left_out_of_what_is_found(case: tuple[int, set[int]]) -> None:
    count, needed = case
    assert set(smallest(range(count), lambda nodes: needed <= set(nodes))) == needed


def test_one_node_of_a_thousand_takes_few_launches() -> None:
    asked: list[Sequence[int]] = []
    assert smallest(range(1000), lambda nodes: not asked.append(nodes) and 617 in nodes) == [617]
    assert len(asked) < 40


def test_either_of_two_is_enough() -> None:
    assert smallest(range(50), lambda nodes: 3 in nodes or 40 in nodes) in ([3], [40])


# -- on ML Drift itself, by WebGPU


def test_what_is_refused(tmp_path: Path, webgpu: None) -> None:
    file = file_of(tmp_path, lambda x: a_chain(x, tf.nn.log_softmax), _SHAPE)
    done = bisect(file, "--delegate", "gpu-webgpu")
    assert done.exit_code == FOUND, done.output
    assert "gpu-webgpu refuses LOG_SOFTMAX of m.tflite" in done.stdout
    assert "LOG_SOFTMAX: Operation is not supported" in done.stdout and "LiteRT" in done.stdout
    part = inspect_tflite(tmp_path / "m-gpu-webgpu-refused.tflite")
    assert [row.op for row in part.rows] == ["LOG_SOFTMAX"]


def test_what_is_computed_wrongly(tmp_path: Path, webgpu: None) -> None:
    """The delegate exchanges base and exponent where the base is a constant."""
    file = file_of(tmp_path, lambda x: a_chain(x, lambda y: tf.pow(2.0, y)), _SHAPE)
    done = bisect(file, "--delegate", "gpu-webgpu", "--out", "out/part.tflite", "--json")
    assert done.exit_code == FOUND, done.output
    said = json.loads(done.stdout)
    assert (said["fault"], said["ops"]) == ("wrong", ["POW"]) and said["error"] > 0.01
    with np.load(tmp_path / "out" / "part.npz") as values:
        np.testing.assert_allclose(values["output_0"], 2.0 ** values["input_0"], rtol=1e-5)
        assert values["input_0"].min() > 0.4 and values["input_0"].max() < 1.6  # as they are in the whole
    again = bisect(tmp_path / "out" / "part.tflite", "--delegate", "gpu-webgpu", "--tolerance", "10")
    assert again.exit_code == 0 and "takes all of it" in again.stdout


def test_nothing_is_wrong(tmp_path: Path, webgpu: None) -> None:
    file = file_of(tmp_path, lambda x: a_chain(x, tf.nn.elu), _SHAPE)
    done = bisect(file, "--delegate", "gpu-webgpu")
    assert done.exit_code == 0 and "takes all of it and computes it as the CPU does" in done.stdout
    assert list(tmp_path.glob("*gpu-webgpu*")) == []


def test_the_lines_of_the_program(tmp_path: Path, webgpu: None) -> None:
    file = file_of(tmp_path, lambda x: a_chain(x, tf.nn.log_softmax), _SHAPE)
    ops = [row.op for row in inspect_tflite(file).rows]
    rows = [{"op": op, "module": "head", "source": f"net.py:{number}"} for number, op in enumerate(ops)]
    (tmp_path / "origins.json").write_text(json.dumps(rows))
    done = bisect(file, "--delegate", "gpu-webgpu")
    assert f"head (net.py:{ops.index('LOG_SOFTMAX')})" in done.stdout
    (tmp_path / "others.json").write_text(json.dumps(rows[1:]))
    done = bisect(file, "--delegate", "gpu-webgpu", "--origins", "others.json")
    assert done.exit_code == 1 and "lists other ops than" in done.stderr


# -- on the CPU, and with a runner that does as it is told


def test_what_xnnpack_refuses(tmp_path: Path) -> None:
    file = file_of(tmp_path, lambda x: a_chain(x, lambda y: tf.cumsum(y, 1)), _SHAPE)
    done = bisect(file, "--delegate", "xnnpack")
    assert done.exit_code == FOUND and "xnnpack refuses CUMSUM" in done.stdout, done.output
    assert bisect(file, "--delegate", "cpu-reference").exit_code == 0


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[set[str]], None]:
    """Lets launches of files with all of these ops fail, as no delegate here does at the time of writing."""
    launch = trial.launch

    def fail_on(ops: set[str]) -> None:
        def stand_in(device: devices.Device, request: devices.LaunchRequest) -> devices.LaunchResult:
            result = launch(device, request)
            if not ops <= set(inspect_tflite(request.model).ops):
                return result
            nodes = len(inspect_tflite(request.model).rows)
            return replace(
                result,
                ok=False,
                error=f"Init failed with {nodes} nodes; more",
                outputs=[],
                delegated_nodes=None,
            )

        monkeypatch.setattr(trial, "launch", stand_in)

    return fail_on


def test_two_ops_that_fail_together(tmp_path: Path, failing: Callable[[set[str]], None]) -> None:
    file = file_of(tmp_path, lambda x: a_chain(x, tf.nn.elu), _SHAPE)
    failing({"TANH", "LOGISTIC"})
    done = bisect(file, "--delegate", "xnnpack")
    assert done.exit_code == FOUND and "xnnpack fails on 2 ops of m.tflite" in done.stdout
    assert "it fails: Init failed with 2 nodes" in done.stdout
    assert set(inspect_tflite(tmp_path / "m-xnnpack-fails.tflite").ops) == {"TANH", "LOGISTIC"}


# -- files with integers


def exchanged_halves(x: tf.Tensor) -> tf.Tensor:
    kernel = np.random.default_rng(1).standard_normal((3, 3, 8, 8)).astype(np.float32)
    p, q = tf.split(tf.nn.conv2d(x, kernel, 1, "SAME"), 2, 3)
    return tf.concat([q, p * 3.0], 3)


def test_rounding_in_another_order_is_not_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = file_with_integers(tmp_path, exchanged_halves, _SHAPE)
    off_by(0.02, "CONV_2D", monkeypatch)  # of the largest number of -128 to 127: some three steps
    done = bisect(file, "--delegate", "xnnpack")
    assert done.exit_code == 0, done.output
    asked = bisect(file, "--delegate", "xnnpack", "--tolerance", "0.001")  # what is asked for holds
    assert asked.exit_code == FOUND and "0.001 is allowed" in asked.stdout


def test_integers_that_are_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = file_with_integers(tmp_path, exchanged_halves, _SHAPE)
    off_by(0.3, "MUL", monkeypatch)
    done = bisect(file, "--delegate", "xnnpack")
    assert done.exit_code == FOUND and "xnnpack computes wrongly MUL of" in done.stdout, done.output
    assert "2.0 steps of its integers" in done.stdout and "1 op before it" in done.stdout
    said = json.loads(bisect(file, "--delegate", "xnnpack", "--json").stdout)
    assert (
        said["ops"] == ["MUL"] and said["rounding_steps"] == 2 and said["error"] > said["tolerance"] > 0.001
    )


def off_by(share: float, op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets what parts with the op return be off by this share of the largest number."""
    launch = trial.launch

    def stand_in(device: devices.Device, request: devices.LaunchRequest) -> devices.LaunchResult:
        result = launch(device, request)
        if op in inspect_tflite(request.model).ops:
            result = replace(result, outputs=tuple(map(shifted, result.outputs)))
        return result

    def shifted(output: np.ndarray) -> np.ndarray:
        if output.dtype.kind == "f":
            return output + np.float32(share * np.abs(output).max())
        return np.clip(output.astype(int) + round(share * 127), -128, 127).astype(output.dtype)

    monkeypatch.setattr(trial, "launch", stand_in)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--delegate", "gpu"], "there is no delegate 'gpu'; did you mean gpu-"),
        (["--delegate", "gpu-opencl"], "device host has no delegate gpu-opencl"),
        (["--delegate", "xnnpack", "--device", "hots"], "did you mean host?"),
        (["--delegate", "xnnpack", "--input", "x.npy"], "x.npy: cannot be read as .npy"),
        (["--delegate", "xnnpack", "--input", "y.npy"], "float64 is given"),
        (
            ["--delegate", "xnnpack", "--input", "z.npy", "--input", "z.npy"],
            "2 inputs are given, the file takes 1",
        ),
        (["--delegate", "xnnpack", "--input", "w.npy"], "does not run on the CPU"),
        (["--delegate", "xnnpack", "--origins", "nowhere.json"], "nowhere.json: it does not tell"),
    ],
)
def test_what_cannot_be(arguments: list[str], said: str, tmp_path: Path) -> None:
    file = file_of(tmp_path, lambda x: a_chain(x, lambda y: tf.cumsum(y, 1)), _SHAPE)
    np.save(tmp_path / "y.npy", np.zeros(_SHAPE[0]))
    np.save(tmp_path / "z.npy", np.zeros(_SHAPE[0], np.float32))
    np.save(tmp_path / "w.npy", np.zeros((1, 4, 5, 3), np.float32))
    done = bisect(file, *arguments)
    assert done.exit_code == 1 and done.stderr.splitlines()[-1].startswith("Error: ") and said in done.stderr
    assert "Traceback" not in done.output


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    done = bisect(tmp_path / "none.tflite", "--delegate", "xnnpack")
    assert done.exit_code == 1 and "none.tflite: cannot be read" in done.stderr


def as_bytes(function: Callable[..., Any], spec: tf.TensorSpec) -> bytes:
    concrete = tf.function(function, autograph=False).get_concrete_function(spec)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    with without_native_noise():
        return converter.convert()


def test_a_file_with_ops_of_tensorflow(tmp_path: Path) -> None:
    file = tmp_path / "flex.tflite"
    file.write_bytes(as_bytes(lambda x: tf.strings.length(x), tf.TensorSpec((4,), tf.string)))
    done = bisect(file, "--delegate", "xnnpack")
    assert done.exit_code == 1 and "flex.tflite: FlexStringLength" in done.stderr, done.output
    assert "without allow_flex" in done.stderr


def test_a_file_that_takes_text(tmp_path: Path) -> None:
    file = tmp_path / "text.tflite"
    file.write_bytes(as_bytes(lambda x: tf.reshape(x, [2, 2]), tf.TensorSpec((4,), tf.string, "words")))
    done = bisect(file, "--delegate", "xnnpack")
    assert done.exit_code == 1 and "words:0' takes text" in done.stderr, done.output
