"""Finding devices behind adb."""

from __future__ import annotations

import re
from dataclasses import dataclass

from devices.adb.connect import connect_tcp, connect_usb, usb_serials
from devices.adb.device import AdbDevice
from devices.adb.server import ServerLink, server_devices
from devices.errors import DeviceError

_DEFAULT_PORT = 5555


@dataclass(frozen=True)
class Attached:
    """A device that adb sees."""

    serial: str
    through: str
    """``adb server`` or ``usb``."""
    state: str
    """``device`` when it can be used."""


def attached_devices() -> list[Attached]:
    """Devices of the running adb server, and those on USB when no server holds them."""
    by_server = [Attached(row.serial, "adb server", row.state) for row in server_devices()]
    known = {device.serial for device in by_server}
    return by_server + [Attached(serial, "usb", "device") for serial in usb_serials() if serial not in known]


def open_adb(spec: str) -> AdbDevice:
    """``adb:HOST:PORT``, ``adb:SERIAL``, or ``adb`` for the only device there is."""
    target = spec.partition(":")[2]
    if not target:
        attached = attached_devices()
        if len(attached) != 1:
            names = ", ".join(f"adb:{device.serial}" for device in attached)
            raise DeviceError(
                f"adb sees {len(attached)} devices; name one: {names}"
                if attached
                else "adb sees no device; attach one with USB debugging on, or name it by adb:HOST:PORT"
            )
        target = attached[0].serial
    name = f"adb:{target}"
    for device in server_devices():
        if device.serial == target:
            return AdbDevice(name, lambda: ServerLink(name, target))
    if address := re.fullmatch(r"(?P<host>\[.+\]|[^:]+):(?P<port>\d+)", target):
        host, port = address["host"].strip("[]"), int(address["port"])
        return AdbDevice(name, lambda: connect_tcp(name, host, port))
    if re.fullmatch(r"\d+(\.\d+){3}|.*\.local", target):
        return AdbDevice(name, lambda: connect_tcp(name, target, _DEFAULT_PORT))
    return AdbDevice(name, lambda: connect_usb(name, target))
