"""A launch finds the device steady, and one during which it slowed down says so."""

from pathlib import Path

import pytest

from bench.artifact import Artifact
from bench.converters.base import Reference
from bench.measure import launching
from bench.measure.launching import Launcher
from bench.measure.workload import HALF_TOLERANCE, TOLERANCE, Effort, Workload
from bench.progress import Reporter
from devices import DeviceState, LaunchRequest, LaunchResult
from reports.record import Conversion, Environment, LaunchRecord
from tests.bench.stand_in_device import StandInDevice

COOL = DeviceState(taken_at=0.0, temperatures_c={"cpu": 30.0}, thermal_status="none")
HOT = DeviceState(taken_at=0.0, temperatures_c={"cpu": 80.0}, thermal_status="severe")
SOFTWARE = "Selected adapter: SwiftShader Device, backend=Vulkan, adapterType=CPU / Software"


def a_workload(tmp_path: Path, delegate: str = "xnnpack", cores: str | None = None) -> Workload:
    reference = Reference("net", {}, tmp_path, {"weights": "own", "seed": 0, "inputs": [], "outputs": []})
    file = tmp_path / "model.tflite"
    file.write_bytes(b"")
    artifact = Artifact(
        reference, "nobuco", "1", None, file, "sha", (), (), Conversion(), tmp_path / "log.txt"
    )
    return Workload(artifact, "adb:PHONE", "id", delegate, 1, cores)


def a_launcher(device: StandInDevice, out: Path, binary: Path | None = None) -> Launcher:
    facts = Environment(python="3", platform="p", cpu="c", versions={})
    return Launcher(device, Effort(settle_seconds=0.0), None, facts, out, binary)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[LaunchRequest]:
    """What devices are asked to launch; each launch takes 5 ms, and its log names a software adapter."""
    requests: list[LaunchRequest] = []

    def launch(device: StandInDevice, request: LaunchRequest) -> LaunchResult:
        requests.append(request)
        times = [] if request.delegate == "cpu" else [5000.0]
        return LaunchResult(
            True, None, request.delegate, request.delegate, True, 1, 7, 7, 1.0, 1.0, times, "us", 1, [], [],
            SOFTWARE if request.delegate == "gpu-webgpu" else "", "stand-in",
        )  # fmt: skip

    monkeypatch.setattr(launching, "launch", launch)
    return requests


def launched(device: StandInDevice, tmp_path: Path, **choice: str) -> LaunchRecord:
    return a_launcher(device, tmp_path).launch(a_workload(tmp_path, **choice), 0, check_output=False)


def test_fixed_performance_ends_with_ctrl_c(tmp_path: Path) -> None:
    device = StandInDevice()
    launcher = a_launcher(device, tmp_path)
    with pytest.raises(KeyboardInterrupt), launcher.steady(Reporter()):
        assert launcher.fixed_performance is True
        assert device.commands[-1][-1] == "true"
        raise KeyboardInterrupt
    assert device.commands[-1][-2:] == ["set-fixed-performance-mode-enabled", "false"]


def test_a_launch_that_makes_the_device_slow_down_is_marked(tmp_path: Path, asked: list) -> None:
    record = launched(StandInDevice(states=[COOL, HOT]), tmp_path)
    assert record.ok and not record.counts
    assert record.throttled == "the thermal status was severe"
    assert record.state_before["thermal_status"] == "none"
    assert record.settling is not None and not record.settling.settled


def test_a_steady_launch_counts(tmp_path: Path, asked: list) -> None:
    assert launched(StandInDevice(), tmp_path).counts


def test_cores_and_binary_reach_the_device_and_the_record(tmp_path: Path, asked: list[LaunchRequest]) -> None:
    binary = tmp_path / "benchmark_model"
    record = a_launcher(StandInDevice(), tmp_path, binary).launch(a_workload(tmp_path, cores="big"), 0, False)
    assert (asked[0].cores, asked[0].benchmark_binary) == ("big", binary)
    assert record.cell.cores == "big" and record.key != launched(StandInDevice(), tmp_path).key


def test_a_gpu_in_software_is_told_by_its_log(tmp_path: Path, asked: list) -> None:
    assert launched(StandInDevice(), tmp_path, delegate="gpu-webgpu").software_gpu
    assert not launched(StandInDevice(), tmp_path, delegate="gpu-opencl").software_gpu


def test_what_a_delegate_computes_with_is_no_precision_of_the_file(tmp_path: Path, asked: list) -> None:
    assert launched(StandInDevice(), tmp_path, delegate="gpu-opencl-fp16").cell.precision == "fp32"
    assert a_workload(tmp_path, "gpu-opencl-fp16").tolerance == HALF_TOLERANCE
    assert a_workload(tmp_path, "gpu-opencl").tolerance == TOLERANCE


def test_a_launch_without_a_time_has_failed(tmp_path: Path, asked: list) -> None:
    record = launched(StandInDevice(), tmp_path, delegate="cpu")
    assert not record.ok and record.error == "the runner reported no time"
