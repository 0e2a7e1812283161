"""adb's message layer, straight to a device: sign on, then any number of streams over one transport.

A message is a header of six little-endian words (command, two arguments, length, checksum, command
inverted) and its payload. Every stream has a number on each side; a piece of data is answered by OKAY
before the next is sent.
"""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable
from typing import Any

from devices.adb.streams import ServiceRefused
from devices.errors import ConnectionLost, DeviceError
from devices.interruption import LOOK_SECONDS, look_for_interruption

_HEADER = struct.Struct("<6I")
# The first version that needs no checksums.
_VERSION = 0x01000001
_OLD_VERSION = 0x01000000
_MAX_PAYLOAD = 1 << 20
# A transport takes as much of a write as it can; the rest of a larger one would be copied again.
_WRITE_SIZE = 1 << 17
_AUTH_TOKEN, _AUTH_SIGNATURE, _AUTH_PUBLIC_KEY = 1, 2, 3
_BANNER = b"host::features=shell_v2\0"
# How long a person gets to accept this computer's key on the device's screen.
APPROVAL_SECONDS = 30.0


def _command(name: bytes) -> int:
    return int.from_bytes(name, "little")


_CNXN, _AUTH, _STLS = _command(b"CNXN"), _command(b"AUTH"), _command(b"STLS")
_OPEN, _OKAY, _WRTE, _CLSE = _command(b"OPEN"), _command(b"OKAY"), _command(b"WRTE"), _command(b"CLSE")


class Signer:
    """The part of adb-shell's signers that is used here."""

    Sign: Callable[[bytes], bytes]
    GetPublicKey: Callable[[], bytes]


class DirectLink:
    """A link to a device over an adb-shell transport (TCP or USB)."""

    def __init__(self, name: str, transport: Any, signer: Any, *, timeout: float = 10.0) -> None:
        self.name = name
        self.features: frozenset[str] = frozenset()
        self._transport = transport
        self._lock = threading.RLock()
        self._streams: dict[int, DirectStream] = {}
        self._last_number = 0
        self._version, self._max_payload = _VERSION, 4096
        self._incoming = bytearray()
        try:
            transport.connect(timeout)
            self._sign_on(signer, timeout)
        except DeviceError:
            self.close()
            raise
        except Exception as error:
            # Transports raise their own and libusb's exceptions, which share no base class.
            self.close()
            raise ConnectionLost(
                f"{name} cannot be reached: {_reason(error)}; check that it is on, connected, and has debugging enabled"
            ) from error

    def _sign_on(self, signer: Any, timeout: float) -> None:
        self._send(_CNXN, _VERSION, _MAX_PAYLOAD, _BANNER, timeout)
        tokens = 0
        deadline = time.monotonic() + timeout
        while True:
            try:
                command, kind, size, payload = self._read_message(max(0.0, deadline - time.monotonic()))
            except TimeoutError as error:
                if tokens > 1:
                    raise DeviceError(
                        f"{self.name} does not trust this computer: unlock it, accept the key that it shows, and run "
                        "the command again"
                    ) from error
                raise ConnectionLost(f"{self.name} does not answer; is it an adb device, and on?") from error
            if command == _CNXN:
                self._version, self._max_payload = min(kind, _VERSION), min(size, _MAX_PAYLOAD)
                self.features = _features(payload)
                return
            if command == _STLS:
                raise DeviceError(
                    f"{self.name} wants a connection with TLS (wireless debugging): pair and connect it with "
                    "`adb pair` and `adb connect`, and name it by the serial that `adb devices` shows"
                )
            if command == _AUTH and kind == _AUTH_TOKEN:
                tokens += 1
                if tokens == 1:
                    self._send(_AUTH, _AUTH_SIGNATURE, 0, signer.Sign(payload), timeout)
                elif tokens == 2:
                    self._send(_AUTH, _AUTH_PUBLIC_KEY, 0, _public_key(signer), timeout)
                    deadline = time.monotonic() + APPROVAL_SECONDS

    def open(self, service: str, timeout: float) -> DirectStream:
        """Open a stream to ``service``. ``ServiceRefused`` when the device does not offer it."""
        with self._lock:
            self._last_number += 1
            stream = DirectStream(self, self._last_number)
            self._streams[stream.number] = stream
            self._send(_OPEN, stream.number, 0, service.encode() + b"\0", timeout)
            self._wait(lambda: stream.accepted or stream.ended, timeout)
            if not stream.accepted:
                if stream.ended:
                    raise ServiceRefused(f"{self.name} refuses the service {service.partition(':')[0]!r}")
                raise ConnectionLost(f"{self.name} did not open a stream within {timeout:g} s")
            return stream

    def close(self) -> None:
        """End every stream and the transport; safe to call twice."""
        for stream in self._streams.values():
            stream.ended = True
        self._streams.clear()
        try:
            self._transport.close()
        except Exception as error:
            # Closing a device that has gone fails in ways of its own; there is nothing left to close then.
            self._closing_error = error

    def _send(self, command: int, first: int, second: int, payload: bytes, timeout: float) -> None:
        checksum = sum(payload) & 0xFFFFFFFF if self._version <= _OLD_VERSION or command == _CNXN else 0
        header = _HEADER.pack(command, first, second, len(payload), checksum, command ^ 0xFFFFFFFF)
        # Two writes: over USB the header is a packet of its own.
        for part in (header, payload):
            view = memoryview(part)
            while view:
                try:
                    view = view[self._transport.bulk_write(bytes(view[:_WRITE_SIZE]), timeout) :]
                except Exception as error:
                    raise ConnectionLost(f"the connection to {self.name} broke: {_reason(error)}") from error

    def _wait_for_header(self, timeout: float) -> bytes:
        """The next header. Waiting for it is the only wait that is long, and may be interrupted."""
        deadline = time.monotonic() + timeout
        while True:
            look_for_interruption()
            until = min(deadline, time.monotonic() + LOOK_SECONDS)
            try:
                return self._read_exactly(_HEADER.size, until)
            except TimeoutError:
                if until == deadline:
                    raise

    def _read_exactly(self, count: int, deadline: float) -> bytes:
        while len(self._incoming) < count:
            remaining = deadline - time.monotonic()
            try:
                chunk = self._transport.bulk_read(count - len(self._incoming), max(remaining, 0.001))
            except Exception as error:
                if _is_time_out(error):
                    raise TimeoutError from error
                raise ConnectionLost(f"the connection to {self.name} broke: {_reason(error)}") from error
            if not chunk:
                raise ConnectionLost(f"{self.name} closed the connection")
            self._incoming += chunk
        taken = bytes(self._incoming[:count])
        del self._incoming[:count]
        return taken

    def _read_message(self, timeout: float) -> tuple[int, int, int, bytes]:
        header = self._wait_for_header(timeout)
        command, first, second, length, _, inverse = _HEADER.unpack(header)
        if command ^ 0xFFFFFFFF != inverse or length > _MAX_PAYLOAD:
            raise ConnectionLost(f"{self.name} does not speak adb: it sent {header[:8]!r}")
        # Once a message has begun, its rest is waited for; otherwise the next header would be read from its middle.
        try:
            payload = self._read_exactly(length, time.monotonic() + max(timeout, 10.0)) if length else b""
        except TimeoutError as error:
            raise ConnectionLost(f"{self.name} stopped in the middle of a message") from error
        return command, first, second, payload

    def _wait(self, done: Callable[[], bool], timeout: float) -> bool:
        """Handle messages until ``done``; false when that takes longer than ``timeout``."""
        deadline = time.monotonic() + timeout
        while not done():
            try:
                self._handle(*self._read_message(max(0.0, deadline - time.monotonic())))
            except TimeoutError:
                return done()
        return True

    def _handle(self, command: int, remote: int, local: int, payload: bytes) -> None:
        stream = self._streams.get(local)
        if command == _WRTE:
            if stream is None:
                self._send(_CLSE, 0, remote, b"", 10.0)
                return
            stream.incoming += payload
            self._send(_OKAY, local, remote, b"", 10.0)
        elif command == _OKAY and stream is not None:
            stream.remote, stream.accepted, stream.may_send = remote, True, True
        elif command == _CLSE and stream is not None:
            stream.ended = True
            self._streams.pop(local, None)
            if stream.accepted:
                self._send(_CLSE, local, remote, b"", 10.0)
        elif command == _CNXN:
            raise ConnectionLost(f"{self.name} restarted its connection")


