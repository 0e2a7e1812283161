"""A device of a lab, and launches on it, as the schedule sees them: like those of a device that is here."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from bench.errors import BenchError
from bench.lab import resources, tasks
from bench.lab.connection import Connection
from bench.lab.orders import BINARY, DeviceAnswer, DeviceOrder, Launched, LaunchOrder, PhoneLost
from bench.lab.program import program
from bench.lab.transfer import Parcel, Transfer
from bench.measure.host_facts import environment
from bench.measure.launching import failure_of, relative_log
from bench.measure.workload import Effort, Workload
from bench.progress import Reporter
from devices import DeviceError, DeviceInfo
from reports.record import LaunchRecord, Purpose, Sustained


class RemoteDevice:
    """A device on some machine of the lab: what is to be known of it."""

    def __init__(self, answer: DeviceAnswer) -> None:
        self.answer = answer

    @property
    def name(self) -> str:
        """As on its machine."""
        return self.answer.name

    @property
    def emulated(self) -> bool:
        """Whether its clock counts instructions."""
        return self.answer.emulated

    def info(self) -> DeviceInfo:
        """What it is."""
        return self.answer.info

    def close(self) -> None:
        """Its machine keeps it open for whoever comes next."""


class RemoteLauncher:
    """Launches on a device of the lab.

    Args:
        device: The device.
        connection: The lab.
        transfer: For files.
        run: What identifies the output folder.
        tried: How often each launch was made for it so far.
        effort: How long each launch runs.
        tolerance: As `Launcher` takes it.
        out: The output folder.
        binary: A `benchmark_model` of the user's own.
        min_alike: As `Launcher` takes it.
    """

    def __init__(
        self,
        device: RemoteDevice,
        connection: Connection,
        transfer: Transfer,
        run: str,
        tried: Counter[str],
        effort: Effort,
        tolerance: float | None,
        out: Path,
        binary: Path | None,
        min_alike: float,
    ) -> None:
        self.device = device
        self.effort = effort
        self.tolerance = tolerance
        self.min_alike = min_alike
        self.out = out
        self._connection = connection
        self._transfer = transfer
        self._run = run
        self._tried = tried
        self._binary = binary
        self._parcels: dict[Path, Parcel] = {}
        self._say = connection.say

    @contextmanager
    def steady(self, say: Reporter) -> Iterator[None]:
        """The device is locked on its own machine, for each launch."""
        self._say = say
        yield

    def failed_conversion(self, workload: Workload) -> LaunchRecord:
        """See `Launching`."""
        return failure_of(
            workload,
            0,
            "conversion",
            workload.artifact.error,
            emulated=self.device.emulated,
            device_info=asdict(self.device.info()),
            environment=environment(),
            log=relative_log(workload.artifact.log, self.out),
        )

    def responds(self) -> bool:
        """Whether a machine of the lab offers the device."""
        asked = resources.for_device(self.device.name, program())
        return any(worker.offers(asked) for worker in self._connection.workers())

    def launch(self, workload: Workload, round_number: int, check_output: bool) -> LaunchRecord:
        """See `Launching`."""
        return self._launch(
            workload, round_number, "figure", workload.key(round_number), check_output=check_output
        )

    def profile(self, workload: Workload, delegate: str) -> LaunchRecord:
        """See `Launching`."""
        what = f"{workload.key(0)} profile {delegate}"
        return self._launch(workload, 0, "profile", what, delegate=delegate)

    def launch_warm(self, workload: Workload, round_number: int, place: Sustained) -> LaunchRecord:
        """See `Launching`."""
        what = f"{workload.key(round_number)} sustained {place.run}"
        return self._launch(workload, round_number, "sustained", what, sustained=place)

    def _launch(
        self,
        workload: Workload,
        round_number: int,
        purpose: Purpose,
        what: str,
        *,
        check_output: bool = False,
        delegate: str | None = None,
        sustained: Sustained | None = None,
    ) -> LaunchRecord:
        parcel = self._parcel(workload)
        order = LaunchOrder(
            run=self._run,
            # The same for as long as no record of it is in the store, whoever asks for it.
            launch=f"{what} #{self._tried[what]}",
            workload=workload,
            root=self.out,
            files=parcel.tree,
            round_number=round_number,
            effort=self.effort,
            tolerance=self.tolerance,
            min_alike=self.min_alike,
            purpose=purpose,
            check_output=check_output,
            profile_delegate=delegate,
            sustained=sustained,
        )
        words = f"{workload} on {self.device.name}, {purpose}, round {round_number + 1}"
        try:
            launched = self._ask(order, parcel, words)
        except PhoneLost as lost:
            if lost.record is None:
                raise DeviceError(
                    f"{self.device.name}: {lost.reason}; the same command goes on from here"
                ) from lost
            launched = Launched(lost.record, None)
        except BenchError as error:  # the other devices go on
            raise DeviceError(str(error)) from error
        self._tried[what] += 1
        if launched.again:
            self._say.line(f"{words}: had been done, on {launched.record.host}; taken from its record")
        keep_log(launched, self.out)
        return launched.record

    def _ask(self, order: LaunchOrder, parcel: Parcel, words: str) -> Launched:
        asked = resources.for_device(self.device.name, program())
        return self._transfer.supplied(
            lambda: self._connection.ask(tasks.launch, order, asked, words), parcel
        )

    def _parcel(self, workload: Workload) -> Parcel:
        file = workload.artifact.file
        assert file is not None
        if file not in self._parcels:
            more = {BINARY: self._binary} if self._binary else {}
            self._parcels[file] = Parcel.of(self.out, workload.artifact.launch_files(), more)
        return self._parcels[file]


def keep_log(launched: Launched, out: Path) -> None:
    """Write what a launch printed to where its record says."""
    if launched.log is not None and launched.record.log is not None:
        path = out / launched.record.log
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(launched.log, encoding="utf-8", errors="replace")


def described(
    connection: Connection, name: str, run: str, binary: Path | None, transfer: Transfer
) -> DeviceAnswer:
    """Ask the machine that has a device what it is. Raises DeviceError."""
    parcel = Parcel.of(Path(), [], {BINARY: binary} if binary else {})
    asked = resources.for_device(name, program())
    order = DeviceOrder(run, parcel.tree)
    try:
        return transfer.supplied(
            lambda: connection.ask(tasks.describe, order, asked, f"{name}: what it is"), parcel
        )
    except PhoneLost as lost:
        raise DeviceError(f"{name}: {lost.reason}") from lost
    except BenchError as error:
        raise DeviceError(str(error)) from error
