"""PyTorch's op table as a page: what becomes a right `.tflite` file, and why not the rest. `python docs/ops.py` rewrites
it from the record that `python -m tests.op_table --record docs/records/op_table.jsonl` keeps."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

from written_pages import main

_ROOT = Path(__file__).parents[1]
RECORD = _ROOT / "docs" / "records" / "op_table.jsonl"
PAGE = _ROOT / "docs" / "ops.md"

_HEAD = """\
# PyTorch's op table

<!-- Written by `python docs/ops.py` from records/op_table.jsonl; the tests compare. -->

PyTorch tests itself with a table of ops and sample arguments, `op_db`. Of its {count} entries that take float32, **{right}**
become `.tflite` files of TFLite's own ops that compute what PyTorch does: up to three samples each, all their tensors as
inputs, run in the LiteRT interpreter and compared (largest error below {tolerance:g} of the largest element). Complex
outcomes are compared by their parts. `python -m tests.op_table` does it again, `python -m tests.op_table NAME` for one
entry.

No entry is converted to something wrong in silence: where there is no right file, an error says why, or a warning while
the model is converted.

Random ops are refused, all of them: what they draw cannot be compared with PyTorch, and a model that is used has no need of
them. `model.eval()` removes dropout; noise that a model does need is passed to it as an input.
"""

_HEADINGS = {
    "nothing to convert": "Nothing to convert",
    "refused": "Refused",
    "told": "Converted with a warning",
    "no converter": "Without a converter",
    "no file": "Without a TFLite file",
    "wrong": "Wrong",
    "error": "Errors",
}


def page() -> str:
    rows = [json.loads(line) for line in RECORD.read_text(encoding="utf-8").splitlines()]
    right = sorted(row["op"] for row in rows if row["verdict"] == "right")
    parts = [_HEAD.format(count=len(rows), right=len(right), tolerance=1e-3)]
    for verdict, heading in _HEADINGS.items():
        found = [row for row in rows if row["verdict"] == verdict]
        if found:
            parts += [f"## {heading}\n", *_by_reason(found), ""]
    parts += ["## Right\n", ", ".join(f"`{name}`" for name in right), ""]
    return "\n".join(parts)


def _by_reason(rows: list[dict[str, str]]) -> list[str]:
    """A line a reason, with the entries that it holds for."""
    names: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        names[row["reason"].lstrip(": ").replace("|", "\\|")].append(row["op"])
    lines = ["| entries | why |", "| --- | --- |"]
    return lines + [
        f"| {', '.join(f'`{name}`' for name in sorted(found))} | {reason} |"
        for reason, found in sorted(names.items())
    ]


if __name__ == "__main__":
    sys.exit(main("python docs/ops.py", __doc__, PAGE, page))
