"""Forecasts held against ML Drift itself, over PyTorch's op table and some small models.

`python -m tests.delegates.confusion [NAME ...]` makes the files, runs them and keeps what came of it, a line a file."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nobuco.delegates import State, check_delegates

RECORD = Path("build/gpu_ops.jsonl")
FILES = Path("build/gpu_ops")
_AT_ONCE = 25


def verdict(row: dict[str, Any]) -> str:
    """What a forecast was worth."""
    if row.get("failed") and not row.get("nodes"):
        foreseen_whole = row.get("forecast") and not row["refused"] and not row["unknown"]
        return "taken, failed" if foreseen_whole else "not run"
    whole = row["taken"] == row["nodes"]
    if row["unknown"]:
        return "unknown, taken" if whole else "unknown, not taken"
    if row["forecast"] == row["nodes"]:
        return "taken, taken" if whole else "taken, not taken"
    if whole:
        return "refused, taken"
    return "refused, not taken" if row["forecast"] == row["taken"] else "refused, other nodes"


def compared(name: str, file: Path) -> dict[str, Any]:
    """The forecast and the outcome of one file."""
    from tests.delegates.webgpu import on_webgpu

    real = on_webgpu(file)
    return {
        "name": name,
        **forecast(file),
        "nodes": real.nodes,
        "taken": real.taken,
        "left": list(real.left),
        "error": real.error,
        "failed": real.failed,
    }


def forecast(file: Path) -> dict[str, Any]:
    (check,) = check_delegates(file, delegates=["gpu-webgpu"])
    refused = {f"{each.op.op}: {each.reason}" for each in check.verdicts if each.state is State.REFUSED}
    return {
        "nodes": len(check.verdicts),
        "forecast": check.on_gpu,
        "right": check.right,
        "unknown": check.counts[State.UNKNOWN],
        "refused": sorted(refused),
    }


def made(name: str, target: str, file: Path) -> str:
    """Writes the file of an op's first sample; says why there is none."""
    import nobuco
    from tests.converters.op_samples import op_infos
    from tests.op_table import trial

    samples = trial.chosen(name)
    if not samples:
        return "no samples"
    args, kwargs = samples[-1]
    program, inputs = trial.program(op_infos()[name].op, args, kwargs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            order = nobuco.ChannelOrder.PYTORCH
            model = nobuco.pytorch_to_keras(
                program,
                [each.clone() for each in inputs],
                inputs_channel_order=order,
                outputs_channel_order=order,
                verbose=False,
                full_validation=False,
            )
            nobuco.export_tflite(model, file, target=target)  # type: ignore[arg-type]
        except (nobuco.NobucoError, RuntimeError) as error:
            return type(error).__name__
    return ""


def _work(names: Sequence[str], target: str) -> int:
    for name in names:
        file = FILES / f"{name}_{target}.tflite"
        why = "" if file.is_file() else made(name, target, file)
        row = {"name": name, "failed": why, "nodes": 0} if why else compared(name, file)
        print(json.dumps({"target": target, **row}), flush=True)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.delegates.confusion", description=__doc__)
    parser.add_argument("names", nargs="*", help="entries of PyTorch's op table; all that take float32, else")
    parser.add_argument("--target", choices=("cpu", "gpu"), default="gpu")
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    FILES.mkdir(parents=True, exist_ok=True)
    if asked.worker:
        return _work(asked.names, asked.target)
    from tests.op_table.trial import names

    rows = (
        [json.loads(line) for line in asked.record.read_text().splitlines()] if asked.record.is_file() else []
    )
    known = {row["name"] for row in rows if row["target"] == asked.target}
    todo = [name for name in asked.names or names() if name not in known]
    with asked.record.open("a", encoding="utf-8") as record:
        while todo:
            some = todo[:_AT_ONCE]
            command = [
                sys.executable,
                "-m",
                "tests.delegates.confusion",
                "--worker",
                "--target",
                asked.target,
                *some,
            ]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            lines = [line for line in done.stdout.splitlines() if line.startswith('{"target"')]
            if len(lines) < len(some):  # a process that ended took the next one with it
                lost = {
                    "target": asked.target,
                    "name": some[len(lines)],
                    "failed": "the process ended",
                    "nodes": 0,
                }
                lines.append(json.dumps(lost))
            record.writelines(line + "\n" for line in lines)
            record.flush()
            todo = todo[len(lines) :]
    show([json.loads(line) for line in asked.record.read_text().splitlines()])
    return 0


def show(rows: Sequence[dict[str, Any]]) -> None:
    for said, count in Counter(verdict(row) for row in rows).most_common():
        print(f"{count:5d}  {said}")


if __name__ == "__main__":
    sys.exit(main())
