"""How a user calls this program, for messages that name a command to type."""

import shutil
import sys
from pathlib import Path


def bench_command() -> str:
    """`bench` where the shell finds this very one, else its path: `.venv/bin/bench`."""
    ours = Path(sys.executable).with_name("bench")
    found = shutil.which("bench")
    if not ours.is_file() or (found and Path(found).samefile(ours)):
        return "bench"
    return str(ours.relative_to(Path.cwd()) if ours.is_relative_to(Path.cwd()) else ours)
