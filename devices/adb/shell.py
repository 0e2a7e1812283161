"""Running a command on a device with its streams apart and its exit code.

The second shell protocol frames its data: one byte that says which stream, a length, the bytes. Android has
it since version 7.
"""

from __future__ import annotations

import shlex
import struct
import time
from collections.abc import Mapping, Sequence

from devices.adb.streams import Link, Reader
from devices.errors import CommandInterrupted, ConnectionLost
from devices.protocol import TIMEOUT_EXIT_CODE, RunResult

_PACKET = struct.Struct("<BI")
_STDOUT, _STDERR, _EXIT, _CLOSE_STDIN = 1, 2, 3, 4


def run_command(
    link: Link,
    argv: Sequence[str],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
) -> RunResult:
    """Run ``argv`` and wait for it; past ``timeout`` seconds it is killed with all its children."""
    start = time.monotonic()
    stream = link.open(f"shell,v2,raw:{_script(argv, env, cwd)}", min(timeout, 30.0) + 5.0)
    output, finished = _Output(), False
    try:
        stream.send(_PACKET.pack(_CLOSE_STDIN, 0), 10.0)
        reader = Reader(stream)
        while not finished:
            try:
                finished = output.take(reader, start + timeout - time.monotonic())
            except TimeoutError:
                break
    except ConnectionLost as error:
        raise _interrupted(f"{error}, while it ran {argv[0]}", output) from error
    finally:
        if not finished:
            kill_group(link, output.process_group)
        stream.close()
    seconds = time.monotonic() - start
    if not finished:
        return RunResult(TIMEOUT_EXIT_CODE, output.stdout, bytes(output.stderr), seconds, timed_out=True)
    if output.exit_code is None:
        raise _interrupted(f"the device dropped the connection while it ran {argv[0]}", output)
    return RunResult(output.exit_code, output.stdout, bytes(output.stderr), seconds)


class _Output:
    """A command's output so far. Its first line is the shell's process number, by which it can be killed."""

    def __init__(self) -> None:
        self._raw = bytearray()
        self.stderr = bytearray()
        self.exit_code: int | None = None

    def take(self, reader: Reader, timeout: float) -> bool:
        """Read one packet; true when it was the last."""
        if timeout <= 0:
            raise TimeoutError
        header = reader.exactly(_PACKET.size, timeout)
        if len(header) < _PACKET.size:
            return True
        kind, size = _PACKET.unpack(header)
        data = reader.exactly(size, timeout)
        if kind == _STDOUT:
            self._raw += data
        elif kind == _STDERR:
            self.stderr += data
        elif kind == _EXIT:
            self.exit_code = data[0]
            return True
        return False

    @property
    def process_group(self) -> int | None:
        line, newline, _ = bytes(self._raw[:32]).partition(b"\n")
        return int(line) if newline and line.isdigit() else None

    @property
    def stdout(self) -> bytes:
        return bytes(self._raw).partition(b"\n")[2]


def _script(argv: Sequence[str], env: Mapping[str, str] | None, cwd: str | None) -> str:
    # adbd makes the shell the leader of a process group, and `exec` lets the command take its place.
    steps = ["echo $$"]
    steps += [f"export {name}={shlex.quote(value)}" for name, value in (env or {}).items()]
    if cwd is not None:
        steps.append(f"cd {shlex.quote(cwd)} || exit 1")
    steps.append("exec " + shlex.join(argv))
    return "; ".join(steps)


def _interrupted(message: str, output: _Output) -> CommandInterrupted:
    error = CommandInterrupted(message)
    error.process_group = output.process_group
    return error


def kill_group(link: Link, process_group: int | None) -> None:
    """Kill a command and its children, if they are there."""
    if process_group is None:
        return
    try:
        stream = link.open(f"shell,v2,raw:kill -9 -{process_group}", 5.0)
        try:
            while stream.receive(5.0):
                pass
        finally:
            stream.close()
    except (ConnectionLost, TimeoutError):
        # The device is gone. The error that is raised carries the process number, for the next connection.
        return
