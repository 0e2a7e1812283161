"""The official runner: the download against a local server, launches with a stand-in for the binary.

The stand-in (stand_in_benchmark_model.sh) prints what the real program prints in each case and computes nothing. No
real `benchmark_model` runs in these tests.
"""

from __future__ import annotations

import functools
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import devices
from devices.emulator.device import EmulatedDevice
from devices.runners.official.download import STORE_VARIABLE, official_binary, platform_of
from devices.runners.official.flags import Flavour, flags_for
from devices.runners.tflite_io import TensorInfo
from tests.devices import tiny_models
from tests.devices.launch_helpers import quick, write_inputs

STAND_IN = Path(__file__).with_name("stand_in_benchmark_model.sh")


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the test's output."""


@pytest.fixture
def store(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder behind a local store; the nightly build for android_aarch64 is there."""
    root = tmp_path / "store"
    file = root / "nightly" / "latest" / "android_aarch64_benchmark_model"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"first build")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv(STORE_VARIABLE, f"http://127.0.0.1:{server.server_port}")
    yield root
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_binary_is_fetched_once_and_held_to_its_hash(store: Path) -> None:
    binary = official_binary("android_aarch64")
    assert binary.read_bytes() == b"first build" and binary.stat().st_mode & 0o100
    published = store / "nightly" / "latest" / "android_aarch64_benchmark_model"
    published.write_bytes(b"another build")
    assert official_binary("android_aarch64").read_bytes() == b"first build"
    binary.unlink()
    with pytest.raises(devices.DeviceError, match="is not the file that it was when first used"):
        official_binary("android_aarch64")
    published.write_bytes(b"first build")
    assert official_binary("android_aarch64").read_bytes() == b"first build"
    binary.write_bytes(b"spoilt")
    with pytest.raises(devices.DeviceError, match="remove it to fetch it again"):
        official_binary("android_aarch64")


def test_a_missing_release_and_a_store_that_is_away(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(devices.DeviceError, match=r"cannot fetch .*9\.9\.9.*404.*--benchmark-binary"):
        official_binary("android_aarch64", "9.9.9")
    monkeypatch.setenv(STORE_VARIABLE, "http://127.0.0.1:9")
    with pytest.raises(devices.DeviceError, match=r"cannot fetch .*--benchmark-binary"):
        official_binary("android_aarch64")


def test_platforms() -> None:
    info = devices.open_device("host").info()
    assert platform_of(replace(info, abi="arm64", android=True)) == "android_aarch64"
    assert platform_of(replace(info, abi="x86_64", android=False)) == "linux_x86-64"
    with pytest.raises(
        devices.DeviceError, match="no official benchmark_model is published for Android on x86_64 "
    ):
        platform_of(replace(info, abi="x86_64", android=True))


def test_each_flavour_gets_its_own_flags(tmp_path: Path) -> None:
    request = quick(tmp_path / "m", delegate="gpu-opencl", threads=4)
    classic = flags_for(Flavour.CLASSIC, request, "/m", [], "/out")
    assert {"--use_gpu=true", "--gpu_backend=cl", "--gpu_precision_loss_allowed=false"} <= set(classic)
    assert {"--num_threads=4", "--graph=/m", "--output_filepath=/out"} <= set(classic)
    half = flags_for(Flavour.CLASSIC, replace(request, delegate="gpu-opencl-fp16"), "/m", [], "")
    assert "--gpu_precision_loss_allowed=true" in half
    litert = flags_for(Flavour.LITERT, request, "/m", [], "")
    assert "--gpu-precision=fp32" in litert and not any("xnnpack" in flag for flag in litert)
    assert "has no delegate cpu" in str(
        flags_for(Flavour.LITERT, replace(request, delegate="cpu"), "/m", [], "")
    )


def value_files(*inputs: tuple[str, str]) -> str:
    """The flag for inputs of these names and files, or the reason why there is none."""
    named = [(TensorInfo(name, "float32", (1,)), file) for name, file in inputs]
    flags = flags_for(Flavour.CLASSIC, quick(Path("m"), delegate="cpu"), "/m", named, "/out:1")
    if isinstance(flags, str):
        return flags
    assert "--output_filepath=/out:1" in flags, "this flag knows no escape"
    return next(flag.partition("=")[2] for flag in flags if flag.startswith("--input_layer_value_files="))


def test_colons_in_names_and_paths_are_doubled() -> None:
    assert value_files(("serving_default_x:0", "/a/in.bin")) == "serving_default_x::0:/a/in.bin"
    assert value_files(("x::0", "/a:b/c"), ("y:", "/d:")) == "x::::0:/a::b/c,y:::/d::"


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([("a,b", "/f")], "input 0 ('a,b'): its name holds a comma"),
        (
            [("a", "/f"), ("b", "/with,comma")],
            "input 1 ('b'): the path of its values, /with,comma, holds a comma",
        ),
        ([("a", ":f")], "begins with a colon"),
        ([("a", "/f"), ("a", "/g")], "input 1 ('a'): an earlier input has the same name"),
        ([("", "/f")], "it has no name"),
    ],
)
def test_inputs_that_the_flags_cannot_name_are_refused(inputs: list[tuple[str, str]], words: str) -> None:
    assert words in value_files(*inputs)


def test_a_scalar_that_is_the_only_input_is_refused() -> None:
    request = quick(Path("m"), delegate="cpu")
    scalar = (TensorInfo("x", "float32", ()), "/f")
    assert "a scalar that is the only input" in flags_for(Flavour.CLASSIC, request, "/m", [scalar], "")
    other = (TensorInfo("y", "float32", (2, 3)), "/g")
    assert "--input_layer_shape=:2,3" in flags_for(Flavour.CLASSIC, request, "/m", [scalar, other], "")


def stand_in(*flags: str) -> tuple[int, str]:
    done = subprocess.run(["sh", str(STAND_IN), *flags], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_the_stand_in_reads_inputs_by_the_real_programs_rules(tmp_path: Path) -> None:
    """Cases of the real program's own tests, and the words of a real refusal."""
    code, said = stand_in(
        "--input_layer=serving_default_x:0",
        "--input_layer_shape=1",
        "--input_layer_value_files=serving_default_x:0:PATH/input_0.bin",
    )
    assert code == 1
    assert said.startswith("ERROR: serving_default_x:0:PATH/input_0.bin contains more than one delimiter.\n")
    assert said.endswith("ERROR: Benchmarking failed.\n")
    (tmp_path / "in:put").touch()
    for text, name in (
        ("input:F", "input"),
        ("input::0:F", "input:0"),
        ("input::0::0:F", "input:0:0"),
        ("input::::0:F", "input::0"),
    ):
        values = text.replace("F", f"{tmp_path}/in::put")
        code, said = stand_in(
            f"--input_layer={name}", "--input_layer_shape=1", f"--input_layer_value_files={values}"
        )
        assert (code, said) == (0, ""), text
    for values, words in (
        ("a:b:c", "more than one delimiter"),
        ("abc", "abc doesn't contain any delimiter."),
    ):
        code, said = stand_in(
            "--input_layer=a", "--input_layer_shape=1", f"--input_layer_value_files={values}"
        )
        assert code == 1 and words in said
    code, said = stand_in("--input_layer=a", "--input_layer_shape=1", "--input_layer_value_files=b:/f")
    assert code == -signal.SIGABRT and "Cannot find the corresponding input_layer name(b)" in said
    code, said = stand_in("--input_layer=a", "--input_layer_shape=", "--input_layer_value_files=a:/f")
    assert code == 1 and "must match the number of items in --input_layer" in said


@pytest.fixture
def play(tmp_path: Path) -> Iterator[object]:
    """Launch the stand-in on a device in one of its cases."""

    def launch(device: devices.Device, case: str, **changes: object) -> devices.LaunchResult:
        # TensorFlow names inputs so, and the flags have to escape it.
        model = tiny_models.islands(tmp_path / f"{case}.tflite", "serving_default_x:0")
        return devices.launch(device, quick(model, benchmark_binary=STAND_IN, **changes))

    yield launch


OPENCL_CASES = [
    ("full", "gpu-opencl", None),
    ("partial", "gpu-opencl", None),
    (
        "fallback",
        "cpu",
        "gpu-opencl was asked for, cpu ran: GPU acceleration is unsupported on this platform.",
    ),
    ("opengl", "gpu-opengl", "Falling back to OpenGL"),
    ("none", "cpu", "will not be executed by the delegate.; FLOOR_MOD: Operation is not supported."),
    # What could not be applied ran nothing, and the reason is given without what follows upon it.
    ("noopencl", None, "TfLiteGpuDelegate Init: clGetPlatformIDs returned -1001"),
    ("nogpu", None, "TfLiteGpuDelegate Init: No GPU detected."),
    (
        "dynamic",
        None,
        "Attempting to use a delegate that only supports static-sized tensors with a graph that has dynamic-sized "
        "tensors (tensor#16 is a dynamic-sized tensor).",
    ),
    ("failure", None, "Failed to apply GPU delegate"),
    ("crash", None, "signal 11"),
]
ALONE = {"noopencl", "nogpu", "dynamic", "fallback"}


def check_case(result: devices.LaunchResult, case: str, applied: str | None, words: str | None) -> None:
    assert result.delegate_asked == "gpu-opencl" and result.delegate_applied == applied, result.error
    assert result.runner.startswith("benchmark_model classic ")
    if words:
        assert not result.ok and words in str(result.error) and result.times_us == []
        assert case not in ALONE or result.error == words
    else:
        assert result.ok and len(result.times_us) == 1 and result.error is None


@pytest.mark.parametrize(("case", "applied", "words"), OPENCL_CASES)
def test_opencl_with_a_stand_in_on_the_host(play, case: str, applied: str | None, words: str | None) -> None:
    check_case(play(devices.open_device("host"), case, delegate="gpu-opencl"), case, applied, words)


@pytest.mark.emulator
@pytest.mark.parametrize(("case", "applied", "words"), OPENCL_CASES)
def test_opencl_with_a_stand_in_on_arm(
    arm: EmulatedDevice, play, case: str, applied: str | None, words: str | None
) -> None:
    check_case(play(arm, case, delegate="gpu-opencl"), case, applied, words)


def test_figures_of_a_stand_in(play) -> None:
    host = devices.open_device("host")
    full = play(host, "full", delegate="gpu-opencl")
    assert (full.init_us, full.first_us, full.times_us) == (530, 1500000, [4500])
    assert full.fully_delegated and full.peak_rss_kb == round(16.5 * 1024)
    assert (full.delegated_nodes, full.total_nodes, full.partitions) == (3, 3, 1)
    partial = play(host, "partial", delegate="gpu-opencl")
    assert (partial.delegated_nodes, partial.total_nodes, partial.partitions) == (1, 3, 1)
    assert partial.fully_delegated is False
    # Two nodes stayed behind and one was refused: the other is supported, and outside the largest partition.
    assert partial.left == ("FLOOR_MOD: Operation is not supported.",) and partial.refused_at_most == 1
    none = play(host, "none", delegate="gpu-opencl")
    assert (none.delegated_nodes, none.total_nodes, none.refused_at_most) == (0, 3, 1)
    assert none.left == ("FLOOR_MOD: Operation is not supported.",)


def test_delegation_by_xnnpack_with_a_stand_in(play) -> None:
    host = devices.open_device("host")
    full = play(host, "full", delegate="xnnpack")
    assert full.ok and full.delegate_applied == "xnnpack"
    assert (full.delegated_nodes, full.total_nodes, full.partitions) == (3, 3, 1)
    partial = play(host, "partial", delegate="xnnpack")
    assert partial.ok and partial.fully_delegated is False
    # A release build prints the number of kernels and no count of nodes: unknown, not guessed.
    assert (partial.delegated_nodes, partial.total_nodes, partial.partitions) == (None, 3, 2)
    profiled = play(host, "partial", delegate="xnnpack", profile=True)
    assert (profiled.delegated_nodes, profiled.left) == (2, ("FLOOR_MOD",))
    none = play(host, "none", delegate="xnnpack")
    assert not none.ok and none.delegate_applied == "cpu"
    assert "xnnpack was asked for, cpu ran: Though XNNPACK delegate" in str(none.error)


def test_a_profile_is_taken_in_a_launch_of_its_own(play) -> None:
    """The stand-in's outputs and times are wrong with the profiler on, as the real program's are on a GPU."""
    host = devices.open_device("host")
    result = play(host, "partial", delegate="gpu-opencl", profile=True, want_outputs=True)
    assert result.ok and result.times_us == [5500]
    assert np.array_equal(result.outputs[0], np.ones((1, 16), np.float32))
    assert [(op.name, op.node, op.delegated, op.time, op.calls) for op in result.ops] == [
        ("Tanh (NC, F32)", 0, True, 750, 2),
        ("FLOOR_MOD", 1, False, 500, 1),
    ]
    assert "Inference (avg): 165000" in result.log, "the log keeps the profiled launch, too"
    alone = play(host, "full", delegate="cpu", profile=True)
    assert [(op.name, op.delegated, op.time) for op in alone.ops] == [
        ("TANH", False, 250),
        ("FLOOR_MOD", False, 500),
        ("LOGISTIC", False, 250),
    ]


def test_a_profile_that_cannot_be_taken_leaves_the_launch_good(play) -> None:
    result = play(devices.open_device("host"), "unprofiled", delegate="cpu", profile=True)
    assert result.ok and result.times_us == [9000] and result.ops == []
    assert result.profile_error == "No profiler"


def test_a_model_that_cannot_be_read_is_a_failed_launch(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"no model at all")
    result = devices.launch(devices.open_device("host"), quick(broken, benchmark_binary=STAND_IN))
    assert not result.ok and "is no .tflite model" in str(result.error)


def test_other_ends_of_a_stand_in(play) -> None:
    host = devices.open_device("host")
    assert play(host, "full", delegate="cpu").delegate_applied == "cpu"
    hang = play(host, "hang", delegate="gpu-opencl", timeout=1)
    assert not hang.ok and "ended after 1 s" in str(hang.error)


def test_outputs_of_a_stand_in(play, tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, [np.ones((1, 16), np.float32)])
    result = play(
        devices.open_device("host"), "full", delegate="gpu-opencl", inputs=inputs, want_outputs=True
    )
    assert result.ok and [output.tolist() for output in result.outputs] == [[[1.0] * 16]]


def test_a_binary_that_is_none(tmp_path: Path) -> None:
    host = devices.open_device("host")
    model = tiny_models.dense_softmax(tmp_path / "model.tflite")
    other = tmp_path / "other"
    shutil.copy("/bin/true", other)
    with pytest.raises(devices.DeviceError, match="does not run as one"):
        devices.launch(host, quick(model, benchmark_binary=other))
    with pytest.raises(devices.DeviceError, match=r"there is no file .*absent"):
        devices.launch(host, quick(model, benchmark_binary=tmp_path / "absent"))
    text = tmp_path / "text"
    text.write_text("no program")
    with pytest.raises(devices.DeviceError, match="does not run as one"):
        devices.launch(host, quick(model, benchmark_binary=text))
