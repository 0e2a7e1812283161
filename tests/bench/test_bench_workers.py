"""Several devices at once: the failure of one does not end the others, and Ctrl-C reaches them all."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from bench.measure.launching import Launcher
from bench.measure.schedule import History, Rounds, Schedule
from bench.measure.workers import Worker, work_on_all
from bench.measure.workload import Workload
from bench.progress import Reporter
from devices import DeviceError
from devices.interruption import look_for_interruption
from reports.errors import ReportError
from reports.record import LaunchRecord
from tests.bench.fake_launcher import FakeLauncher, workload
from tests.bench.stand_in_device import StandInDevice
from tests.reports.make_records import a_record


class DeviceLauncher(FakeLauncher):
    """On a device of its own, which spoils the launches of `spoilt` and is then silent, or is not."""

    def __init__(self, name: str, kind: str = "adb", spoilt: str = "", silent: bool = False) -> None:
        super().__init__()
        self.device = StandInDevice(name, kind=kind)
        self.spoilt, self.silent = spoilt, silent
        self.busy: list[tuple[float, float]] = []
        self.during: Callable[[], None] = lambda: None
        self.held = False

    def launch(self, workload: Workload, round_number: int, check_output: bool) -> LaunchRecord:
        start = time.monotonic()
        self.during()
        record = super().launch(workload, round_number, check_output)
        self.busy.append((start, time.monotonic()))
        if workload.cell.model == self.spoilt:
            return a_record(
                cell=workload.cell,
                provenance=workload.provenance,
                round_number=round_number,
                failure=f"{self.device.name} is gone",
                stage="device",
            )
        return record

    def responds(self) -> bool:
        return not self.silent

    @contextmanager
    def steady(self, say: Reporter) -> Iterator[None]:
        self.held = True
        try:
            yield
        finally:
            self.held = False


def worker(launcher: DeviceLauncher, *models: str, rounds: int = 2, history: History | None = None) -> Worker:
    cells = [workload(model) for model in models or ("a", "b")]
    return Worker(cast(Launcher, launcher), Schedule(cells, Rounds(rounds), history or History([]), seed=0))


def work(*workers: Worker) -> list[LaunchRecord]:
    kept: list[LaunchRecord] = []
    work_on_all(workers, kept.append, Reporter())
    return kept


def test_a_spoilt_launch_is_recorded_and_the_rest_goes_on() -> None:
    kept = work(worker(DeviceLauncher("adb:A", spoilt="a"), rounds=3))
    assert [r.stage for r in kept if not r.ok] == ["device", "device"]  # then it is given up
    assert sum(r.ok for r in kept) == 3


def test_a_spoilt_launch_is_done_again_by_the_next_run() -> None:
    first = work(worker(DeviceLauncher("adb:A", spoilt="a"), rounds=1))
    again = DeviceLauncher("adb:A")
    assert all(r.ok for r in work(worker(again, rounds=1, history=History(first))))
    assert again.launched == [(0, "a")]


def test_a_device_that_is_lost_ends_its_own_work_only() -> None:
    lost = worker(DeviceLauncher("adb:A", spoilt="a", silent=True), "a", rounds=5)
    well = worker(DeviceLauncher("adb:B"), rounds=5)
    kept = work(lost, well)
    assert lost.trouble == "adb:A is gone; the same command goes on from here once it is back"
    assert (lost.kept, well.kept, well.trouble) == (1, 10, None)
    assert len(kept) == 11


def test_devices_work_at_the_same_time_and_this_host_alone() -> None:
    meeting = threading.Barrier(2, timeout=30)  # passes only when both devices are in a launch at once
    host, one, other = DeviceLauncher("host", "host"), DeviceLauncher("adb:A"), DeviceLauncher("adb:B")
    one.during = other.during = lambda: meeting.wait() and None
    work(worker(one), worker(host), worker(other))
    assert max(end for _, end in host.busy) <= min(start for start, _ in one.busy + other.busy)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Tests that are run in the background have been told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("devices", [1, 3])
def test_ctrl_c_reaches_every_worker(devices: int, ctrl_c: None) -> None:
    launchers = [DeviceLauncher(f"adb:{number}") for number in range(devices)]
    entered = threading.Semaphore(0)

    def wait_for_the_device() -> None:
        entered.release()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            look_for_interruption()
            time.sleep(0.01)
        raise AssertionError("the launch was never interrupted")

    def press() -> None:
        for _ in launchers:
            entered.acquire(timeout=30)
        signal.raise_signal(signal.SIGINT)

    for launcher in launchers:
        launcher.during = wait_for_the_device
    finger = threading.Thread(target=press)
    finger.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        work(*map(worker, launchers))
    finger.join()
    assert time.monotonic() - start < 30
    assert not any(launcher.held for launcher in launchers)


def test_a_store_that_cannot_be_written_ends_all() -> None:
    launchers = [DeviceLauncher("adb:A"), DeviceLauncher("adb:B")]

    def keep(record: LaunchRecord) -> None:
        raise ReportError("records.jsonl: cannot be written: No space left on device; free some space")

    with pytest.raises(ReportError, match="free some space"):
        work_on_all([worker(launcher) for launcher in launchers], keep, Reporter())
    assert not any(launcher.held for launcher in launchers)


def test_a_device_in_use_is_a_trouble_of_its_own() -> None:
    class InUse(DeviceLauncher):
        @contextmanager
        def steady(self, say: Reporter) -> Iterator[None]:
            raise DeviceError("device adb:A is in use by process 7")
            yield

    taken = worker(InUse("adb:A"))
    assert len(work(taken, worker(DeviceLauncher("adb:B")))) == 4
    assert taken.trouble == "device adb:A is in use by process 7" and taken.kept == 0
