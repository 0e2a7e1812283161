"""Each device has a worker of its own, and the failure of one does not end the others."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from bench.measure.profiling import take_profiles
from bench.measure.protocol import Launching
from bench.measure.schedule import Schedule
from bench.measure.sustained import sustain
from bench.progress import Reporter
from devices import DeviceError
from devices.interruption import interrupt
from reports.record import LaunchRecord

_LOOK_SECONDS = 0.2


@dataclass
class Worker:
    """One device and the launches to do on it.

    Attributes:
        launcher: Launches on the device.
        schedule: The launches.
        profile: Whether cells are profiled after their rounds.
        sustained_minutes: How long the device is then kept at work, to see what it does when it is warm; None: not at all.
        trouble: What ended the work early; None when nothing did.
        kept: How many records were made.
        thread: Where the worker runs, when several run at the same time.
        over: Set when that thread has let go of the device.
    """

    launcher: Launching
    schedule: Schedule
    profile: bool = False
    sustained_minutes: float | None = None
    trouble: str | None = None
    kept: int = 0
    thread: threading.Thread | None = field(default=None, repr=False)
    over: threading.Event = field(default_factory=threading.Event, repr=False)

    def work(self, keep: Callable[[LaunchRecord], None], say: Reporter) -> None:
        """Do the launches; a failure of the device ends them and becomes `trouble`."""

        def count(record: LaunchRecord) -> None:
            keep(record)
            self.kept += 1

        try:
            with self.launcher.steady(say):
                self.schedule.run(self.launcher, count, say)
                if self.profile:
                    take_profiles(self.schedule, self.launcher, count, say)
                if self.sustained_minutes is not None:
                    sustain(self.schedule, self.sustained_minutes, self.launcher, count, say)
        except DeviceError as error:
            self.trouble = str(error)


def work_on_all(workers: Sequence[Worker], keep: Callable[[LaunchRecord], None], say: Reporter) -> None:
    """Let all workers do their launches: this host first and alone, since the others need its cores too, then the
    others at the same time.

    Args:
        workers: One for each device.
        keep: Called with every record, by one thread at a time.
        say: Where progress is reported.
    """
    gate = threading.Lock()

    def keep_alone(record: LaunchRecord) -> None:
        with gate:
            keep(record)

    away = []
    for worker in workers:
        if worker.launcher.device.info().kind == "host":
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
        # In short waits: a signal may wake a thread other than this one, and only this one can act on it.
        done, waiting = wait(waiting, timeout=_LOOK_SECONDS, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
