"""Making a link to a device by address, serial number or adb server."""

from __future__ import annotations

from typing import Any

from devices.adb.keys import load_signer
from devices.adb.messages import DirectLink
from devices.adb.streams import Link
from devices.errors import DeviceError


def connect_tcp(name: str, host: str, port: int, timeout: float = 10.0) -> Link:
    """A link over TCP."""
    from adb_shell.transport.tcp_transport import TcpTransport

    return DirectLink(name, TcpTransport(host, port), load_signer(), timeout=timeout)


def connect_usb(name: str, serial: str, timeout: float = 10.0) -> Link:
    """A link over USB, when no adb server holds the device."""
    transport_class = usb_transport()
    from adb_shell.exceptions import UsbDeviceNotFoundError

    try:
        transport = transport_class.find_adb(serial=serial)
    except UsbDeviceNotFoundError as error:
        raise DeviceError(
            f"there is no device with serial {serial} on USB; check the cable, and that USB debugging is on"
        ) from error
    return DirectLink(name, transport, load_signer(), timeout=timeout)


def usb_serials() -> list[str]:
    """Serial numbers of the adb devices on USB; empty when this machine has no libusb."""
    try:
        transports = usb_transport().find_all_adb_devices()
        return [transport.serial_number for transport in transports]
    except DeviceError:
        return []


def usb_transport() -> Any:
    """adb-shell's transport class for USB; ``DeviceError`` when this machine lacks what it needs."""
    try:
        from adb_shell.transport.usb_transport import UsbTransport
    except (ImportError, OSError) as error:
        raise usb_problem(error) from error
    return UsbTransport


def usb_problem(error: ImportError | OSError) -> DeviceError:
    """Which of the two parts is missing: the Python package cannot be imported, or finds no library to load."""
    if isinstance(error, ImportError):
        return DeviceError(
            f"adb over USB needs the Python package libusb1 ({error})", "run: pip install 'adb-shell[usb]'"
        )
    return DeviceError(
        f"adb over USB needs the system's libusb ({error})", "run: sudo apt-get install libusb-1.0-0"
    )
