"""The knowledge base as a page: what each PyTorch op is converted by. `python docs/knowledge.py` rewrites it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from written_pages import main

import nobuco
import nobuco.node_converters
from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.registry import Converter, all_converters
from nobuco.contract.sites import name_of

_ROOT = Path(__file__).parents[1]
PAGE = _ROOT / "docs" / "knowledge.md"

_HEAD = """\
# Knowledge base

<!-- Written by `python docs/knowledge.py`; the tests compare. -->

{count} PyTorch functions, methods and modules have a converter. Each is a few lines of TensorFlow, also worth a look
for anyone who only wants to know how an op is spelled there. From Python:

```python
location, source = nobuco.locate_converter(torch.Tensor.repeat)
```

**Channel order** says what a converter asks of its inputs: *any* order of dims (element by element), *as it comes*
(one of the two orders, whichever needs fewer transposes), *last* (TensorFlow's), *PyTorch's*, or *its own affair*.
"""

_ORDERS = {
    ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER: "last",
    ChannelOrderingStrategy.FORCE_PYTORCH_ORDER: "PyTorch's",
    ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS: "as it comes",
    ChannelOrderingStrategy.MANUAL: "its own affair",
}


def page() -> str:
    families: dict[Path, list[Converter]] = {}
    for entry in all_converters():
        if entry.builtin and entry.location:  # not what a user has registered besides
            families.setdefault(Path(entry.location.file), []).append(entry)
    count = len({spelled(op) for entries in families.values() for entry in entries for op in entry.ops})
    return "\n".join(
        [_HEAD.format(count=count), *(_family(file, families[file]) for file in sorted(families))]
    )


def spelled(op: Any) -> str:
    """As one would write it: nn.GRU, torch.Tensor.add_, nobuco.shape."""
    name = name_of(op)
    if isinstance(op, type):
        home = "nn" if getattr(torch.nn, name, None) is op else op.__module__
        return f"{home}.{name}"
    if getattr(nobuco, name.rsplit(".", 1)[-1], None) is op:
        return f"nobuco.{name.rsplit('.', 1)[-1]}"
    return f"torch.{name}" if name.startswith("Tensor.") else name


def _family(file: Path, entries: list[Converter]) -> str:
    about = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    summary = " ".join(about.split("\n\n")[0].split())
    return "\n".join(
        [
            f"## {file.stem.strip('_').replace('_', ' ').capitalize()}",
            "",
            f"{summary} Source: [{file.name}](../{file.relative_to(_ROOT).as_posix()})",
            "",
            "| PyTorch | channel order |",
            "| --- | --- |",
            *_rows(entries),
            "",
        ]
    )


def _rows(entries: list[Converter]) -> Iterator[str]:
    for entry in entries:
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(spelled(op) for op in entry.ops))
        yield f"| {names} | {'any' if entry.any_layout else _ORDERS[entry.strategy]} |"


if __name__ == "__main__":
    sys.exit(main("python docs/knowledge.py", __doc__, PAGE, page))
