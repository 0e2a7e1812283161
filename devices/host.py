"""This machine as a device."""

from __future__ import annotations

import glob
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from devices import starter, sysfs
from devices.cache import cache_folder, cache_root, store_copy
from devices.errors import DeviceError
from devices.launches import EMBEDDED_DELEGATES, HOST_GPU_DELEGATES
from devices.locks import device_lock
from devices.protocol import TIMEOUT_EXIT_CODE, DeviceInfo, DeviceState, RunResult

WAIT_VARIABLE = "NOBUCO_WAIT_FOR_HOST"

_STARTER = (sys.executable, "-I", "-S", str(Path(starter.__file__)))


class HostDevice:
    """Commands run in a process group of their own, started from a small process that ends with this one."""

    name = "host"
    emulated = False

    def __init__(self) -> None:
        self.scratch = str(cache_folder("host", "scratch"))
        self._info: DeviceInfo | None = None

    def info(self) -> DeviceInfo:
        """Read once, then remembered."""
        if self._info is None:
            self._info = _read_info()
        return self._info

    def push(self, local: Path) -> str:
        # A copy, not the file itself: what was pushed stays what it was when its maker writes over it.
        """Copy a file into the cache, under its SHA-256."""
        return str(store_copy(Path(local), cache_folder("host", "files")))

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> RunResult:
        """Run a command in a process group of its own, which is killed past ``timeout`` and on Ctrl-C."""
        start = time.monotonic()
        try:
            process = subprocess.Popen(
                [*_STARTER, str(os.getpid()), *argv],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )
        except OSError as error:
            message = f"cannot start {argv[0]} in {cwd or Path.cwd()}: {error.strerror}\n".encode()
            return RunResult(starter.NOT_EXECUTABLE, b"", message, time.monotonic() - start)
        try:
            stdout, stderr = process.communicate(timeout=timeout)
            timed_out = False
        except subprocess.TimeoutExpired:
            _end_group(process)
            stdout, stderr = process.communicate()
            timed_out = True
        except BaseException:
            # Ctrl-C reaches this process but not the child, which has a session of its own.
            _end_group(process)
            process.communicate()
            raise
        code = process.returncode
        exit_code = TIMEOUT_EXIT_CODE if timed_out else code if code >= 0 else 128 - code
        return RunResult(exit_code, stdout, stderr, time.monotonic() - start, timed_out)

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file."""
        try:
            shutil.copyfile(remote, local)
        except OSError as error:
            raise DeviceError(f"host: cannot copy {remote} to {local}: {error.strerror}") from error

    def state(self) -> DeviceState:
        """From the kernel's files."""
        return sysfs.state_from(read_files(sysfs.STATE_GLOBS))

    def hold_performance(self) -> AbstractContextManager[bool]:
        """Linux lets nobody but root set a clock."""
        return nullcontext(False)

    def lock(self) -> AbstractContextManager[None]:
        """One user at a time, across processes; how long to wait for it is said by ``$NOBUCO_WAIT_FOR_HOST``, in seconds."""
        return device_lock(self.name, wait_seconds=_patience())

    def clean(self) -> int:
        """Remove what was pushed; returns the bytes freed."""
        folder = cache_root() / "host"
        freed = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        shutil.rmtree(folder, ignore_errors=True)
        cache_folder("host", "scratch")
        return freed

    def close(self) -> None:
        """Nothing stays open."""


def _end_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        # It ended by itself in the meantime.
        return


def read_files(patterns: Iterable[str]) -> dict[str, str]:
    """Content of the files that match and can be read; sensors that refuse are left out."""
    files: dict[str, str] = {}
    for pattern in patterns:
        for path in sorted(glob.glob(pattern)):  # noqa: PTH207 (absolute patterns, which pathlib does not take)
            try:
                files[path] = Path(path).read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
    return files


def _read_info() -> DeviceInfo:
    files = read_files(sysfs.INFO_GLOBS)
    system = platform.uname()
    if system.system != "Linux":
        raise DeviceError(
            f"device host needs Linux, this is {system.system}; run in a Linux container or use an adb device"
        )
    model = files.get("/sys/class/dmi/id/product_name") or files.get("/proc/device-tree/model") or system.node
    return DeviceInfo(
        name="host",
        kind="host",
        model=model.strip().strip("\0"),
        soc=sysfs.processor_name(files),
        abi=sysfs.abi_of(system.machine),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=(sysfs.memory_kb(files, "MemTotal") or 0) * 1024,
        os=sysfs.os_name(files),
        kernel=system.release,
        clusters=sysfs.clusters_from(files),
        delegates=(*EMBEDDED_DELEGATES, *HOST_GPU_DELEGATES),
    )


def _patience() -> float:
    """Seconds to wait for another run on this host to end; none unless asked for.

    Raises:
        DeviceError: What is asked for is no number of seconds.
    """
    said = os.environ.get(WAIT_VARIABLE, "0")
    try:
        seconds = float(said)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise DeviceError(f"{WAIT_VARIABLE} is {said!r}: give a number of seconds, such as 600")
    return seconds
