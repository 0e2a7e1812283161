"""Work done in a process of its own: a JSON file in, a JSON file out, with a time limit.

The folder of a job gets its name only when the job has ended and its result is in it: a job that was killed
half-way leaves a folder that is ignored, and is done again. The process ends by itself when its standard input
closes, that is, when this program is killed.
"""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from bench.errors import BenchError
from bench.failures import ATTEMPTS, lacked_room
from bench.fingerprints import files_digest
from bench.jobs import nursery
from devices.interruption import look_for_interruption

RESULT = "result.json"
LOG = "log.txt"
ORIGINS = "origins.json"
"""Beside a converted file: where its ops come from, if the converter knows."""
_POLL_SECONDS = 0.1

Process = subprocess.Popen[bytes] | nursery.Forked


@dataclass(frozen=True)
class JobOutcome:
    """A finished job: its folder and the result it left there."""

    folder: Path
    result: dict[str, Any]

    @property
    def error(self) -> str | None:
        """Why the job failed; None when it did what it should."""
        return self.result.get("error")

    @property
    def attempts(self) -> int:
        """How often it has been tried."""
        return self.result.get("attempts", 1)

    def may_pass(self, timeout: float) -> bool:
        """Whether it failed for lack of time or memory, and deserves another attempt under this time limit."""
        limit = self.result.get("limit_seconds")
        if limit is not None and timeout > limit:
            return True
        return lacked_room(self.error) and self.attempts < ATTEMPTS

    @property
    def log(self) -> Path:
        """What the job printed."""
        return self.folder / LOG


def finished(folder: Path) -> JobOutcome | None:
    """The outcome that an earlier run left in `folder`, or None. Raises BenchError when it cannot be read."""
    try:
        return JobOutcome(folder, json.loads((folder / RESULT).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, json.JSONDecodeError) as error:
        raise BenchError(
            f"{folder / RESULT}: cannot be read ({error}); remove {folder} to do it again"
        ) from error


def amend(outcome: JobOutcome, folder: Path, **changes: Any) -> JobOutcome:
    """Write the outcome of several jobs in a row: the last one's, moved to `folder` if it lies elsewhere, with `changes`."""
    if outcome.folder != folder:
        shutil.rmtree(folder, ignore_errors=True)
        outcome.folder.rename(folder)
    result = {**outcome.result, **changes}
    partial = folder / f".{RESULT}"
    partial.write_text(json.dumps(result, indent=1), encoding="utf-8")
    partial.rename(folder / RESULT)
    return JobOutcome(folder, result)


def not_done(folder: Path, error: str, before: JobOutcome) -> JobOutcome:
    """Write the outcome of a job that was not begun, for what an earlier one left, whose log goes with it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if before.log.is_file():
        shutil.copy(before.log, folder / LOG)
    return amend(JobOutcome(folder, {}), folder, error=error)


def our_python(module: str) -> list[str]:
    """Command line for a job module of this package in this interpreter."""
    return [sys.executable, "-m", module]


def job_digest(*modules: str) -> str:
    """Changes with these modules of this folder, named without `.py`."""
    return files_digest(*(Path(__file__).with_name(f"{module}.py") for module in modules))


def run_job(command: Sequence[str], job: Mapping[str, Any], folder: Path, timeout: float) -> JobOutcome:
    """Run `command JOB.json` and return its outcome.

    Args:
        command: The program and its arguments, without the job file.
        job: The content of the job file, with paths as `Path`; `out`, the folder to write into, is added.
        folder: Where the outcome is kept. What an earlier job left there is removed.
        timeout: Seconds after which the job is ended.

    Returns:
        The outcome; that of a job that raises, dies or takes too long has an `error`.

    Raises:
        BenchError: The folder cannot be written, or the job found the disk full.
    """
    scratch = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        job_file = scratch / "job.json"
        job_file.write_text(
            json.dumps({**job, "out": scratch}, indent=1, default=_absolute), encoding="utf-8"
        )
        result = _supervise([*command, _absolute(job_file)], scratch, timeout)
        if os.strerror(errno.ENOSPC) in (
            result.get("error") or ""
        ):  # no fault of the model's, and not to be kept as one
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        (scratch / RESULT).write_text(json.dumps(result, indent=1), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        scratch.rename(folder)
    except OSError as error:
        raise BenchError(
            f"{folder}: cannot be written: {error.strerror or error}; make room, or give another --out"
        ) from error
    return JobOutcome(folder, result)


def _absolute(path: Path) -> str:
    """Paths in a job hold wherever the job works: converters and users' models change the folder."""
    return str(path.absolute())


def _supervise(command: list[str], scratch: Path, timeout: float) -> dict[str, Any]:
    environment = {
        **os.environ,
        # Converters call programs that their environment has beside its Python; without onnxsim, onnx2tf simplifies nothing.
        "PATH": os.pathsep.join(
            [str(Path(command[0]).parent.absolute()), os.environ.get("PATH", os.defpath)]
        ),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONUNBUFFERED": "1",
    }
    with (scratch / LOG).open("wb") as log:
        process = _start(command, log, environment)
        started, peak, timed_out = time.monotonic(), 0, False
        try:
            while process.poll() is None:
                peak = max(peak, _resident_bytes(process.pid))
                if time.monotonic() - started > timeout:
                    timed_out = True
                    break
                look_for_interruption()  # for a job that a thread waits for
                time.sleep(_POLL_SECONDS)
        finally:
            _end(process)
    return _result(process, scratch, timeout if timed_out else None, peak / 1e6)


def _start(command: list[str], log: BinaryIO, environment: dict[str, str]) -> Process:
    *program, job_file = command
    if nursery.takes(program[-1]) and program == our_python(program[-1]):
        with suppress(OSError):  # it cannot be forked: what is wrong is seen where it imports for itself
            return nursery.start(program[-1], job_file, log, environment)
    return subprocess.Popen(
        command,
        # Held open by this process alone: when it closes, the job knows that this process has ended.
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )


def _result(process: Process, scratch: Path, limit: float | None, peak_mb: float) -> dict[str, Any]:
    code = process.wait()
    if limit is None and code == 0 and (left := finished(scratch)) is not None:
        return left.result
    if limit is not None:
        error = f"took longer than {limit:.0f} s, its time limit"
        return {"error": error, "limit_seconds": limit, "peak_rss_mb": round(peak_mb, 1)}
    if code < 0:
        name = signal.Signals(-code).name
        hint = ", probably for lack of memory" if name == "SIGKILL" else ""
        error = f"the process was ended by {name}{hint} (peak {peak_mb:.0f} MB)"
    else:
        error = f"exit code {code}: {_last_line(scratch / LOG)}"
    return {"error": error, "peak_rss_mb": round(peak_mb, 1)}


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "nothing was printed")


def _resident_bytes(pid: int) -> int:
    try:
        return psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return 0  # it has just ended


def _end(process: Process) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin:
        process.stdin.close()
