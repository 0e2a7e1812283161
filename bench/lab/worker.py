"""One worker process: `python -m bench.lab.worker CONFIGURATION`. It joins a lab, and joins again when the scheduler was
lost.

It ends when its standard input closes, that is, when `bench lab worker` ends.
"""

import asyncio
import json
import os
import signal
import sys
import threading
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from distributed import Worker

from bench.lab import resources
from bench.lab.engine import PATIENCE_SECONDS, apply_settings, security_for
from bench.lab.facts import KEY, Facts
from bench.lab.host_folder import HostFolder
from bench.lab.member import Member
from bench.lab.phone import Phone
from bench.lab.program import program
from bench.run.site import outline
from devices import DeviceError, DeviceInfo, open_device

_PAUSE_SECONDS = 2.0
_JOIN_SECONDS = 15.0
_END_SECONDS = 30.0


@dataclass(frozen=True)
class Configuration:
    """One worker process.

    Attributes:
        scheduler: Its address.
        certificates: The folder with them; None: the default.
        folder: The machine's folder.
        host: What people call the machine.
        device: The device to launch on; None: it converts.
        before_device: See `Phone`.
        jobs: Conversions at the same time.
        megabytes: What they may use together.
    """

    scheduler: str
    certificates: str | None
    folder: str
    host: str
    device: str | None
    before_device: str | None = None
    jobs: int = 1
    megabytes: float = 0.0

    @property
    def name(self) -> str:
        """What people call the worker."""
        return f"{self.host}/{self.device or 'convert'}"

    def as_json(self) -> str:
        """As the process takes it."""
        return json.dumps(asdict(self))


class WorkerProcess:
    """Keeps one worker in the lab until it is stopped."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.phone = (
            Phone(configuration.device, configuration.before_device) if configuration.device else None
        )
        folder = HostFolder(Path(configuration.folder))
        self.member = Member(folder, configuration.host, configuration.name, self.phone)
        self.stopping = asyncio.Event()
        self._said: str | None = None

    async def work(self) -> None:
        """Join, and join again, until `stopping` is set."""
        while not self.stopping.is_set():
            try:
                facts = await asyncio.to_thread(self._facts)
            except DeviceError as error:
                self._say(str(error))
                await self._pause()
                continue
            if self.phone is not None:
                self.phone.lost.clear()
            try:
                worker = await self._joined(facts)
            # What the engine raises where it cannot join; TimeoutError is an OSError.
            except (OSError, RuntimeError) as error:
                where = self.configuration.scheduler
                self._say(f"cannot join the lab at {where}: {_why(error)}; trying again")
                await self._pause()
                continue
            self._say(f"in the lab at {self.configuration.scheduler}")
            reason = await self._until_over(worker)
            await worker.close(timeout=_END_SECONDS, executor_wait=self.stopping.is_set(), reason=reason)
            self._say(f"left the lab: {reason}")
        if self.phone is not None:
            self.phone.close()

    async def _joined(self, facts: Facts) -> Worker:
        configuration = self.configuration
        if facts.device is None:
            offered = resources.of_converter(facts.megabytes, facts.program)
        else:
            device = facts.device
            offered = resources.of_device(device.name, device.soc, device.abi, facts.program)
        worker = Worker(
            configuration.scheduler,
            name=configuration.name,
            nthreads=configuration.jobs,
            resources=offered,
            host="127.0.0.1" if configuration.scheduler.startswith("tcp://") else None,
            security=security_for(configuration.scheduler, _path(configuration.certificates)),
            startup_information={KEY: lambda _: facts.plain()},
            # Its memory is not the conversions', which are processes of their own.
            memory_limit=0,
            local_directory=str(Path(configuration.folder) / "engine"),
            dashboard_address="127.0.0.1:0",
        )
        worker.member = self.member  # type: ignore[attr-defined]
        await self._start(worker)
        self.member.address = worker.address
        return worker

    async def _start(self, worker: Worker) -> None:
        """Start it, within a time: the engine would wait for a scheduler without end, and without a word."""

        async def start() -> None:
            await worker

        begun, stop = asyncio.ensure_future(start()), asyncio.ensure_future(self.stopping.wait())
        await asyncio.wait((begun, stop), timeout=_JOIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if begun.done():
            return begun.result()
        begun.cancel()
        await asyncio.wait((begun,))
        await worker.close(timeout=1, executor_wait=False)
        raise TimeoutError("no scheduler answers there")

    async def _until_over(self, worker: Worker) -> str:
        """Until the scheduler is lost, the device is lost, or the process is asked to end; returns which."""
        over = asyncio.ensure_future(worker.finished())
        stop = asyncio.ensure_future(self.stopping.wait())
        try:
            while not over.done() and not stop.done():
                if self.phone is not None and self.phone.lost.is_set():
                    return "its device does not answer"
                await asyncio.wait((over, stop), timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
            return "it was stopped" if stop.done() else "the scheduler is gone"
        finally:
            for task in (over, stop):
                task.cancel()

    def _facts(self) -> Facts:
        """Raises DeviceError where the device does not answer."""
        device, serial = (None, None) if self.phone is None else _looked_at(self.phone.name)
        megabytes = 0.0 if self.phone else self.configuration.megabytes
        return Facts(
            self.configuration.host, self.member.folder.identity, program(), device, serial, megabytes
        )

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), _PAUSE_SECONDS)

    def _say(self, words: str) -> None:
        if words != self._said:
            self._said = words
            self.member.say.line(f"{self.configuration.name}: {words}")


def _looked_at(name: str) -> tuple[DeviceInfo, str | None]:
    """What is known of a device without starting it, and its serial number. Raises DeviceError."""
    with closing(open_device(name)) as device:
        if not name.startswith("adb"):
            return outline(name), None
        info = device.info()
        asked = device.run(["getprop", "ro.serialno"], timeout=30.0) if info.android else None
    serial = asked.stdout.decode(errors="replace").strip() if asked and asked.exit_code == 0 else ""
    return info, serial or None


def _why(error: BaseException) -> str:
    """The engine wraps what went wrong; a name that is taken is the one reason that a user can do something about."""
    while error.__cause__ is not None:
        error = error.__cause__
    if "name taken" in str(error):
        return "a worker of this name is there already; if it is not the one before, give another --name"
    return str(error) or type(error).__name__


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


async def _main(configuration: Configuration) -> None:
    process = WorkerProcess(configuration)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, process.stopping.set)

    def watch() -> None:
        # Not by `sys.stdin`, whose lock would be held when the interpreter ends.
        while os.read(0, 1024):
            pass
        loop.call_soon_threadsafe(process.stopping.set)

    threading.Thread(target=watch, daemon=True).start()
    await process.work()


def main(arguments: list[str]) -> None:
    """Run the worker that the argument describes."""
    apply_settings(PATIENCE_SECONDS)
    fields: dict[str, Any] = json.loads(arguments[0])
    asyncio.run(_main(Configuration(**fields)))


if __name__ == "__main__":
    main(sys.argv[1:])
