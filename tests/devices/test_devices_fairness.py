"""Waiting for a steady device, holding its mode, placing work on cores, and the overview of what there is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

import devices
from devices.adb.android import fixed_performance_mode
from devices.adb.connect import usb_problem
from devices.adb.device import AdbDevice
from devices.emulator.device import EmulatedDevice
from devices.emulator.outline import outline
from devices.fairness import affinity_prefix, throttling, wait_until_settled
from devices.protocol import CpuCluster, DeviceState, RunResult
from tests.devices import tiny_models
from tests.devices.launch_helpers import quick


class ScriptedPhone:
    """A stand-in for an Android phone: gives the states and answers it was made with, and remembers commands."""

    name, emulated, scratch = "adb:stand-in", False, "/tmp"

    def __init__(self, states: Sequence[DeviceState] = (), answer: bytes = b"", exit_code: int = 0) -> None:
        self._states: Iterator[DeviceState] = iter(states)
        self._answer, self._exit_code = answer, exit_code
        self.commands: list[str] = []

    def info(self) -> devices.DeviceInfo:
        return replace(devices.open_device("host").info(), android=True)

    def state(self) -> DeviceState:
        return next(self._states)

    def run(self, argv: Sequence[str], **_: Any) -> RunResult:
        self.commands.append(" ".join(argv))
        return RunResult(self._exit_code, self._answer, b"", 0.1)


def at(degrees: float | None, status: str | None = "none") -> DeviceState:
    return DeviceState(0.0, {} if degrees is None else {"skin": degrees}, status)


def settle(states: Sequence[DeviceState], **settings: Any) -> tuple[devices.Settled, int]:
    slept: list[float] = []
    phone: Any = ScriptedPhone(states)
    return wait_until_settled(phone, interval=5, sleep=slept.append, **settings), len(slept)


def test_a_steady_device_is_settled_after_its_readings() -> None:
    found, sleeps = settle([at(30.0), at(30.2), at(30.1)])
    assert found.settled and sleeps == 2 and found.reason == "the temperature is steady"


def test_a_cooling_device_is_waited_for() -> None:
    found, sleeps = settle([at(45.0), at(42.0), at(40.0), at(39.8), at(39.7)])
    assert found.settled and sleeps == 4 and found.state.temperatures_c == {"skin": 39.7}


def test_a_thermal_status_is_waited_for_even_when_steady() -> None:
    found, sleeps = settle([at(40, "moderate")] * 4 + [at(40)])
    assert found.settled and sleeps == 4


def test_waiting_ends_at_its_limit_with_the_reason() -> None:
    found, _ = settle([at(30.0), at(35.0), at(40.0)], timeout=0)
    assert not found.settled and "1 of 3 readings" in found.reason
    found, _ = settle([at(50, "severe")], timeout=0)
    assert not found.settled and found.reason == "the thermal status is severe"


def test_a_device_without_sensors_is_settled_at_once() -> None:
    found, sleeps = settle([at(None, None)])
    assert found.settled and sleeps == 0 and "no temperature" in found.reason


def test_throttling_is_noticed() -> None:
    assert throttling(at(30), at(35)) is None
    assert throttling(at(30), at(45, "light")) == "the thermal status was light"
    fast = replace(at(30), governors={"policy4": "performance"}, frequencies_khz={"policy4": 2_800_000})
    slow = replace(fast, frequencies_khz={"policy4": 1_400_000})
    assert throttling(fast, slow) == "policy4 fell from 2800 to 1400 MHz"
    idle = replace(fast, governors={"policy4": "schedutil"})
    assert throttling(idle, replace(slow, governors={"policy4": "schedutil"})) is None


ON, OFF = (f"cmd power set-fixed-performance-mode-enabled {word}" for word in ("true", "false"))


@pytest.mark.parametrize("end", [None, KeyboardInterrupt, ValueError])
def test_fixed_performance_mode_is_ended_however_the_block_ends(end: type[BaseException] | None) -> None:
    phone: Any = ScriptedPhone()
    try:
        with fixed_performance_mode(phone.run) as held:
            assert held and phone.commands == [ON]
            if end is not None:
                raise end
    except (KeyboardInterrupt, ValueError):
        assert end is not None
    assert phone.commands == [ON, OFF]


def test_a_device_without_fixed_performance_mode_says_so() -> None:
    phone: Any = ScriptedPhone(answer=b"Unknown command: set-fixed-performance-mode-enabled", exit_code=255)
    with fixed_performance_mode(phone.run) as held:
        assert not held
    assert phone.commands == [ON]
    with devices.open_device("host").hold_performance() as held:
        assert not held


def test_only_android_is_asked_for_the_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the protocol, so that who holds a device need not know which kind it is."""
    phone = ScriptedPhone()
    device = AdbDevice("adb:stand-in", lambda: pytest.fail("nothing is connected"))
    monkeypatch.setattr(device, "run", phone.run)
    monkeypatch.setattr(device, "info", phone.info)
    with device.hold_performance() as held:
        assert held
    assert phone.commands == [ON, OFF]
    monkeypatch.setattr(device, "info", devices.open_device("host").info)
    with device.hold_performance() as held:
        assert not held
    assert phone.commands == [ON, OFF]


