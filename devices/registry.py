"""From a device's name to the device."""

from __future__ import annotations

import difflib

from devices.errors import DeviceError
from devices.protocol import Device, DeviceInfo

KNOWN = ("host",)


def open_device(spec: str) -> Device:
    """Open ``host``. Raises ``DeviceError`` with the nearest names when there is no such device."""
    if spec == "host":
        from devices.host import HostDevice

        return HostDevice()
    near = difflib.get_close_matches(spec, KNOWN, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(KNOWN)}"
    raise DeviceError(f"there is no device called {spec!r}; {hint}")


def list_devices() -> list[DeviceInfo]:
    """Devices that can be used right now."""
    return [open_device("host").info()]
