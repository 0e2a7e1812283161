"""An emulated machine as a device."""

from __future__ import annotations

from dataclasses import replace

from devices.adb.connect import connect_tcp
from devices.adb.device import AdbDevice
from devices.adb.streams import Link
from devices.emulator.kinds import MachineSpec
from devices.emulator.machine import OwnMachine, find_running
from devices.errors import DeviceError
from devices.protocol import DeviceInfo


class EmulatedDevice(AdbDevice):
    """Starts its machine when first used, unless one was started to stay; stops what it started in
    ``close``."""

    emulated = True
    kind = "emulated"

    def __init__(self, spec: MachineSpec) -> None:
        super().__init__(spec.name, self._reach)
        self.spec = spec
        self._machine: OwnMachine | None = None

    def _reach(self) -> Link:
        if self._machine is not None:
            if not self._machine.alive():
                raise DeviceError(f"{self.name}: the emulator has ended ({self._machine.last_words()})")
            port = self._machine.port
        elif running := find_running(self.spec):
            port = running.port
        else:
            self._machine = OwnMachine(self.spec)
            port = self._machine.port
        return connect_tcp(self.name, "127.0.0.1", port)

    def close(self) -> None:
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
