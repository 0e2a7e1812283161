"""Job: what a test wants one to do."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.jobs import entry


def work(job: dict[str, Any]) -> dict[str, Any]:
    out = Path(job["out"])
    print("printed", flush=True)
    print("complained", file=sys.stderr, flush=True)
    match job["do"]:
        case "tell":
            return {
                "pid": os.getpid(),
                "folder": str(Path.cwd()),
                "path": sys.path[0],
                "word": os.environ.get("A_WORD"),
                "imported": "torch" in sys.modules,
            }
        case "raise":
            raise ValueError("wrong")
        case "exit":
            sys.exit(3)
        case "die":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "start another":
            child = subprocess.Popen(["sleep", "60"])
            (out / "pid").write_text(str(child.pid), encoding="utf-8")
            time.sleep(60)
    return {}


if __name__ == "__main__":
    entry.main(work)
