"""The embedded runner on this host, held against the LiteRT interpreter."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import devices
from devices.runners.embedded import build, litert
from devices.runners.embedded.build import build_runner
from devices.runners.embedded.vulkan import vulkan_environment
from tests.devices import tiny_models
from tests.devices.launch_helpers import interpreter_outputs, quick, write_inputs
from tests.devices.processes import wait_for_end

RNG = np.random.default_rng(1)
CASES: dict[Callable[[Path], Path], list[np.ndarray]] = {
    tiny_models.dense_softmax: [RNG.standard_normal((1, 64)).astype(np.float32)],
    tiny_models.several_types: [
        RNG.standard_normal((2, 3)).astype(np.float32),
        RNG.standard_normal((2, 3)).astype(np.float32),
        np.array([1, -2, 3, 2**40], np.int64),
    ],
    tiny_models.islands: [RNG.standard_normal((1, 16)).astype(np.float32)],
    tiny_models.free_batch: [RNG.standard_normal((1, 8)).astype(np.float32)],
    tiny_models.constant_output: [RNG.standard_normal((1, 4)).astype(np.float32)],
}


@pytest.fixture(scope="module")
def host() -> devices.Device:
    return devices.open_device("host")


@pytest.mark.parametrize("delegate", ["xnnpack", "cpu", "cpu-reference"])
@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_outputs_are_the_interpreters(
    make: Callable[[Path], Path], delegate: str, host: devices.Device, tmp_path: Path
) -> None:
    model, values = make(tmp_path / "model.tflite"), CASES[make]
    request = quick(model, delegate=delegate, inputs=write_inputs(tmp_path, values), want_outputs=True)
    result = devices.launch(host, request)
    assert result.ok, result.error
    assert result.delegate_asked == result.delegate_applied == delegate
    expected = interpreter_outputs(model, values)
    assert [(a.dtype, a.shape) for a in result.outputs] == [(b.dtype, b.shape) for b in expected]
    for ours, theirs in zip(result.outputs, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_figures_of_a_launch(host: devices.Device, tmp_path: Path) -> None:
    model = tiny_models.dense_softmax(tmp_path / "model.tflite", width=512)
    result = devices.launch(host, quick(model, num_runs=7))
    assert result.ok and result.unit == "us"
    assert len(result.times_us) == 7 and min(result.times_us) > 1
    assert result.init_us > result.times_us[0] and result.first_us > 0 and result.peak_rss_kb > 5_000
    assert result.runner.startswith("embedded ") and litert.litert_version() in result.runner
    assert "XNNPACK" in result.log and result.ops == [] and result.outputs == []


def test_runs_go_on_until_the_least_time_has_passed(host: devices.Device, tmp_path: Path) -> None:
    model = tiny_models.dense_softmax(tmp_path / "model.tflite")
    result = devices.launch(host, quick(model, min_seconds=0.2))
    assert 0.15e6 < sum(result.times_us) < 5e6
    result = devices.launch(host, quick(model, num_runs=10_000_000, max_seconds=0.2))
    assert sum(result.times_us) < 1e6


def test_partitions_and_profile(host: devices.Device, tmp_path: Path) -> None:
    result = devices.launch(host, quick(tiny_models.islands(tmp_path / "model.tflite"), profile=True))
    assert (result.partitions, result.delegated_nodes, result.total_nodes) == (2, 2, 3)
    assert result.fully_delegated is False and result.left == ("FLOOR_MOD",)
    assert [(op.name, op.partition) for op in result.ops] == [
        ("TanH (NC)", 0),
        ("FLOOR_MOD", None),
        ("Sigmoid (NC)", 1),
    ]
    assert all(op.calls == 1 for op in result.ops)


@pytest.mark.parametrize(
    ("delegate", "kernels"), [("cpu", ["WHILE", "TANH"]), ("xnnpack", ["WHILE", "TanH (NC)"])]
)
def test_what_runs_in_a_loop_is_profiled_as_the_loop(
    delegate: str, kernels: list[str], host: devices.Device, tmp_path: Path
) -> None:
    """Rows of the loop's own ops would count its time twice, under indices of the main graph's other nodes."""
    model = tiny_models.loop(tmp_path / "model.tflite")
    values = [RNG.standard_normal((1, 16)).astype(np.float32)]
    inputs = write_inputs(tmp_path, values)
    request = quick(model, delegate=delegate, inputs=inputs, profile=True, want_outputs=True)
    result = devices.launch(host, request)
    assert result.ok, result.error
    np.testing.assert_allclose(result.outputs[0], np.tanh(values[0] * 2**5), rtol=1e-5, atol=1e-6)
    assert [op.name for op in result.ops] == kernels and all(op.calls == 1 for op in result.ops)
    taken = int(delegate == "xnnpack")
    assert (result.partitions, result.delegated_nodes, result.total_nodes) == (taken, taken, 2)


def test_nothing_delegated_is_a_failure_of_xnnpack(host: devices.Device, tmp_path: Path) -> None:
    model = tiny_models.out_of_range_gather(tmp_path / "model.tflite")
    inputs = write_inputs(tmp_path, [np.array([2], np.int32)])
    result = devices.launch(host, quick(model, inputs=inputs))
    assert not result.ok and result.delegate_applied == "cpu"
    assert result.error == "xnnpack took none of the model's 1 nodes, so they ran on the cpu"
    assert devices.launch(host, quick(model, inputs=inputs, delegate="cpu")).ok


def test_failures_are_results_with_the_logs_own_words(host: devices.Device, tmp_path: Path) -> None:
    def error_of(model: Path, **changes: object) -> str:
        result = devices.launch(host, quick(model, **changes))
        assert not result.ok and result.times_us == [] and result.error
        return result.error

    sound = tiny_models.dense_softmax(tmp_path / "sound.tflite")
    corrupt = tmp_path / "corrupt.tflite"
    corrupt.write_bytes(b"no model at all, but long enough to look at")
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(sound.read_bytes()[:2000])
    assert "TFL3" in error_of(corrupt)
    assert "SIGSEGV" in error_of(cut) and "crashed while loading the model" in error_of(cut)
    assert "there is no file" in error_of(tmp_path / "absent.tflite")
    gather = tiny_models.out_of_range_gather(tmp_path / "gather.tflite")
    assert "gather index out of bounds" in error_of(
        gather, delegate="cpu", inputs=write_inputs(tmp_path, [np.array([77], np.int32)])
    )
    assert "depends on the data" in error_of(tiny_models.positions_of_true(tmp_path / "where.tflite"))
    short = write_inputs(tmp_path, [np.zeros((1, 3), np.float32)])
    assert "takes 256 bytes, the file has 12" in error_of(sound, inputs=short)
    assert "2 input files were given, the model has 1 inputs" in error_of(sound, inputs=short * 2)
    assert "ended after 0.2 s" in error_of(sound, min_seconds=30, timeout=0.2)


def test_a_crash_is_a_result(host: devices.Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crasher = tmp_path / "crasher"
    crasher.write_text("#!/bin/sh\necho 'last words' >&2\nkill -SEGV $$\n")
    crasher.chmod(0o755)
    monkeypatch.setattr("devices.runners.embedded.run.build_runner", lambda abi: crasher)
    result = devices.launch(host, quick(tiny_models.dense_softmax(tmp_path / "model.tflite")))
    assert not result.ok and "signal 11 (SIGSEGV)" in str(result.error) and "last words" in result.log


def test_unknown_delegate_is_named(host: devices.Device, tmp_path: Path) -> None:
    model = tiny_models.dense_softmax(tmp_path / "model.tflite")
    with pytest.raises(devices.DeviceError, match="no delegate called 'tpu'"):
        devices.launch(host, quick(model, delegate="tpu"))


@pytest.mark.parametrize("version", ["2.1.9", "2.4.0", "1.4"])
def test_a_runtime_of_another_abi_is_refused(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: version)
    litert.litert_version.cache_clear()
    try:
        with pytest.raises(devices.DeviceError, match=rf"{version} is installed.*>=2\.2,<2\.4"):
            litert.litert_version()
    finally:
        litert.litert_version.cache_clear()


def test_the_runner_compiles_without_a_warning(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A user's build must not fail for what a newer compiler warns of, so this is asked for here alone.
    monkeypatch.setattr(build, "_FLAGS", ("-O2", "-Wall", "-Wextra", "-Werror"))
    assert build_runner("arm64").stat().st_size > 10_000


def test_the_runner_refuses_bad_arguments() -> None:
    runner = build_runner("x86_64")
    for argument, message in (
        ("--threads=none", "threads=none"),
        ("--colour=red", "unknown argument"),
        ("", ""),
    ):
        done = subprocess.run([runner, argument], capture_output=True, text=True, check=False)
        assert done.returncode == 1 and message in done.stdout and done.stdout.startswith('{"error"')


def test_the_runner_dies_with_its_starter(host: devices.Device, tmp_path: Path) -> None:
    model = tiny_models.dense_softmax(tmp_path / "model.tflite")
    library = litert.litert_library(host.info().abi)
    script = f"""
