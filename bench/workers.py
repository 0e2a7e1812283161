"""Each device has a worker of its own, and what one of them runs into stays its own."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from bench.measuring import Bench
from bench.progress import Reporter
from bench.schedule import Schedule
from devices import DeviceError
from devices.interruption import interrupt
from reports.record import LaunchRecord

_LOOK_SECONDS = 0.2


@dataclass
class Worker:
    """One device and what to launch on it. `trouble` is what ended the work early, None when nothing did."""

    bench: Bench
    schedule: Schedule
    trouble: str | None = None
    kept: int = 0
    thread: threading.Thread | None = field(default=None, repr=False)
    over: threading.Event = field(default_factory=threading.Event, repr=False)

    def work(self, keep: Callable[[LaunchRecord], None], say: Reporter) -> None:
        def count(record: LaunchRecord) -> None:
            keep(record)
            self.kept += 1

        try:
            with self.bench.steady(say):
                self.schedule.run(self.bench, count, say)
        except DeviceError as error:
            self.trouble = str(error)


def work_on_all(workers: Sequence[Worker], keep: Callable[[LaunchRecord], None], say: Reporter) -> None:
    """This host first and alone, since the others would take its cores from it; then the others at the same time."""
    gate = threading.Lock()

    def keep_alone(record: LaunchRecord) -> None:
        with gate:
            keep(record)

    away = []
    for worker in workers:
        if worker.bench.device.info().kind == "host":
            worker.work(keep_alone, say)
        else:
            away.append(worker)
    if len(away) == 1:
        away[0].work(keep_alone, say)
    elif away:
        _together(away, keep_alone, say)


def _together(workers: Sequence[Worker], keep: Callable[[LaunchRecord], None], say: Reporter) -> None:
    stopping = threading.Event()

    def work(worker: Worker) -> None:
        worker.thread = threading.current_thread()
        try:
            if not stopping.is_set():
                worker.work(keep, say)
        finally:
            worker.over.set()

    with ThreadPoolExecutor(len(workers)) as pool:
        try:
            _wait_for([pool.submit(work, worker) for worker in workers])
        except BaseException:
            # Ctrl-C, or a worker that cannot go on: the others let go of their devices first.
            stopping.set()
            begun = [(w.thread, w.over) for w in workers if w.thread is not None]
            for thread, _ in begun:
                interrupt(thread)
            for _, over in begun:
                over.wait()
            raise


def _wait_for(futures: Sequence[Future[None]]) -> None:
    waiting = set(futures)
    while waiting:
        # In short waits: a signal may wake another thread than this one, which alone can act on it.
        done, waiting = wait(waiting, timeout=_LOOK_SECONDS, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
