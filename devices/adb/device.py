"""A device behind adb."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from devices import sysfs
from devices.adb import android
from devices.adb.shell import kill_group, run_command
from devices.adb.streams import Link
from devices.adb.sync import TransferRefused, receive_file, send_file
from devices.cache import sha256_of
from devices.errors import CommandInterrupted, ConnectionLost, DeviceError
from devices.launches import EMBEDDED_DELEGATES
from devices.locks import device_lock
from devices.protocol import EMULATED_MARK, DeviceInfo, DeviceState, RunResult

_HOME = "/data/local/tmp/nobuco"
# Seconds for commands that only read.
_SHORT = 30.0
_HASHING = 300.0
# With the pauses these take five seconds, enough for an adbd that is restarting.
_ATTEMPTS = 5
_PAUSE_SECONDS = 0.5
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
# Printed before each file's content; no file that is read here has such a line.
_FILE_MARK = "=== nobuco file "

Answer = TypeVar("Answer")


class AdbDevice:
    """Files and commands through adb. ``connect`` makes a link, and makes it again when it breaks."""

    kind = "adb"

    def __init__(self, name: str, connect: Callable[[], Link]) -> None:
        self.name = name
        self.scratch = f"{_HOME}/scratch"
        self._connect = connect
        self._link: Link | None = None
        self._info: DeviceInfo | None = None
        self._pushed: dict[str, str] = {}
        self._orphan: int | None = None

    @property
    def emulated(self) -> bool:
        """An emulated machine is recognized by its system's name, whichever way it is reached."""
        return EMULATED_MARK in self.info().os

    def info(self) -> DeviceInfo:
        """Read once, then remembered."""
        if self._info is None:
            self._info = self._read_info()
        return self._info

    def push(self, local: Path) -> str:
        """Kept on the device under its SHA-256, and checked there."""
        local = Path(local)
        digest = sha256_of(local)
        remote = f"{_HOME}/files/{digest}/{local.name}"
        if remote not in self._pushed:
            mode = 0o755 if local.stat().st_mode & 0o100 else 0o644
            if self._digest_on_device(remote) != digest:
                self._send(local, remote, digest, mode)
            self._pushed[remote] = digest
        return remote

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> RunResult:
        """Run a command; connects first where needed. ``CommandInterrupted`` when the connection breaks meanwhile."""
        return self._try(lambda link: run_command(link, argv, timeout=timeout, env=env, cwd=cwd))

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file from the device; a broken connection is made again."""
        try:
            self._try(lambda link: receive_file(link, remote, Path(local)))
        except TransferRefused as error:
            raise DeviceError(f"{self.name}: cannot read {remote}: {error}") from error
        except OSError as error:
            raise DeviceError(f"cannot write {local}: {error.strerror}") from error

    def state(self) -> DeviceState:
        """From the kernel's files and, on Android, its services."""
        state = sysfs.state_from(self._files(sysfs.STATE_GLOBS))
        return android.add_services(self._ask, state) if self.info().android else state

    def hold_performance(self) -> AbstractContextManager[bool]:
        """Android's fixed performance mode; other systems offer nothing without root."""
        if not self.info().android:
            return nullcontext(False)
        return android.fixed_performance_mode(lambda argv: self.run(argv, timeout=_SHORT))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """By name, and by the device's own identity: two names may lead to one device."""
        with ExitStack() as held:
            held.enter_context(device_lock(self.name))
            if marks := self._own_marks():
                held.enter_context(device_lock(self.name, key="-".join(["device", *marks])))
            yield

    def _own_marks(self) -> list[str]:
        """What identifies the device: Android's serial number and the number that Linux draws at each boot, as far as it
        gives them. Cheap boards share a serial number, and Android may withhold the other."""
        script = f"getprop ro.serialno 2>/dev/null; cat {_BOOT_ID} 2>/dev/null"
        return self._shell(script, _SHORT).stdout.decode(errors="replace").split()

    def clean(self) -> int:
        """Remove our folder on the device; returns its size in bytes."""
        sizes = self._shell(f"du -sk {_HOME} 2>/dev/null; rm -rf {_HOME}", _HASHING).stdout.split()
        self._pushed.clear()
        return int(sizes[0]) * 1024 if sizes else 0

    def close(self) -> None:
        """End the connection; the next call makes a new one."""
        self._drop_link()

    def _drop_link(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _try(self, action: Callable[[Link], Answer]) -> Answer:
        """Do ``action``, connecting first where needed, and again after a broken connection; but a command that was
        broken off in the middle is for the caller to repeat."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                if self._link is None:
                    self._link = self._connect()
                    self._kill_orphan(self._link)
                return action(self._link)
            except ConnectionLost as error:
                self._drop_link()
                if isinstance(error, CommandInterrupted):
                    self._orphan = error.process_group
                    raise CommandInterrupted(self._named(error)) from error
                if attempt == _ATTEMPTS:
                    raise ConnectionLost(f"{self._named(error)} ({_ATTEMPTS} attempts)") from error
                time.sleep(_PAUSE_SECONDS * attempt)
        raise AssertionError("the loop above returns or raises")

    def _kill_orphan(self, link: Link) -> None:
        """A command outlives a connection that breaks; left alone, it would disturb what is measured next."""
        if self._orphan is not None:
            kill_group(link, self._orphan)
            self._orphan = None

    def _named(self, error: DeviceError) -> str:
        text = str(error)
        return text if text.startswith(self.name) else f"{self.name}: {text}"

    def _shell(self, script: str, timeout: float) -> RunResult:
        """Run a script that may be run again."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self.run(["sh", "-c", script], timeout=timeout)
            except CommandInterrupted:
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError("the loop above returns or raises")

    def _ask(self, argv: Sequence[str]) -> str:
        return self._shell(shlex.join(argv), _SHORT).stdout.decode(errors="replace")

    def _digest_on_device(self, remote: str) -> str | None:
        done = self._shell(f"sha256sum {shlex.quote(remote)}", _HASHING)
        # Names with a backslash or a line break make sha256sum put a backslash before the sum.
        words = done.stdout.decode(errors="replace").lstrip("\\").split()
        if done.exit_code == 127:
            raise DeviceError(f"{self.name} has no sha256sum, without which no push can be verified")
        return words[0] if done.exit_code == 0 and words else None

    def _send(self, local: Path, remote: str, digest: str, mode: int) -> None:
        """To a name beside the final one, then checked, then renamed: a push cut short leaves no wrong file."""
        folder = remote.rpartition("/")[0]
        partial = f"{folder}/.partial"
        self._shell(f"rm -f {partial}; mkdir -p {folder} {self.scratch}", _SHORT)
        try:
            self._try(lambda link: send_file(link, local, partial, mode))
        except TransferRefused as error:
            self._shell(f"rm -rf {folder}", _SHORT)
            raise DeviceError(self._push_failure(local, str(error))) from error
        arrived = self._digest_on_device(partial)
        if arrived != digest:
            self._shell(f"rm -rf {folder}", _SHORT)
            raise DeviceError(
                f"{self.name}: {local} arrived with SHA-256 {arrived}, not {digest}; check cable and storage"
            )
        done = self._shell(f"chmod {mode:o} {partial} && mv {partial} {shlex.quote(remote)}", _SHORT)
        if done.exit_code:
            raise DeviceError(
                f"{self.name}: cannot keep {remote}: {done.stderr.decode(errors='replace').strip()}"
            )

    def _push_failure(self, local: Path, words: str) -> str:
        message = f"{self.name}: cannot push {local}: {words}"
        if "space" in words.lower():
            message += (
                f"; free space on the device, or remove what we left there: bench devices clean {self.name}"
            )
        return message

    def _files(self, patterns: Sequence[str]) -> dict[str, str]:
        """Content of the files on the device that match and can be read."""
        script = (
            f"for f in {' '.join(patterns)}; do [ -r $f ] && echo '{_FILE_MARK}'$f && cat $f && echo; done"
        )
        text = self._shell(script, _SHORT).stdout.decode(errors="replace")
        files: dict[str, str] = {}
        for part in text.split(_FILE_MARK)[1:]:
            path, _, content = part.partition("\n")
            files[path] = content
        return files

    def _read_info(self) -> DeviceInfo:
        files = self._files(sysfs.INFO_GLOBS)
        system = self._shell("uname -m; uname -r; nproc", _SHORT).stdout.decode(errors="replace").split()
        if len(system) < 2:
            raise DeviceError(f"{self.name} does not run commands: `uname` printed nothing")
        abi = sysfs.abi_of(system[0])
        cores = int(system[2]) if len(system) > 2 and system[2].isdigit() else sysfs.core_count(files)
        runs_embedded = abi in {"arm64", "x86_64"}
        info = DeviceInfo(
            name=self.name,
            kind=self.kind,
            model=files.get("/proc/device-tree/model", "").strip("\0\n ") or system[0],
            soc=sysfs.processor_name(files),
            abi=abi,
            cores=cores,
            memory_bytes=(sysfs.memory_kb(files, "MemTotal") or 0) * 1024,
            os=sysfs.os_name(files),
            kernel=system[1],
            clusters=sysfs.clusters_from(files),
            delegates=EMBEDDED_DELEGATES if runs_embedded else (),
        )
        properties = android.properties(self._ask)
        return replace(info, **android.identity(properties)) if properties else info
