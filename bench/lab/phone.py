"""A device on a machine of the lab, as the worker of it uses it: one launch at a time, opened when it is first needed."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from devices import Device, DeviceError, open_device

_HOOK_SECONDS = 600.0


class Phone:
    """One device.

    Args:
        name: What `open_device` takes.
        before: A command to run before the device is opened, such as one that reserves it; None: none. It finds the
            device's name in BENCH_DEVICE.
    """

    def __init__(self, name: str, before: str | None = None) -> None:
        self.name = name
        self.lost = threading.Event()
        self._before = before
        self._device: Device | None = None
        self._gate = threading.Lock()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One launch at a time: a launch that a lost scheduler had ordered may still be going on."""
        with self._gate:
            yield

    def device(self) -> Device:
        """The device, opened. Raises DeviceError."""
        if self._device is None:
            if self._before is not None:
                self._run_hook(self._before)
            self._device = open_device(self.name)
        return self._device

    def close(self) -> None:
        """Let go of the device; it is opened again when it is next needed."""
        if self._device is not None:
            self._device.close()
            self._device = None

    def _run_hook(self, command: str) -> None:
        try:
            done = subprocess.run(
                command,
                shell=True,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_HOOK_SECONDS,
                check=False,
                env={**os.environ, "BENCH_DEVICE": self.name},
            )
        except subprocess.TimeoutExpired as error:
            raise DeviceError(
                f"{self.name}: --before-device {command!r} took longer than {_HOOK_SECONDS:g} s"
            ) from error
        if done.returncode != 0:
            lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            reason = lines[-1] if lines else "it printed nothing"
            raise DeviceError(
                f"{self.name}: --before-device {command!r} ended with exit code {done.returncode}: {reason}"
            )
