"""`python -m tests.op_table`: how much of PyTorch's op table becomes a right `.tflite` file, and why not the rest."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

RECORD = Path("build/op_table.jsonl")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.op_table", description=__doc__)
    parser.add_argument("ops", nargs="*", help="entries of op_db; all that take float32, when none is named")
    parser.add_argument("--record", type=Path, default=RECORD, help="what is in there is not tried again")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--again", action="store_true", help="try the named ones, or all, again")
    asked = parser.parse_args()
    if asked.worker:
        return _work(asked.ops)
    from tests.op_table.trial import names

    asked.record.parent.mkdir(parents=True, exist_ok=True)
    wanted = asked.ops or names()
    known = {} if asked.again else _read(asked.record)
    todo = [name for name in wanted if name not in known]
    while todo:
        todo = _some(todo, asked.record)
    found = _read(asked.record)
    _write(asked.record, found)
    for name in wanted:
        row = found[name]
        if row["verdict"] != "right":
            print(f"{name}: {row['verdict']}: {row['reason']}")
    counts = Counter(found[name]["verdict"] for name in wanted)
    print(f"{len(wanted)} entries: " + ", ".join(f"{n} {verdict}" for verdict, n in counts.most_common()))
    return 1 if counts["wrong"] or counts["error"] else 0


def _read(record: Path) -> dict[str, dict[str, str]]:
    if not record.is_file():
        return {}
    rows = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    return {row["op"]: row for row in rows}


def _write(record: Path, found: dict[str, dict[str, str]]) -> None:
    """One line an op, in order: the latest of those that were appended."""
    lines = (json.dumps(found[op], ensure_ascii=False) + "\n" for op in sorted(found, key=str.lower))
    new = record.with_suffix(".part")
    new.write_text("".join(lines), encoding="utf-8")
    new.replace(record)


def _some(todo: list[str], record: Path) -> list[str]:
    """Try ops in a process of their own until it ends; what is left. One that ends the process is an error."""
    command = [sys.executable, "-m", "tests.op_table", "--worker", *todo[:40]]
    left = todo[:40]
    with (
        record.open("a", encoding="utf-8") as file,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as worker,
    ):
        assert worker.stdout is not None
        for line in worker.stdout:
            if line.startswith('{"op"'):
                file.write(line)
                file.flush()
                left = left[1:]
        if worker.wait() and left:
            crashed = {
                "op": left[0],
                "verdict": "error",
                "reason": f"the process ended with {worker.returncode}",
            }
            file.write(json.dumps(crashed) + "\n")
            left = left[1:]
    return left + todo[40:]


def _work(ops: list[str]) -> int:
    from tests.op_table.trial import tried

    for name in ops:
        print(json.dumps(tried(name).to_dict()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
