"""One user per device, across processes."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devices.cache import cache_folder
from devices.errors import DeviceInUse


def lock_file_of(key: str) -> Path:
    """The lock file of the device known by ``key``."""
    return cache_folder("locks") / (re.sub(r"[^A-Za-z0-9._-]", "_", key) + ".lock")


@contextmanager
def device_lock(name: str, *, key: str | None = None, wait_seconds: float = 0.0) -> Iterator[None]:
    """Reserve the device called ``name`` while the block runs; the lock ends with this process, however it ends.

    Args:
        name: What messages call the device.
        key: What identifies it; the name by default. Two names may stand for one device.
        wait_seconds: How long to wait for another process to let go of it.

    Raises:
        DeviceInUse: It was not free in time; names the process that holds it.
    """
    import filelock

    path = lock_file_of(key or name)
    # The holder's name is in a file of its own, since a lock file is truncated when it is taken.
    note = path.with_suffix(".holder")
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=wait_seconds, poll_interval=0.1)
    except filelock.Timeout as error:
        raise DeviceInUse(
            f"device {name} is in use by {_holder(note)}; wait for it to end, or choose another device"
        ) from error
    try:
        note.write_text(f"process {os.getpid()} since {time.strftime('%Y-%m-%d %H:%M:%S')}", encoding="utf-8")
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def _holder(note: Path) -> str:
    try:
        return note.read_text(encoding="utf-8") or "another process"
    except OSError:
        return "another process"
