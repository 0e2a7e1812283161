"""adb's file transfer: SEND and RECV over the ``sync:`` service."""

from __future__ import annotations

import struct
from pathlib import Path

from devices.adb.streams import Link, Reader
from devices.errors import ConnectionLost, DeviceError

_ENTRY = struct.Struct("<4sI")
# The protocol's largest.
_CHUNK = 64 * 1024
# Every piece sent waits for an answer, so larger pieces are faster.
_CHUNKS_AT_ONCE = 12
# A device may pause for long to write its buffers out, but not for ever.
_STALL_SECONDS = 60.0


class TransferRefused(DeviceError):
    """The device answered that it cannot do the transfer; the message holds its words."""


def send_file(link: Link, local: Path, remote: str, mode: int) -> None:
    """Write ``local`` to ``remote`` on the device."""
    stream = link.open("sync:", 10.0)
    try:
        target = f"{remote},{0o100000 | mode}".encode()
        stream.send(_ENTRY.pack(b"SEND", len(target)) + target, _STALL_SECONDS)
        with local.open("rb") as file:
            while chunks := [chunk for _ in range(_CHUNKS_AT_ONCE) if (chunk := file.read(_CHUNK))]:
                entries = (_ENTRY.pack(b"DATA", len(chunk)) + chunk for chunk in chunks)
                stream.send(b"".join(entries), _STALL_SECONDS)
                if stream.has_input():
                    # An answer before the end can only be a refusal.
                    break
        stream.send(_ENTRY.pack(b"DONE", int(local.stat().st_mtime) & 0xFFFFFFFF), _STALL_SECONDS)
        _expect_okay(Reader(stream), remote)
    except TimeoutError as error:
        raise ConnectionLost(f"the device did not confirm {remote} within {_STALL_SECONDS:g} s") from error
    finally:
        stream.close()


def receive_file(link: Link, remote: str, local: Path) -> None:
    """Read ``remote`` on the device into ``local``."""
    stream = link.open("sync:", 10.0)
    try:
        path = remote.encode()
        stream.send(_ENTRY.pack(b"RECV", len(path)) + path, _STALL_SECONDS)
        reader = Reader(stream)
        with local.open("wb") as file:
            while True:
                kind, size = _entry(reader)
                if kind == b"DONE":
                    return
                if kind != b"DATA":
                    raise TransferRefused(_words(kind, reader, size))
                chunk = reader.exactly(size, _STALL_SECONDS)
                if len(chunk) < size:
                    raise ConnectionLost(f"the device dropped the connection in the middle of {remote}")
                file.write(chunk)
    except TimeoutError as error:
        raise ConnectionLost(f"the device sent nothing of {remote} for {_STALL_SECONDS:g} s") from error
    finally:
        stream.close()


def _entry(reader: Reader) -> tuple[bytes, int]:
    header = reader.exactly(_ENTRY.size, _STALL_SECONDS)
    if len(header) < _ENTRY.size:
        raise ConnectionLost("the device dropped the connection during a transfer")
    kind, size = _ENTRY.unpack(header)
    return kind, size


def _expect_okay(reader: Reader, remote: str) -> None:
    kind, size = _entry(reader)
    if kind != b"OKAY":
        raise TransferRefused(f"{remote}: {_words(kind, reader, size)}")


def _words(kind: bytes, reader: Reader, size: int) -> str:
    if kind != b"FAIL":
        raise ConnectionLost(f"the device answered {kind!r} in the middle of a transfer")
    return reader.exactly(size, _STALL_SECONDS).decode(errors="replace").strip()
