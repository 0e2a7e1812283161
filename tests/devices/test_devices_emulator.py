"""Emulated machines: names, image, life and death, and launches whose figures repeat."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

import devices
from devices.adb.device import AdbDevice
from devices.emulator.cpio import pack_initramfs
from devices.emulator.device import EmulatedDevice
from devices.emulator.image import build_image, find_image
from devices.emulator.kinds import KINDS, parse_machine
from devices.emulator.machine import find_running, start_detached, stop_detached
from tests.devices import tiny_models
from tests.devices.conftest import boot
from tests.devices.launch_helpers import interpreter_outputs, quick, write_inputs
from tests.devices.processes import wait_for_end
from tests.effort import slow


@pytest.mark.parametrize("name", ["arm", "x86", "arm:cortex-a53", "arm#2", "arm:cortex-a72#3"])
def test_names_are_read_and_written_alike(name: str) -> None:
    assert parse_machine(name).name == name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("arm:cortex-a5", "did you mean cortex-a53"),
        ("arm#0", "names no emulated machine"),
        ("arm:", "names no emulated machine"),
        ("mips", "no device called 'mips'"),
        ("ram", "did you mean arm"),
    ],
)
def test_wrong_names_are_one_message(name: str, words: str) -> None:
    with pytest.raises(devices.DeviceError, match=words):
        devices.open_device(name)


@pytest.mark.parametrize(("name", "package"), [("arm", "qemu-system-arm"), ("x86", "qemu-system-x86")])
def test_a_missing_qemu_names_its_package(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(devices.DeviceError, match=f"sudo apt-get install {package}$"):
        devices.open_device(name)


def test_a_missing_apt_is_named(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(devices.DeviceError, match=r"needs apt-get.*Debian"):
        build_image(KINDS["arm"])


def test_an_unreachable_mirror_is_named(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("apt-get") is None:
        pytest.skip("no apt-get here")
    monkeypatch.setenv("NOBUCO_DEBIAN_MIRROR", "http://127.0.0.1:9/debian")
    with pytest.raises(devices.DeviceError, match=r"127\.0\.0\.1:9.*NOBUCO_DEBIAN_MIRROR"):
        build_image(KINDS["arm"])
    assert find_image(KINDS["arm"]) is None


def test_an_initramfs_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "tool").write_text("tool")
    (root / "bin" / "tool").chmod(0o755)
    (root / "link").symlink_to("bin/tool")
    pack_initramfs(root, tmp_path / "one.gz")
    os.utime(root / "bin" / "tool", (1, 1))
    pack_initramfs(root, tmp_path / "two.gz")
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()
    content = gzip.decompress((tmp_path / "one.gz").read_bytes())
    assert content.startswith(b"070701") and b"TRAILER!!!" in content and len(content) % 4 == 0


# Everything below boots machines.


def emulator_pid(device: EmulatedDevice) -> int:
    assert device._machine is not None
    return device._machine.pid


@pytest.mark.emulator
def test_outputs_on_arm_are_the_interpreters(arm: EmulatedDevice, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    cases: dict[Callable[[Path], Path], list[np.ndarray]] = {
        tiny_models.dense_softmax: [rng.standard_normal((1, 64)).astype(np.float32)],
        tiny_models.several_types: [
            rng.standard_normal((2, 3)).astype(np.float32),
            rng.standard_normal((2, 3)).astype(np.float32),
            np.array([1, -2, 3, 2**40], np.int64),
        ],
    }
    for make, values in cases.items():
        model = make(tmp_path / f"{make.__name__}.tflite")
        request = quick(model, inputs=write_inputs(tmp_path, values), want_outputs=True, profile=True)
        result = devices.launch(arm, request)
        assert result.ok and result.unit == "kinstr" and result.delegate_applied == "xnnpack", result.error
        assert len(result.times_us) == 3 and result.ops
        for ours, theirs in zip(result.outputs, interpreter_outputs(model, values), strict=True):
            assert ours.dtype == theirs.dtype
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@slow  # an x86 machine takes a minute to boot
@pytest.mark.emulator
def test_x86_runs_the_same(x86: EmulatedDevice, tmp_path: Path) -> None:
    model, values = tiny_models.dense_softmax(tmp_path / "m.tflite"), [np.ones((1, 64), np.float32)]
    result = devices.launch(x86, quick(model, inputs=write_inputs(tmp_path, values), want_outputs=True))
    assert x86.info().abi == "x86_64" and result.ok and result.unit == "kinstr", result.error
    np.testing.assert_allclose(result.outputs[0], interpreter_outputs(model, values)[0], rtol=1e-5, atol=1e-7)


@pytest.mark.emulator
def test_failures_on_the_device_are_results(arm: EmulatedDevice, tmp_path: Path) -> None:
    corrupt = tmp_path / "corrupt.tflite"
    corrupt.write_bytes(b"no model at all, but long enough to look at")
    result = devices.launch(arm, quick(corrupt))
    assert not result.ok and "TFL3" in str(result.error)
    model = tiny_models.dense_softmax(tmp_path / "model.tflite")
    result = devices.launch(arm, quick(model, num_runs=10_000_000, max_seconds=1e6, timeout=3))
    assert not result.ok and "ended after 3 s" in str(result.error)


@pytest.mark.emulator
def test_figures_repeat_from_boot_to_boot_and_side_by_side(arm: EmulatedDevice, tmp_path: Path) -> None:
    large = tiny_models.dense_softmax(tmp_path / "large.tflite", width=1024, layers=4)
    small = tiny_models.islands(tmp_path / "small.tflite")
    counts: dict[str, list[float]] = {"large": [], "small": []}
    other = boot("arm#2")
    try:
        for number, device in enumerate((arm, other, arm)):
            if number == 2:  # something else runs in the machine meanwhile
                device.run(["sh", "-c", "(while :; do :; done) >/dev/null 2>&1 & true"], timeout=30)
            for name, model in (("large", large), ("small", small)):
                result = devices.launch(device, quick(model, num_runs=5))
                assert result.ok, result.error
                counts[name].append(float(np.median(result.times_us)))
    finally:
        arm.run(["sh", "-c", "kill -9 $(ps | grep '[d]o :; done' | awk '{print $1}')"], timeout=30)
        other.close()
    for name, limit in (("large", 1.001), ("small", 1.001)):
        assert max(counts[name][:2]) / min(counts[name][:2]) < limit, counts
    # Sharing the core costs switches from one to the other, and no more.
    assert counts["large"][2] / counts["large"][0] < 1.02, counts


@pytest.mark.emulator
def test_another_processor(tmp_path: Path) -> None:
    device = boot("arm:cortex-a53")
    try:
        assert device.info().soc == "Cortex-A53"
    finally:
        device.close()


@pytest.mark.emulator
def test_the_machine_listens_on_loopback_alone_and_rests_between_uses(arm: EmulatedDevice) -> None:
    arm.run(["true"], timeout=30)
    process = psutil.Process(emulator_pid(arm))
    listening = [
        entry.laddr for entry in process.net_connections("inet") if entry.status == psutil.CONN_LISTEN
    ]
    assert listening and {address.ip for address in listening} == {"127.0.0.1"}
    deadline = time.monotonic() + 5  # the signal takes its time on a busy machine
    while process.status() != psutil.STATUS_STOPPED and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.status() == psutil.STATUS_STOPPED


@pytest.mark.emulator
def test_nothing_is_left_after_its_starter_was_killed() -> None:
    boot("arm#4").close()
    script = """
