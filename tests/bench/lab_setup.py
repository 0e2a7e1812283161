"""A lab within this process: a scheduler and workers in a loop of their own, with stand-ins for devices and launches."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from distributed import Scheduler

import bench.lab.member
import bench.lab.phone
import bench.lab.worker
from bench.lab.engine import apply_settings, security_for
from bench.lab.worker import Configuration, WorkerProcess
from bench.measure.workload import Workload
from devices import DeviceError
from reports.record import LaunchRecord
from tests.bench.stand_in_device import StandInDevice
from tests.reports.make_records import a_record


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any], timeout: float = 60.0) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def begin(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(30)
        self.loop.close()


class LabHere:
    """A scheduler, and workers that join it."""

    def __init__(self, folder: Path, certificates: Path | None = None, patience: float = 30.0) -> None:
        self.folder = folder
        self.certificates = certificates
        self.patience = patience
        self._loop = Loop()
        self._members: list[tuple[WorkerProcess, Any]] = []
        self.scheduler = self._loop.run(self._scheduler(0))
        self.address: str = self.scheduler.address

    async def _scheduler(self, port: int) -> Scheduler:
        apply_settings(self.patience)
        scheme = "tls" if self.certificates else "tcp"
        return await Scheduler(
            host="127.0.0.1",
            port=port,
            protocol=scheme,
            security=security_for(f"{scheme}://", self.certificates),
            dashboard=False,
            dashboard_address="127.0.0.1:0",
        )

    def join(
        self, host: str, device: str | None = None, megabytes: float = 4000.0, wait: bool = True
    ) -> WorkerProcess:
        """Let a worker join, and wait until the scheduler knows it."""
        configuration = Configuration(
            scheduler=self.address,
            certificates=str(self.certificates) if self.certificates else None,
            folder=str(self.folder / host),
            host=host,
            device=device,
            megabytes=megabytes,
        )

        async def make() -> WorkerProcess:
            return WorkerProcess(configuration)

        process = self._loop.run(make())
        self._members.append((process, self._loop.begin(process.work())))
        if wait:
            self.wait_until(lambda: process.configuration.name in self.names())
        return process

    def leave(self, process: WorkerProcess) -> None:
        """Let a worker end in order."""
        future = next(future for each, future in self._members if each is process)
        self._members.remove((process, future))
        self._loop.loop.call_soon_threadsafe(process.stopping.set)
        future.result(60)

    def names(self) -> set[str]:
        return {str(worker.name) for worker in list(self.scheduler.workers.values())}

    def stop_scheduler(self) -> None:
        self._loop.run(self.scheduler.close())

    def restart(self) -> None:
        """Another scheduler at the same address, which knows nothing of the first one's work."""
        port = self.scheduler.port
        self._loop.run(self.scheduler.close())
        self.scheduler = self._loop.run(self._scheduler(port))

    def wait_until(self, holds: Callable[[], bool]) -> None:
        for _ in range(1200):
            if holds():
                return
            threading.Event().wait(0.05)
        raise AssertionError("it did not come about within a minute")

    def close(self) -> None:
        for process, _ in list(self._members):
            self.leave(process)
        self._loop.run(self.scheduler.close())
        self._loop.end()


@contextmanager
def lab_here(folder: Path, **more: Any) -> Iterator[LabHere]:
    lab = LabHere(folder, **more)
    try:
        yield lab
    finally:
        lab.close()


class Launches:
    """Stands in for `Launcher` on machines of the lab; remembers what was launched, and does what it is told."""

    def __init__(self) -> None:
        self.done: list[tuple[str, int]] = []
        self.losing = 0
        self.wrong = False
        self.meanwhile: Callable[[], None] = lambda: None

    def install(self, monkeypatch: pytest.MonkeyPatch, *devices: str) -> None:
        """Let machines see these devices, and launch on them by this object."""
        launches = self

        class Stub:
            def __init__(self, device: StandInDevice, *_: Any) -> None:
                self.device = device

            @contextmanager
            def steady(self, say: Any) -> Iterator[None]:
                yield

            def responds(self) -> bool:
                return launches.losing <= 0

            def launch(self, workload: Workload, round_number: int, check_output: bool) -> LaunchRecord:
                return launches.launch(workload, round_number, check_output)

        def opened(name: str) -> StandInDevice:
            if name not in devices:
                raise DeviceError(f"there is no {name}")
            return StandInDevice(name)

        monkeypatch.setattr(bench.lab.phone, "open_device", opened)
        monkeypatch.setattr(bench.lab.worker, "open_device", opened)
        monkeypatch.setattr(bench.lab.member, "Launcher", Stub)
        monkeypatch.setattr(bench.lab.member, "prepare_runner", lambda device, binary: "stand-in")

    def launch(self, workload: Workload, round_number: int, check_output: bool) -> LaunchRecord:
        self.done.append((workload.cell.model, round_number))
        self.meanwhile()
        record = a_record(
            round_number=round_number,
            cell=workload.cell,
            provenance=workload.provenance,
            error=(1.0 if self.wrong else 1e-6) if check_output else None,
        )
        if self.losing > 0:
            failed = {"ok": False, "stage": "device", "error": "the cable", "timing": None, "accuracy": None}
            record = record.model_copy(update=failed)
        return record
