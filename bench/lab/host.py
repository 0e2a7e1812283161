"""A machine of the lab: a worker process for each device that it sees, and one that converts."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from bench.lab.host_folder import HostFolder
from bench.lab.worker import Configuration
from bench.progress import Reporter
from devices import DeviceError, list_devices

_LOOK_SECONDS = 5.0
_END_SECONDS = 45.0
_FREE_SHARE = 0.8
"""Of the memory that is free: the rest is for what else the machine does."""


@dataclass(frozen=True)
class HostOptions:
    """What a machine offers.

    Attributes:
        scheduler: The scheduler's address.
        certificates: The folder with the certificates; None: the default.
        folder: Where files and records are kept.
        name: What people call the machine.
        devices: Its devices; None: those attached through adb, also those that come later.
        convert: Whether it converts.
        jobs: Conversions at the same time.
        memory_gb: What they may use together; None: most of what is free.
        before_device: A command to run before a device is opened.
    """

    scheduler: str
    certificates: Path | None
    folder: Path
    name: str
    devices: Sequence[str] | None = None
    convert: bool = True
    jobs: int = 1
    memory_gb: float | None = None
    before_device: str | None = None


def serve(options: HostOptions, say: Reporter) -> None:
    """Keep the machine's workers in the lab until the process is ended."""
    freed = HostFolder(options.folder).prune()
    if freed:
        say.line(f"{options.folder}: {freed / 1e6:.0f} MB removed, of runs that nobody went on with")
    with _workers() as running:
        while True:
            wanted = {each.name: each for each in _configurations(options, say)}
            for name, process in list(running.items()):
                if process.poll() is not None:
                    say.line(
                        f"{name}: its process ended with exit code {process.returncode}; starting it again"
                    )
                    del running[name]
                elif name not in wanted:
                    say.line(f"{name}: the device is no longer attached")
                    _end([process])
                    del running[name]
            for name, configuration in wanted.items():
                if name not in running:
                    running[name] = _start(configuration)
            time.sleep(_LOOK_SECONDS)


def _configurations(options: HostOptions, say: Reporter) -> Iterator[Configuration]:
    of_device = Configuration(
        scheduler=options.scheduler,
        certificates=str(options.certificates) if options.certificates else None,
        folder=str(options.folder),
        host=options.name,
        device=None,
        before_device=options.before_device,
    )
    for device in options.devices if options.devices is not None else _attached(say):
        yield replace(of_device, device=device)
    if options.convert:
        free = _FREE_SHARE * psutil.virtual_memory().available / 1e6
        megabytes = free if options.memory_gb is None else 1000 * options.memory_gb
        yield replace(of_device, jobs=options.jobs, megabytes=megabytes)


def _attached(say: Reporter) -> list[str]:
    try:
        return [each.name for each in list_devices() if each.kind == "adb" and each.usable]
    except DeviceError as error:
        say.line(f"devices behind adb cannot be listed: {error}")
        return []


def _start(configuration: Configuration) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "bench.lab.worker", configuration.as_json()]
    # Its standard input is held open by this process alone: the worker ends with it.
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


@contextmanager
def _workers() -> "Iterator[dict[str, subprocess.Popen[bytes]]]":
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        yield running
    finally:
        _end(list(running.values()))


def _end(processes: "Sequence[subprocess.Popen[bytes]]") -> None:
    """Ask them to end what they do; those that do not are killed."""
    for process in processes:
        if process.stdin is not None:
            process.stdin.close()
    deadline = time.monotonic() + _END_SECONDS
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
