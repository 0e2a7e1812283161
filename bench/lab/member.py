"""What a worker of the lab does: it launches on its phone, or converts. The engine calls it."""

import dataclasses
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

import filelock

from bench.artifacts import ArtifactCache
from bench.errors import BenchError
from bench.lab.files import Tree
from bench.lab.host_folder import HostFolder, Journal
from bench.lab.orders import (
    BINARY,
    Converted,
    ConvertOrder,
    DeviceAnswer,
    DeviceOrder,
    Launched,
    LaunchOrder,
    Missing,
    OtherDevice,
    PhoneLost,
)
from bench.lab.phone import Phone
from bench.measure.host_facts import environment
from bench.measure.launching import Launcher
from bench.measure.workload import identity_of
from bench.progress import Reporter
from bench.run.setting_up import set_up
from devices import DeviceError, prepare_runner
from devices.errors import DeviceInUse
from reports.record import Environment, LaunchRecord, system_of

_PAUSE_SECONDS = 1.0
_IN_USE_SECONDS = 120.0


class Member:
    """A worker process of the lab.

    Args:
        folder: The machine's folder.
        host: What people call the machine.
        name: What they call this worker.
        phone: The device that it launches on; None: it converts.
    """

    def __init__(self, folder: HostFolder, host: str, name: str, phone: Phone | None) -> None:
        self.folder = folder
        self.host = host
        self.name = name
        self.phone = phone
        self.address = ""
        self.say = Reporter()
        self._journals: dict[str, Journal] = {}
        self._told: tuple[str, str | None] = "", None

    @cached_property
    def environment(self) -> Environment:
        """What each record says about this machine."""
        return environment()

    def describe(self, order: DeviceOrder) -> DeviceAnswer | Missing:
        """What the device is; one that is emulated is started. Raises PhoneLost."""
        with self.disk(), self._phone() as phone:
            if missing := self.folder.files.missing(order.files):
                return self._missing(missing)
            try:
                device = phone.device()
                info = device.info()
                emulated = device.emulated
            except DeviceError as error:
                raise self._lost(phone, str(error)) from error
            binary = self._binary(self._placed(order.run, order.files))
            try:
                runner, problem = prepare_runner(device, binary), None
            except DeviceError as error:
                runner, problem = None, str(error)
        return DeviceAnswer(device.name, emulated, info, runner, problem)

    def launch(self, order: LaunchOrder) -> Launched | Missing:
        """Launch once; what has been launched under this identity before is not launched again.

        Raises:
            PhoneLost: The device stopped answering, or cannot be reached.
            DeviceInUse: Somebody outside the lab uses it.
            OtherDevice: It is not the device that the workload was planned for.
        """
        with self.disk(), self._phone() as phone:
            journal = self._journal(order.run)
            if (done := journal.find(order.launch)) is not None:
                return Launched(done, self.log_of(order.run, done), again=True)
            self.folder.used(order.run)
            if missing := self.folder.files.missing(order.files):
                return self._missing(missing)
            root = self._placed(order.run, order.files)
            artifact = order.workload.artifact.moved(order.root, root)
            workload = dataclasses.replace(order.workload, artifact=artifact)
            try:
                device = phone.device()
                launcher = Launcher(
                    device,
                    order.effort,
                    order.tolerance,
                    self.environment,
                    self.folder.run(order.run),
                    self._binary(root),
                    order.min_alike,
                )
                self._require_same_device(workload.device_identity, workload.system, launcher)
                with self._steady(launcher):
                    if order.purpose == "profile":
                        assert order.profile_delegate is not None
                        record = launcher.profile(workload, order.profile_delegate)
                    elif order.purpose == "sustained":
                        assert order.sustained is not None
                        record = launcher.launch_warm(workload, order.round_number, order.sustained)
                    else:
                        record = launcher.launch(workload, order.round_number, order.check_output)
            except (DeviceInUse, OtherDevice):
                raise
            except DeviceError as error:
                raise self._lost(phone, str(error)) from error
            record = record.model_copy(update={"launch": order.launch, "host": self.host})
            # Before anybody is told: whatever becomes of the scheduler, the launch is not lost.
            journal.append(record)
            if not record.ok and record.stage == "device" and not launcher.responds():
                raise self._lost(phone, record.error or "the device failed", record)
            self._tell(f"{workload}, {order.purpose}, round {order.round_number + 1}", record.error)
            return Launched(record, self.log_of(order.run, record))

    def convert(self, order: ConvertOrder) -> Converted | Missing:
        """Make all that is missing of a model. Raises BenchError where it would not be made as where it was ordered."""
        with self.disk():
            return self._convert(order)

    def _convert(self, order: ConvertOrder) -> Converted | Missing:
        self.folder.used(order.run)
        if missing := self.folder.files.missing(order.files):
            return self._missing(missing)
        out = self.folder.run(order.run)
        model, converters = order.model, order.converters
        if order.model_file is not None:
            spec = dataclasses.replace(model.spec, file=out / order.model_file)
            model = dataclasses.replace(model, spec=spec)
        lock = out / "locks" / f"{order.folder_name}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        # What a lost scheduler had ordered may still be going on.
        with filelock.FileLock(lock):
            self.folder.files.place(order.files, out)
            self._require_same_program(order, model.folder_name)
            cache = ArtifactCache(out, order.timeout, self.say, order.retry_failed)
            unusable = set_up(converters, [model], cache, self.say)
            cache.make(model, converters, unusable)
            made = Tree.of(out, cache.folders(model, converters))
            self.folder.files.keep(out, made)
        self._tell(f"{model.name} with {', '.join(each.name for each in converters)}", None)
        return Converted(self.host, self.address, made, unusable)

    def log_of(self, run: str, record: LaunchRecord) -> str | None:
        """What a launch printed; None where that is not here."""
        path = self.folder.run(run) / record.log if record.log else None
        return path.read_text(encoding="utf-8", errors="replace") if path and path.is_file() else None

    @contextmanager
    def _steady(self, launcher: Launcher) -> Iterator[None]:
        """The device locked for a launch; someone else's use of it outside the lab is waited for. Raises DeviceInUse."""
        deadline = time.monotonic() + _IN_USE_SECONDS
        while True:
            with ExitStack() as held:
                try:
                    held.enter_context(launcher.steady(self.say))
                except DeviceInUse as error:
                    if time.monotonic() > deadline:
                        raise
                    self._tell("waiting", str(error))
                else:
                    yield
                    return
            time.sleep(_PAUSE_SECONDS)

    def _tell(self, what: str, problem: str | None) -> None:
        if (what, problem) != self._told:
            self._told = what, problem
            self.say.line(f"{self.name}: {what}{f': {problem}' if problem else ''}")

    def _journal(self, run: str) -> Journal:
        if run not in self._journals:
            self._journals[run] = self.folder.journal(run, self.name)
        return self._journals[run]

    @contextmanager
    def disk(self) -> Iterator[None]:
        """Raises BenchError for what the disk refuses: for another machine it would look like a lost connection."""
        try:
            yield
        except OSError as error:
            place = f" ({error.filename})" if error.filename else ""
            raise BenchError(f"{self.host}: {error.strerror or error}{place}; look at its disk") from error

    @contextmanager
    def _phone(self) -> Iterator[Phone]:
        """The device, for this piece of work alone."""
        if self.phone is None:
            raise BenchError(f"{self.name} has no device to launch on")
        if self.phone.lost.is_set():
            from distributed import Reschedule

            time.sleep(_PAUSE_SECONDS)  # it is about to leave the lab
            raise Reschedule
        with self.phone.alone():
            yield self.phone

    def _placed(self, run: str, files: Tree) -> Path:
        root = self.folder.run(run) / "trees" / files.digest
        self.folder.files.place(files, root)
        return root

    @staticmethod
    def _binary(root: Path) -> Path | None:
        binary = root / BINARY
        if not binary.is_file():
            return None
        binary.chmod(0o755)
        return binary

    def _missing(self, contents: list[str]) -> Missing:
        return Missing(self.folder.identity, self.address, tuple(contents))

    def _lost(self, phone: Phone, reason: str, record: LaunchRecord | None = None) -> PhoneLost:
        """The device is let go of, and is not asked for until it answers again."""
        phone.close()
        phone.lost.set()
        return PhoneLost(f"{self.host}: {reason}", record)

    def _require_same_device(self, identity: str, system: str | None, launcher: Launcher) -> None:
        info = launcher.device.info()
        name = launcher.device.name
        if identity != identity_of(name, info) or system != system_of(dataclasses.asdict(info)):
            raise OtherDevice(
                f"{name} on {self.host} is another device, or has another system, than when this run began: "
                f"{info.model}, {info.os}, {info.kernel}; the same command begins anew with it"
            )

    def _require_same_program(self, order: ConvertOrder, folder_name: str) -> None:
        ours = zip(order.converters, order.versions, strict=True)
        differing = [converter.name for converter, version in ours if converter.version() != version]
        if folder_name != order.folder_name:
            differing.insert(0, "PyTorch or the models")
        if differing:
            raise BenchError(
                f"{self.host} would convert with other versions ({', '.join(differing)}); install the same there"
            )