import time, devices
device = devices.open_device("arm#4")
device.info()
print(device._machine.pid, flush=True)
time.sleep(60)
"""
    starter = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    assert psutil.pid_exists(pid)
    starter.send_signal(signal.SIGKILL)
    starter.communicate()
    assert wait_for_end(pid)


@pytest.mark.emulator
def test_an_emulator_that_ends_is_said(arm: EmulatedDevice) -> None:
    device = boot("arm#5")
    os.kill(emulator_pid(device), signal.SIGKILL)
    with pytest.raises(devices.DeviceError, match="arm#5"):
        device.run(["true"], timeout=10)
    device.close()


@pytest.mark.emulator
def test_a_machine_that_was_started_to_stay(arm: EmulatedDevice, own_cache: Path) -> None:
    # An empty cache of its own, so that no machine that a user started is touched; the image is brought
    # along.
    image = find_image(KINDS["arm"])
    assert image is None
    with pytest.MonkeyPatch.context() as real:
        real.delenv("NOBUCO_CACHE_DIR")
        built = build_image(KINDS["arm"]).kernel.parent
    (own_cache / "machines" / "arm").mkdir(parents=True, exist_ok=True)
    (own_cache / "machines" / "arm" / built.name).symlink_to(built)
    spec = parse_machine("arm#6")
    running = start_detached(spec)
    try:
        assert start_detached(spec) == running == find_running(spec)
        device = devices.open_device("arm#6")
        assert device.run(["echo", "hi"], timeout=30).stdout == b"hi\n"
        device.close()
        assert find_running(spec) == running
    finally:
        assert stop_detached(spec)
    assert not stop_detached(spec) and find_running(spec) is None and wait_for_end(running.pid)


@pytest.mark.emulator
def test_an_emulated_machine_counts_instructions_whichever_way_it_is_reached(arm: EmulatedDevice) -> None:
    by_adb = AdbDevice("adb:127.0.0.1:5555", arm._connect)
    with arm.awake():
        assert by_adb.emulated
    by_adb.close()
