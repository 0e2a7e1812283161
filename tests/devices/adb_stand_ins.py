"""Stand-ins for what no device at hand does: protocol servers that refuse a key, stay silent, speak something
else, and an adb server. They are written from the protocol, and are no proof of what a phone does."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from devices.adb.streams import Stream

HEADER = struct.Struct("<6I")


def message(command: bytes, first: int, second: int, payload: bytes = b"") -> bytes:
    number = int.from_bytes(command, "little")
    return HEADER.pack(number, first, second, len(payload), sum(payload), number ^ 0xFFFFFFFF) + payload


def read_exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        chunk = connection.recv(count - len(data))
        if not chunk:
            raise ConnectionError
        data += chunk
    return data


def read_message(connection: socket.socket) -> tuple[bytes, int, bytes]:
    command, first, _, length, _, _ = HEADER.unpack(read_exactly(connection, HEADER.size))
    return command.to_bytes(4, "little"), first, read_exactly(connection, length)


@contextmanager
def serving(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server on loopback, each of its connections in a thread; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        try:
            handle(connection)
        except OSError:
            return  # the client left
        finally:
            connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
            threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for connection in connections:
            # Some are closed already; the rest end their threads by this.
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in threads:
            thread.join()


class RefusesKeys:
    """A device on which nobody accepts the key: it answers every signature with another token."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.public_key = b""

    def __call__(self, connection: socket.socket) -> None:
        read_message(connection)
        connection.sendall(message(b"AUTH", 1, 0, bytes(20)))
        while True:
            command, kind, payload = read_message(connection)
            assert command == b"AUTH"
            self.seen.append(kind)
            if kind == 3:
                self.public_key = payload
                continue  # shows the question on its screen, for ever
            connection.sendall(message(b"AUTH", 1, 0, bytes(20)))


def stays_silent(connection: socket.socket) -> None:
    """Accepts, and says nothing."""
    while connection.recv(1 << 16):
        pass


def speaks_http(connection: socket.socket) -> None:
    """Another program on the port."""
    connection.recv(1 << 16)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def wants_tls(connection: socket.socket) -> None:
    """A phone with wireless debugging."""
    read_message(connection)
    connection.sendall(message(b"STLS", 0x01000000, 0))
    stays_silent(connection)


class AdbServer:
    """An adb server that knows some devices and hands streams of one on to ``open_stream``."""

    def __init__(self, devices: dict[str, str], open_stream: Callable[[str], Stream]) -> None:
        self.devices = devices
        self._open_stream = open_stream

    def __call__(self, connection: socket.socket) -> None:
        while True:
            request = read_exactly(connection, int(read_exactly(connection, 4), 16)).decode()
            if request == "host:devices":
                listing = "".join(f"{serial}\t{state}\n" for serial, state in self.devices.items()).encode()
                connection.sendall(b"OKAY%04x" % len(listing) + listing)
                return
            if request.startswith("host:transport:"):
                serial = request.split(":", 2)[2]
                state = self.devices.get(serial)
                if state != "device":
                    reason = f"device '{serial}' not found" if state is None else f"device {state}."
                    connection.sendall(b"FAIL%04x" % len(reason) + reason.encode())
                    return
                connection.sendall(b"OKAY")
                continue
            connection.sendall(b"OKAY")
            self._relay(connection, self._open_stream(request))
            return

    def _relay(self, connection: socket.socket, stream: Stream) -> None:
        """Hand bytes on, a little this way and a little that, until one side ends."""
        connection.settimeout(0.01)
        try:
            while True:
                try:
                    data = connection.recv(1 << 16)
                except TimeoutError:
                    data = None
                if data == b"":
                    return
                if data:
                    stream.send(data, 60.0)
                try:
                    answer = stream.receive(0.01)
                except TimeoutError:
                    continue
                if not answer:
                    return
                connection.settimeout(60.0)
                connection.sendall(answer)
                connection.settimeout(0.01)
        finally:
            stream.close()