class DirectStream:
    """One service on the device. Made by ``DirectLink.open``."""

    def __init__(self, link: DirectLink, number: int) -> None:
        self.number, self.remote = number, 0
        self.accepted = self.ended = self.may_send = False
        self.incoming = bytearray()
        self._link = link

    def send(self, data: bytes, timeout: float) -> None:
        """Send all of ``data``, each piece once the device has confirmed the one before."""
        link, view = self._link, memoryview(data)
        with link._lock:
            while view:
                if not link._wait(lambda: self.may_send or self.ended, timeout):
                    raise ConnectionLost(f"{link.name} took no data for {timeout:g} s")
                if self.ended:
                    # The device wants no more; its answer is read next.
                    return
                piece, view = view[: link._max_payload], view[link._max_payload :]
                self.may_send = False
                link._send(_WRTE, self.number, self.remote, bytes(piece), timeout)

    def receive(self, timeout: float) -> bytes:
        """The next bytes; empty once the device has closed the stream."""
        link = self._link
        with link._lock:
            if not link._wait(lambda: bool(self.incoming) or self.ended, timeout):
                raise TimeoutError
            data = bytes(self.incoming)
            self.incoming.clear()
            return data

    def has_input(self) -> bool:
        """Whether bytes have arrived that were not received yet."""
        return bool(self.incoming)

    def close(self) -> None:
        """Close this stream; the link stays open."""
        link = self._link
        with link._lock:
            if link._streams.pop(self.number, None) is not None and not self.ended:
                self.ended = True
                link._send(_CLSE, self.number, self.remote, b"", 5.0)


def _features(banner: bytes) -> frozenset[str]:
    """Features from a banner such as ``device::ro.product.name=x;features=shell_v2,cmd``."""
    for entry in banner.rstrip(b"\0").decode(errors="replace").split(";"):
        key, _, value = entry.rpartition("::")[2].partition("=")
        if key == "features":
            return frozenset(value.split(","))
    return frozenset()


def _public_key(signer: Any) -> bytes:
    key = signer.GetPublicKey()
    return (key if isinstance(key, bytes) else key.encode()) + b"\0"


def _is_time_out(error: Exception) -> bool:
    # adb-shell has a class of its own for TCP; libusb's carries its meaning in its name.
    return (
        isinstance(error, TimeoutError)
        or "timeout" in type(error).__name__.lower()
        or "TIMEOUT" in str(error)
    )


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
