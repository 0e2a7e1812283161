"""What every job does around its work: read the job file, time the work, write the result.

Takes nothing but the standard library, since the scripts for other converters' environments use it too; what
a job needs it imports itself, before the clock starts.
"""

import json
import os
import resource
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


class JobFailed(Exception):
    """The work failed for a reason that is shown as it is, without the name of the exception."""


class Stopwatch:
    """Wall and CPU seconds of the `with` block alone: no imports, no loading of the model."""

    def __enter__(self) -> "Stopwatch":
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._wall
        self.cpu_seconds = time.process_time() - self._cpu

    def figures(self) -> dict[str, float]:
        """`seconds` and `cpu_seconds`, as results name them."""
        return {"seconds": round(self.seconds, 3), "cpu_seconds": round(self.cpu_seconds, 3)}


def main(
    work: Callable[[dict[str, Any]], dict[str, Any]], uncounted_mb: Callable[[], float] = lambda: 0.0
) -> None:
    """Run `work` on the job file named on the command line, and write `result.json` into the job's folder.

    Args:
        work: Takes the job and returns its result. When it raises, the result is the reason (`error`).
        uncounted_mb: What the process would have taken besides, had it begun by itself.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    result: dict[str, Any]
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        result = {"error": None, **work(job)}
    except JobFailed as error:
        result = {"error": str(error)}
    # Whatever a converter or a user's model raises is a result, shown with its reason.
    except Exception as error:
        traceback.print_exc()
        result = {"error": one_line(error)}
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result["peak_rss_mb"] = round(peak_mb + uncounted_mb(), 1)
    # The supervisor writes this file anew when all is well, so a torn one does no harm.
    (Path(job["out"]) / "result.json").write_text(json.dumps(result, indent=1), encoding="utf-8")


def one_line(error: BaseException, limit: int = 300) -> str:
    """The exception's name and message on one line, cut after `limit` characters."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:limit]}{'…' if len(text) > limit else ''}"


def _end_with_parent() -> None:
    os.read(0, 1)  # unbuffered: a blocked reader of sys.stdin would abort the interpreter at its end
    os._exit(1)
