"""From a device's name to the device."""

from __future__ import annotations

import difflib

from devices.errors import DeviceError
from devices.protocol import Device

KNOWN = ("host", "arm", "x86", "adb")


def open_device(spec: str) -> Device:
    """Open a device by name.

    Args:
        spec: ``host``; ``arm`` or ``x86`` (emulated; ``arm:cortex-a53#2`` for another processor and a second machine);
            ``adb:SERIAL``, ``adb:HOST:PORT``, or ``adb`` when a single device is attached.

    Raises:
        DeviceError: There is no device of that name, or this machine lacks what it needs.
    """
    from devices.emulator.kinds import is_machine_name, parse_machine

    if spec == "host":
        from devices.host import HostDevice

        return HostDevice()
    if is_machine_name(spec):
        from devices.emulator.device import EmulatedDevice
        from devices.emulator.machine import qemu_path

        machine = parse_machine(spec)
        # Raises now, not in the middle of a run, where the emulator is not installed.
        qemu_path(machine)
        return EmulatedDevice(machine)
    if spec == "adb" or spec.startswith("adb:"):
        from devices.adb.discover import open_adb

        return open_adb(spec)
    near = difflib.get_close_matches(spec, KNOWN, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(KNOWN)}"
    raise DeviceError(f"there is no device called {spec!r}; {hint}")
