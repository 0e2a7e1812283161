"""Starting and stopping QEMU."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from devices.cache import cache_folder
from devices.emulator.image import Image, build_image
from devices.emulator.kinds import MEMORY_MB, MachineSpec
from devices.errors import DeviceError

_ADB_PORT_INSIDE = 5555
_BOOT_SECONDS = 120.0
_LOG_SECONDS = 86_400.0
# Runs QEMU and ends it when standard input closes. Only the process that started the machine holds the
# other end of that pipe, so the machine goes with it even when it is killed and can clean nothing up.
_WATCHDOG = """
qemu=$1; shift
exec 3<&0
"$qemu" "$@" </dev/null 3<&- & machine=$!
(read -r _ <&3; kill -9 $machine) 2>/dev/null & reader=$!
wait $machine
kill -9 $reader 2>/dev/null
"""


@dataclass(frozen=True)
class Running:
    """A machine that runs."""

    name: str
    pid: int
    port: int
    """adb's port on 127.0.0.1."""
    process_started: float
    """Start time of the process, so that another process that got its number later is not mistaken for it."""


def qemu_path(spec: MachineSpec) -> str:
    """The emulator; ``DeviceError`` names the package to install when it is missing."""
    path = shutil.which(spec.kind.qemu)
    if path is None:
        raise DeviceError(
            f"device {spec.kind.name} needs {spec.kind.qemu}, which is not installed",
            f"run: sudo apt-get install {spec.kind.apt_package}",
        )
    return path


def _arguments(spec: MachineSpec, image: Image, port: int, pid_file: Path) -> list[str]:
    forward = f"hostfwd=tcp:127.0.0.1:{port}-:{_ADB_PORT_INSIDE}"
    return [
        *("-M", spec.kind.machine, "-cpu", spec.cpu, "-m", str(MEMORY_MB)),
        # One virtual nanosecond an instruction, without waiting for the wall clock: the guest's clock counts
        # instructions. That needs a single core.
        *("-smp", "1", "-icount", "shift=0,sleep=off", "-accel", "tcg"),
        *("-kernel", str(image.kernel), "-initrd", str(image.initramfs)),
        # Without randomized addresses a program takes the same path each time, to the instruction.
        *("-append", f"console={spec.kind.console} quiet panic=-1 nokaslr norandmaps"),
        *("-pidfile", str(pid_file), "-no-reboot", "-nodefaults"),
        *("-display", "none", "-serial", "stdio", "-monitor", "none"),
        # restrict=on: the guest reaches nothing but what is forwarded to it.
        *("-netdev", f"user,id=net,restrict=on,{forward}", "-device", "virtio-net-pci,netdev=net,romfile="),
    ]


class OwnMachine:
    """A machine that lives as long as this object and this process."""

    def __init__(self, spec: MachineSpec) -> None:
        qemu, image = qemu_path(spec), build_image(spec.kind)
        self._spec = spec
        self.image = image
        self.log = _log_path(spec, str(os.getpid()))
        self._pid_file = self.log.with_suffix(".pid")
        self.port = _free_port()
        arguments = _arguments(spec, image, self.port, self._pid_file)
        with self.log.open("wb") as log:
            self._watchdog = subprocess.Popen(
                ["sh", "-c", _WATCHDOG, "nobuco-machine", qemu, *arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for this process, which then stops the machine itself.
                start_new_session=True,
            )
        try:
            self.wait_for_adbd()
        except BaseException:
            self.stop()
            raise

    def wait_for_adbd(self) -> None:
        """Wait until adbd answers: after the start, and after it was restarted, which on a busy computer takes long.

        Raises:
            DeviceError: The emulator ended, or adbd did not answer in time.
        """
        _wait_for_adbd(self._spec, self.port, self.log, self.alive)

    def alive(self) -> bool:
        """Whether the emulator still runs."""
        return self._watchdog.poll() is None

    @property
    def pid(self) -> int:
        """The emulator's process number."""
        return int(self._pid_file.read_text(encoding="ascii"))

    def last_words(self) -> str:
        """The last lines that the emulator or the kernel in it printed."""
        return _last_words(self.log)

    def stop(self) -> None:
        """End the machine; safe to call twice."""
        if self._watchdog.stdin is not None and not self._watchdog.stdin.closed:
            self._watchdog.stdin.close()
        self._watchdog.wait()
        self.log.unlink(missing_ok=True)
        self._pid_file.unlink(missing_ok=True)


def start_detached(spec: MachineSpec) -> Running:
    """Start a machine that stays until ``stop_detached``, also after this process has ended."""
    from filelock import FileLock

    record = _record_path(spec)
    with FileLock(record.with_suffix(".lock")):
        if running := find_running(spec):
            return running
        qemu, image = qemu_path(spec), build_image(spec.kind)
        port, log = _free_port(), _log_path(spec, "detached")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [qemu, *_arguments(spec, image, port, log.with_suffix(".pid"))],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _wait_for_adbd(spec, port, log, lambda: process.poll() is None)
        except BaseException:
            process.kill()
            process.wait()
            raise
        running = Running(spec.name, process.pid, port, _start_time(process.pid) or 0.0)
        record.write_text(json.dumps(asdict(running)), encoding="utf-8")
        # The machine outlives this process on purpose; without this, its object would warn of that when collected.
        process.returncode = 0
        return running


def find_running(spec: MachineSpec) -> Running | None:
    """The machine that ``start_detached`` started, if it still runs."""
    try:
        running = Running(**json.loads(_record_path(spec).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return running if _start_time(running.pid) == running.process_started else None


def stop_detached(spec: MachineSpec) -> bool:
    """Stop what ``start_detached`` started; false when nothing ran."""
    running = find_running(spec)
    _record_path(spec).unlink(missing_ok=True)
    if running is None:
        return False
    os.kill(running.pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        # It is a child where this very process started it.
        os.waitpid(running.pid, 0)
    while _start_time(running.pid) == running.process_started:
        time.sleep(0.02)
    return True


def _record_path(spec: MachineSpec) -> Path:
    return cache_folder("machines", "running") / f"{spec.name.replace(':', '-').replace('#', '-')}.json"


def _log_path(spec: MachineSpec, owner: str) -> Path:
    """A fresh log. Those of processes that were killed, and could not remove theirs, go after a day."""
    for old in cache_folder("machines", "logs").iterdir():
        if time.time() - old.stat().st_mtime > _LOG_SECONDS:
            old.unlink(missing_ok=True)
    stem = f"{spec.name.replace(':', '-').replace('#', '-')}-{owner}-{time.monotonic_ns()}"
    return cache_folder("machines", "logs") / f"{stem}.log"


def _start_time(pid: int) -> float | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for_adbd(spec: MachineSpec, port: int, log: Path, alive: Callable[[], bool]) -> None:
    from devices.adb.connect import connect_tcp

    deadline = time.monotonic() + _BOOT_SECONDS
    while time.monotonic() < deadline:
        if not alive():
            raise DeviceError(f"{spec.name}: {spec.kind.qemu} ended: {_last_words(log)}")
        try:
            # QEMU accepts before the guest listens, so only an answer of adbd itself counts.
            connect_tcp(spec.name, "127.0.0.1", port, timeout=2.0).close()
            return
        except DeviceError:
            time.sleep(0.1)
    raise DeviceError(f"{spec.name}: adbd did not answer within {_BOOT_SECONDS:g} s: {_last_words(log)}")


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " / ".join(line.strip() for line in lines[-3:]) or "it printed nothing"
