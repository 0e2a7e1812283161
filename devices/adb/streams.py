"""What both ways to a device (direct, and through a running adb server) offer: services with a byte stream."""

from __future__ import annotations

from typing import Protocol

from devices.errors import DeviceError


class ServiceRefused(DeviceError):
    """The device does not offer the service that was asked for."""


class Stream(Protocol):
    """A two-way stream of bytes to a service on the device, such as ``shell,v2,raw:ls``."""

    def send(self, data: bytes, timeout: float) -> None:
        """Send all of ``data``. ``ConnectionLost`` when the device takes none of it for ``timeout`` seconds."""
        ...

    def receive(self, timeout: float) -> bytes:
        """The next bytes, empty once the device has closed the stream. ``TimeoutError`` when none arrive in time."""
        ...

    def has_input(self) -> bool:
        """Whether bytes have arrived that were not received yet."""
        ...

    def close(self) -> None:
        """Close the stream; safe to call twice."""
        ...


class Link(Protocol):
    """A way to one device."""

    def open(self, service: str, timeout: float) -> Stream:
        """Open a stream to ``service``. ``ServiceRefused`` when the device does not offer it."""
        ...

    def close(self) -> None:
        """Let go of the device; safe to call twice."""
        ...


class Reader:
    """Reads a stream by exact counts."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    def exactly(self, count: int, timeout: float) -> bytes:
        """``count`` bytes, or fewer when the stream ends before."""
        while len(self._buffer) < count:
            chunk = self._stream.receive(timeout)
            if not chunk:
                break
            self._buffer += chunk
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken
