"""Pages of the documentation that a program writes, and the tests compare."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path


def main(program: str, about: str | None, file: Path, page: Callable[[], str]) -> int:
    """Writes `page()` into `file`, or with --check says whether it stands there. `program`: how it is called."""
    parser = argparse.ArgumentParser(prog=program, description=about)
    parser.add_argument("--check", action="store_true", help="only say whether the page is up to date")
    asked = parser.parse_args()
    fresh = page()
    if asked.check:
        same = file.is_file() and file.read_text(encoding="utf-8") == fresh
        print(f"{file} is {'up to date' if same else f'out of date: {program}'}")
        return 0 if same else 1
    file.write_text(fresh, encoding="utf-8")
    print(file)
    return 0
