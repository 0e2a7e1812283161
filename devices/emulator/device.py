"""An emulated machine as a device."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from devices.adb.connect import connect_tcp
from devices.adb.device import AdbDevice, Answer
from devices.adb.streams import Link
from devices.emulator.kinds import MachineSpec
from devices.emulator.machine import OwnMachine, find_running
from devices.errors import DeviceError
from devices.protocol import DeviceInfo


class EmulatedDevice(AdbDevice):
    """Starts its machine when first used, unless one was started to stay; ``close`` stops what this object started."""

    kind = "emulated"

    @property
    def emulated(self) -> bool:
        """Always; no need to start the machine to find out."""
        return True

    def __init__(self, spec: MachineSpec) -> None:
        super().__init__(spec.name, self._reach)
        self.spec = spec
        self._machine: OwnMachine | None = None
        self._users = 0
        self._gate = threading.Lock()

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Let the machine run while the block does."""
        with self._gate:
            self._users += 1
            self._signal(signal.SIGCONT)
        try:
            yield
        finally:
            with self._gate:
                self._users -= 1
                if not self._users:
                    self._signal(signal.SIGSTOP)

    def _try(self, action: Callable[[Link], Answer]) -> Answer:
        with self.awake():
            return super()._try(action)

    def _signal(self, number: signal.Signals) -> None:
        # A machine that was started to stay may serve other processes too, so it is left alone.
        if self._machine is not None:
            # One that has ended shows when it is next talked to.
            with suppress(ProcessLookupError):
                os.kill(self._machine.pid, number)

    def _reach(self) -> Link:
        if self._machine is not None:
            if not self._machine.alive():
                raise DeviceError(f"{self.name}: the emulator has ended ({self._machine.last_words()})")
            self._machine.wait_for_adbd()
            port = self._machine.port
        elif running := find_running(self.spec):
            port = running.port
        else:
            self._machine = OwnMachine(self.spec)
            port = self._machine.port
        return connect_tcp(self.name, "127.0.0.1", port)

    def close(self) -> None:
        """Stop the machine if this object started it."""
        super().close()
        if self._machine is not None:
            self._machine.stop()
            self._machine = None

    def _read_info(self) -> DeviceInfo:
        from devices.emulator.image import build_image

        info = super()._read_info()
        return replace(
            info, model=f"QEMU {self.spec.kind.machine} (image {build_image(self.spec.kind).digest})"
        )
