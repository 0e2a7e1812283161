"""Devices of a running adb server. While it runs it holds the USB devices, so the only way to them is through it."""

from __future__ import annotations

import os
import select
import socket
import time
from dataclasses import dataclass

from devices.adb.streams import ServiceRefused
from devices.errors import ConnectionLost, DeviceError
from devices.interruption import LOOK_SECONDS, look_for_interruption


@dataclass(frozen=True)
class ServerDevice:
    """A line of ``adb devices``."""

    serial: str
    state: str
    """``device`` when it can be used, else ``unauthorized``, ``offline``, ..."""


def server_address() -> tuple[str, int]:
    """Where adb's server listens: loopback, port 5037 unless ``$ANDROID_ADB_SERVER_PORT`` says otherwise."""
    port = os.environ.get("ANDROID_ADB_SERVER_PORT", "5037")
    if not port.isdigit():
        raise DeviceError(f"ANDROID_ADB_SERVER_PORT is {port!r}, which is no port number")
    return "127.0.0.1", int(port)


def server_devices() -> list[ServerDevice]:
    """Devices of the running adb server; empty when none runs. No server is ever started."""
    try:
        connection = socket.create_connection(server_address(), timeout=1.0)
    except OSError:
        return []
    with connection:
        _ask(connection, "host:devices", "the adb server")
        size = int(_exactly(connection, 4, "the adb server"), 16)
        listing = _exactly(connection, size, "the adb server").decode(errors="replace")
    rows = [line.split("\t") for line in listing.splitlines() if "\t" in line]
    return [ServerDevice(serial=row[0], state=row[1]) for row in rows]


class ServerLink:
    """A link to one device through the adb server; each stream is a connection of its own."""

    def __init__(self, name: str, serial: str, timeout: float = 10.0) -> None:
        self.name, self._serial = name, serial
        self.open("host:features", timeout, to_device=False).close()

    def open(self, service: str, timeout: float, *, to_device: bool = True) -> ServerStream:
        """Open a stream to ``service`` over a connection of its own.

        With ``to_device`` false only the device is chosen, which shows whether the server still has it.
        """
        try:
            connection = socket.create_connection(server_address(), timeout=timeout)
        except OSError as error:
            raise ConnectionLost(
                f"the adb server that held {self.name} is gone; run: adb start-server"
            ) from error
        try:
            _ask(connection, f"host:transport:{self._serial}", self.name)
            if to_device:
                _ask(connection, service, self.name)
        except BaseException:
            connection.close()
            raise
        return ServerStream(connection, self.name)

    def close(self) -> None:
        """The server keeps the device; nothing is open between streams."""


class ServerStream:
    """A stream of ``ServerLink``."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        self._connection, self._name = connection, name

    def send(self, data: bytes, timeout: float) -> None:
        """Send all of ``data``."""
        self._connection.settimeout(timeout)
        try:
            self._connection.sendall(data)
        except TimeoutError as error:
            raise ConnectionLost(f"{self._name} took no data for {timeout:g} s") from error
        except BrokenPipeError:
            # The device wants no more; its answer is read next.
            return
        except OSError as error:
            raise ConnectionLost(f"the connection to {self._name} broke: {error.strerror}") from error

    def receive(self, timeout: float) -> bytes:
        """The next bytes; empty once the device has closed the stream."""
        deadline = time.monotonic() + timeout
        while True:
            look_for_interruption()
            until = min(deadline, time.monotonic() + LOOK_SECONDS)
            self._connection.settimeout(max(until - time.monotonic(), 0.001))
            try:
                return self._connection.recv(1 << 16)
            except TimeoutError:
                if until == deadline:
                    raise
            except OSError as error:
                raise ConnectionLost(f"the connection to {self._name} broke: {error.strerror}") from error

    def has_input(self) -> bool:
        """Whether bytes have arrived that were not received yet."""
        return bool(select.select([self._connection], [], [], 0)[0])

    def close(self) -> None:
        """Close the connection, and the stream with it."""
        self._connection.close()


def _exactly(connection: socket.socket, count: int, name: str) -> bytes:
    data = b""
    while len(data) < count:
        try:
            chunk = connection.recv(count - len(data))
        except OSError as error:
            raise ConnectionLost(f"{name} stopped answering: {error}") from error
        if not chunk:
            raise ConnectionLost(f"{name} closed the connection")
        data += chunk
    return data


def _ask(connection: socket.socket, service: str, name: str) -> None:
    """Send one request of the server's protocol (four hex digits of length, then text) and read OKAY or FAIL."""
    request = service.encode()
    connection.sendall(f"{len(request):04x}".encode() + request)
    answer = _exactly(connection, 4, name)
    if answer == b"OKAY":
        return
    reason = _exactly(connection, int(_exactly(connection, 4, name), 16), name).decode(errors="replace")
    if "unauthorized" in reason:
        raise DeviceError(f"{name} does not trust this computer: unlock it and accept the key that it shows")
    if "not found" in reason or "offline" in reason:
        raise ConnectionLost(f"{name}: {reason}")
    raise ServiceRefused(f"{name} refuses {service.partition(':')[0]!r}: {reason}")
