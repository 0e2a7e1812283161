"""Looking after processes that a test did not start itself."""

from __future__ import annotations

import time
from pathlib import Path


def wait_for_end(pid: int, seconds: float = 5.0) -> bool:
    """Whether the process ends in time; one that waits to be reaped has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False
