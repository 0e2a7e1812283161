"""`--device arm` is the phone where there is one, and delegates are refused before anything takes time."""

from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.measure import targets
from bench.measure.delegates import check_delegates
from bench.measure.targets import open_target
from bench.progress import Reporter
from devices import DeviceEntry
from tests.bench.stand_in_device import StandInDevice


def attach(monkeypatch: pytest.MonkeyPatch, *entries: DeviceEntry, abi: str = "arm64") -> list[StandInDevice]:
    """Let adb see `entries`; returns the list of what is opened."""
    opened: list[StandInDevice] = []

    def open_device(name: str) -> StandInDevice:
        opened.append(StandInDevice(name, abi))
        return opened[-1]

    monkeypatch.setattr(targets, "open_device", open_device)
    monkeypatch.setattr(targets, "list_devices", lambda: [DeviceEntry("host", "host", True, ""), *entries])
    return opened


def phone(name: str = "adb:PHONE", state: str = "device") -> DeviceEntry:
    return DeviceEntry(name, "adb", state == "device", state)


def test_without_a_phone_arm_is_emulated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    attach(monkeypatch)
    assert open_target("arm", Reporter()).name == "arm"
    assert "no device is attached" in (said := capsys.readouterr().err) and "emulated" in said


def test_with_one_phone_arm_is_that_phone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    attach(monkeypatch, phone())
    assert open_target("arm", Reporter()).name == "adb:PHONE"
    assert "taking adb:PHONE (Stand-in), real times" in capsys.readouterr().err


def test_the_emulator_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    attach(monkeypatch, phone())
    assert open_target("arm-emulated", Reporter()).name == "arm"
    assert open_target("arm:cortex-a53", Reporter()).name == "arm:cortex-a53"


def test_several_phones_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = attach(monkeypatch, phone("adb:ONE"), phone("adb:TWO"))
    with pytest.raises(BenchError, match="adb:ONE, adb:TWO"):
        open_target("arm", Reporter())
    assert not opened


def test_a_phone_that_refuses_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    attach(monkeypatch, phone(state="unauthorized"))
    assert open_target("arm", Reporter()).name == "arm"
    assert "adb:PHONE is unauthorized" in capsys.readouterr().err


def test_an_attached_device_that_is_no_arm_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = attach(monkeypatch, phone("adb:emulator-5554"), abi="x86_64")
    assert open_target("arm", Reporter()).name == "arm"
    assert opened[0].name == "adb:emulator-5554" and opened[0].closed


@pytest.mark.parametrize(
    ("delegate", "binary", "words"),
    [
        ("gpu-webgp", None, "did you mean gpu-webgpu"),
        ("gpu-webgpu", None, "adb:PHONE has no delegate gpu-webgpu; it runs on this host"),
        ("gpu-webgpu", Path("benchmark_model"), "benchmark_model has no delegate gpu-webgpu"),
    ],
)
def test_a_delegate_that_is_not_there_is_refused(delegate: str, binary: Path | None, words: str) -> None:
    with pytest.raises(BenchError, match=words):
        check_delegates(StandInDevice().info(), [delegate], binary)


def test_delegates_of_the_device_are_accepted() -> None:
    check_delegates(StandInDevice().info(), ["xnnpack", "cpu", "gpu-opencl", "gpu-opencl-fp16"], None)
