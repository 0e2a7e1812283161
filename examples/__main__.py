"""Runs all examples, each in a Python of its own, and says which are right: `python -m examples [names]`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
NOT_EXAMPLES = {"__init__", "__main__", "checking"}


def names() -> list[str]:
    return sorted(file.stem for file in HERE.glob("*.py") if file.stem not in NOT_EXAMPLES)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one of {', '.join(names())}; all by default"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show what the examples print")
    asked = parser.parse_args()
    unknown = sorted(set(asked.names) - set(names()))
    if unknown:
        parser.error(f"no example named {', '.join(unknown)}; there are {', '.join(names())}")

    table = Table("example", "outcome", "checks", "seconds", "what it shows")
    failed = 0
    for name in asked.names or names():
        begin = time.perf_counter()
        done = run(name)
        right = done.returncode == 0
        failed += not right
        checks = sum("relative error" in line or line.endswith(": yes") for line in done.stdout.splitlines())
        outcome = "[green]right[/]" if right else "[bold red]WRONG[/]"
        table.add_row(name, outcome, str(checks), f"{time.perf_counter() - begin:.0f}", purpose(name))
        print(f"{name}: {'right' if right else 'WRONG'}", file=sys.stderr, flush=True)
        if asked.verbose or not right:
            print(done.stdout + done.stderr, file=sys.stderr)
    Console().print(table)
    return 1 if failed else 0


def run(name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"examples.{name}"],
        cwd=HERE.parent,
        env={"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ},
        capture_output=True,
        text=True,
        check=False,
    )


def purpose(name: str) -> str:
    return (HERE / f"{name}.py").read_text(encoding="utf-8").split('"""')[1].split("\n\n")[0]


if __name__ == "__main__":
    sys.exit(main())