def test_cores_by_cluster_and_number() -> None:
    info = replace(
        devices.open_device("host").info(),
        name="phone",
        cores=8,
        clusters=(
            CpuCluster((0, 1, 2, 3), 1_800_000),
            CpuCluster((4, 5, 6), 2_400_000),
            CpuCluster((7,), 2_900_000),
        ),
    )
    assert affinity_prefix(info, None) == affinity_prefix(info, "all") == []
    assert affinity_prefix(info, "big") == ["taskset", "80"]
    assert affinity_prefix(info, "little") == ["taskset", "f"]
    assert affinity_prefix(info, "4-6,0") == ["taskset", "71"]
    with pytest.raises(devices.DeviceError, match="phone has the cores 0 to 7"):
        affinity_prefix(info, "6-9")
    with pytest.raises(devices.DeviceError, match="names no cores"):
        affinity_prefix(info, "fast")
    with pytest.raises(devices.DeviceError, match="one kind of core"):
        affinity_prefix(replace(info, clusters=()), "big")


def test_a_launch_on_chosen_cores(tmp_path: Path) -> None:
    host = devices.open_device("host")
    result = devices.launch(host, quick(tiny_models.dense_softmax(tmp_path / "m.tflite"), cores="0"))
    assert result.ok, result.error


def test_the_overview_and_the_doctor_look_and_do_nothing(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "9")
    entries = {entry.name: entry for entry in devices.list_devices()}
    assert entries["host"].usable and {"arm", "x86"} <= entries.keys()
    checks = {check.what: check for check in devices.doctor()}
    assert checks["LiteRT runtime"].ok and checks["cache folder"].ok
    assert all(check.ok or check.fix for check in checks.values())
    assert not (own_cache / "machines" / "arm" / "image").exists()


def test_the_doctor_names_what_mends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda program: None)
    checks = {check.what: check for check in devices.doctor()}
    assert not checks["emulated arm machine"].ok
    assert checks["emulated arm machine"].fix == "sudo apt-get install qemu-system-arm"
    entry = next(entry for entry in devices.list_devices() if entry.name == "x86")
    assert not entry.usable and "qemu-system-x86" in entry.state


def test_each_remedy_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda program: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    failed = [check for check in devices.doctor() if not check.ok]
    assert len(failed) >= 4
    for check in failed:
        assert check.fix and check.fix not in check.detail
        assert "apt-get install" not in check.detail and "pip install" not in check.detail


def test_the_missing_part_of_usb_is_the_one_that_is_named() -> None:
    package = usb_problem(ImportError("No module named 'usb1'"))
    assert package.remedy == "run: pip install 'adb-shell[usb]'" and "apt-get" not in str(package)
    library = usb_problem(OSError("libusb-1.0.so.0: cannot open shared object file"))
    assert library.remedy == "run: sudo apt-get install libusb-1.0-0" and "pip" not in str(library)


def test_a_machine_is_described_without_starting_it(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devices.emulator.machine.OwnMachine", lambda spec: pytest.fail("it was started"))
    found = devices.describe("arm:cortex-a53")
    assert found.state is None and found.info["name"] == "arm:cortex-a53"
    assert (found.info["abi"], found.info["processor"], found.info["cores"]) == ("arm64", "cortex-a53", 1)
    assert "image not built yet" in found.info["model"] and "kernel" not in found.info
    host = devices.describe("host")
    assert host.info["kind"] == "host" and host.state and host.state["load_1min"] is not None


@pytest.mark.emulator
def test_the_outline_of_a_machine_holds_when_it_runs(arm: EmulatedDevice) -> None:
    known, told = outline(arm.spec), asdict(arm.info())
    for field in ("name", "kind", "model", "abi", "cores", "os", "kernel", "delegates"):
        assert known[field] == told[field], field


@pytest.mark.emulator
def test_an_emulated_device_is_settled_at_once(arm: EmulatedDevice) -> None:
    assert wait_until_settled(arm).settled


@pytest.mark.emulator
def test_a_launch_on_chosen_cores_of_arm(arm: EmulatedDevice, tmp_path: Path) -> None:
    result = devices.launch(arm, quick(tiny_models.dense_softmax(tmp_path / "m.tflite"), cores="0"))
    assert result.ok, result.error


def test_clean_of_the_host_frees_what_was_pushed(own_cache: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(50_000))
    devices.open_device("host").push(tmp_path / "file")
    assert devices.clean("host") >= 50_000


def test_clean_of_a_machine_that_is_not_built(own_cache: Path) -> None:
    assert devices.clean("arm") == 0
