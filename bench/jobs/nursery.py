"""Jobs of this package, forked from a process that has imported what they need: that takes longer than many a job.

`start` asks that process for one. It is started when first needed, and ends with this program. Where there is no safe fork,
jobs are processes that import for themselves, as those of other converters' environments are.

A connection is a pair of sockets for each job: the request goes one way, the process's number and at last its exit code
come back.
"""

import atexit
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from bench.jobs import entry

_MESSAGE_BYTES = 1 << 20
_FORKED = (
    "bench.jobs.facts_job",
    "bench.jobs.nobuco_job",
    "bench.jobs.reference_job",
    "bench.jobs.samples_job",
    "bench.jobs.trials_job",
)
_IMPORTED = (
    "numpy",
    "torch",
    "ai_edge_litert.interpreter",
    "nobuco.tflite.export",
    *_FORKED,
)


def takes(module: str) -> bool:
    """Whether a job is forked. Elsewhere than on Linux libraries do not outlive that; and an export to ONNX is a part of
    what other converters do, whose memory is not to be muddled up with that of what they do not import."""
    return sys.platform == "linux" and module in _FORKED


class Forked:
    """A job's process, with what `bench.jobs.process` asks of a `subprocess.Popen`."""

    def __init__(self, connection: socket.socket, stdin: BinaryIO) -> None:
        """`stdin`: the end of the job's standard input that holds it open."""
        self._connection = connection
        self.stdin = stdin
        self.returncode: int | None = None
        self.pid: int = self._told()["pid"]

    def poll(self) -> int | None:
        """The exit code, if it has ended; minus the number of the signal that ended it."""
        if self.returncode is None and select.select([self._connection], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self) -> int:
        """The exit code, when it has ended."""
        if self.returncode is None:
            try:
                self.returncode = self._told()["returncode"]
            except OSError:  # with the process that knows it
                self.returncode = -signal.SIGKILL
            self._connection.close()
        assert self.returncode is not None
        return self.returncode

    def _told(self) -> Any:
        if message := self._connection.recv(_MESSAGE_BYTES):
            return json.loads(message)
        raise ConnectionError("the process that jobs are forked from has ended")


class _Nursery:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, request: Mapping[str, Any], log: BinaryIO) -> Forked:
        with self._lock:
            try:
                return self._asked(request, log)
            except OSError:  # it has been killed, for lack of memory perhaps
                self.end()
                return self._asked(request, log)

    def _asked(self, request: Mapping[str, Any], log: BinaryIO) -> Forked:
        if self._control is None:
            self._control = self._begun(request["environment"])
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        given, held = os.pipe()
        stdin = os.fdopen(held, "wb", buffering=0)
        try:
            ours.sendall(json.dumps(request).encode())
            socket.send_fds(self._control, [b"job"], [theirs.fileno(), given, log.fileno()])
            return Forked(ours, stdin)
        except OSError:
            ours.close()
            stdin.close()
            raise
        finally:
            theirs.close()
            os.close(given)

    def _begun(self, environment: Mapping[str, str]) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # what a job prints goes to its own log
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        return ours

    def end(self) -> None:
        """Of the process; its jobs end by themselves when nobody holds their input open."""
        if self._control is not None and self._process is not None:
            self._control.close()
            self._process.kill()
            self._process.wait()
        self._control = None


_NURSERY = _Nursery()
atexit.register(_NURSERY.end)


def start(module: str, job_file: str, log: BinaryIO, environment: Mapping[str, str]) -> Forked:
    """Run `module JOB_FILE`, a job module of this package, as `python -m` would in this folder.

    Raises:
        OSError: No process can be started.
    """
    request = {
        "module": module,
        "job_file": job_file,
        "folder": str(Path.cwd()),
        "environment": dict(environment),
    }
    return _NURSERY.start(request, log)


# -- in the process that jobs are forked from


def _serve(control: socket.socket) -> None:
    for name in _IMPORTED:
        importlib.import_module(name)
    importlib.import_module("nobuco").pytorch_to_keras  # noqa: B018 - which loads the converters
    imported_mb = _library_mb()
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken)
    running: dict[int, socket.socket] = {}
    while True:
        ready = select.select([control, wake], [], [])[0]
        if wake in ready:
            os.read(wake, _MESSAGE_BYTES)
            _tell_ended(running)
        if control in ready:
            message, handles, _, _ = socket.recv_fds(control, 16, 3)
            if not message:  # the program has ended, and its jobs see that for themselves
                return
            asked, stdin, log = handles
            connection = socket.socket(fileno=asked)
            process = os.fork()
            if process == 0:
                control.close()
                for other in running.values():
                    other.close()
                _become_job(connection, stdin, log, imported_mb)
            os.close(stdin)
            os.close(log)
            _lead_group(process)
            running[process] = connection
            _send(connection, pid=process)


def _tell_ended(running: dict[int, socket.socket]) -> None:
    for process in list(running):
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            with running.pop(process) as connection:
                _send(connection, returncode=os.waitstatus_to_exitcode(status))


def _send(connection: socket.socket, **told: int) -> None:
    with suppress(OSError):  # nobody waits for it any more
        connection.sendall(json.dumps(told).encode())


def _lead_group(process: int) -> None:
    """So that it can be ended with all that it starts."""
    with suppress(OSError):  # it has done so itself, or has ended
        os.setpgid(process, process)


def _library_mb() -> float:
    """Of memory that holds pages of files: code and tables of libraries. A fork counts those that it has touched itself."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssFile:"))


def _become_job(connection: socket.socket, stdin: int, log: int, imported_mb: float) -> None:
    code = 1
    try:
        _lead_group(0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(stdin, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        request = json.loads(connection.recv(_MESSAGE_BYTES))
        connection.close()
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])
        sys.path[0] = request["folder"]
        sys.argv = [request["module"], request["job_file"]]
        work = importlib.import_module(request["module"]).work
        entry.main(work, lambda: max(0.0, imported_mb - _library_mb()))
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as _control:
        _serve(_control)
