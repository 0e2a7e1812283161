"""The folder that a run writes into: it can be written, and by this run alone."""

from pathlib import Path

import filelock

from bench.errors import BenchError


def writable(out: Path) -> Path:
    """The folder, made if it is not there. Raises BenchError when it cannot be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise BenchError(
            f"--out {out}: cannot be written: {reason}; give another folder with --out"
        ) from error
    return out


def locked(out: Path) -> filelock.BaseFileLock:
    """The lock on the folder, held until it is released. Raises BenchError when another process holds it."""
    lock = filelock.FileLock(out / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise BenchError(
            f"--out {out}: another bench is writing to this folder; wait for it, or give another folder"
        ) from error
    return lock