import subprocess, os
child = subprocess.Popen([{str(build_runner(host.info().abi))!r}, "--library={library}", "--model={model}",
                          "--min-seconds=50"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(child.pid, flush=True)
import time; time.sleep(0.3)
os._exit(0)
"""
    pid = int(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    )
    assert wait_for_end(pid)


def test_webgpu_in_software_takes_nodes_and_is_right(host: devices.Device, tmp_path: Path) -> None:
    try:
        vulkan_environment()
    except devices.DeviceError as error:
        pytest.skip(str(error))
    for make, taken, total in ((tiny_models.dense_softmax, 4, 4), (tiny_models.several_types, 2, 4)):
        model, values = make(tmp_path / f"{make.__name__}.tflite"), CASES[make]
        request = quick(
            model, delegate="gpu-webgpu", inputs=write_inputs(tmp_path, values), want_outputs=True
        )
        result = devices.launch(host, request)
        assert result.ok and result.delegate_applied == "gpu-webgpu", result.error
        assert (result.delegated_nodes, result.total_nodes, result.partitions) == (taken, total, 1)
        assert result.fully_delegated is (taken == total)
        for ours, theirs in zip(result.outputs, interpreter_outputs(model, values), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert any("Tensor type(INT64) is not supported" in reason for reason in result.left)


def test_webgpu_is_for_the_host_alone(tmp_path: Path) -> None:
    class Phone:
        """No more of a device than the question needs."""

        name, emulated, scratch = "adb:phone", False, "/tmp"

        def info(self) -> devices.DeviceInfo:
            return replace(devices.open_device("host").info(), kind="adb", delegates=("xnnpack",))

    model = tiny_models.dense_softmax(tmp_path / "model.tflite")
    with pytest.raises(devices.DeviceError, match="adb:phone has no delegate gpu-webgpu; it has xnnpack"):
        devices.launch(Phone(), quick(model, delegate="gpu-webgpu"))  # pyright: ignore[reportArgumentType]
