"""Where the ops of a converted file come from in the user's PyTorch program, kept beside the file."""

import json
from pathlib import Path
from typing import Any

from torch import nn

from bench.jobs.models import FlatOutputs
from bench.jobs.process import ORIGINS
from nobuco.tflite import TFLiteInfo, TFLiteOp

_OURS = Path(__file__).parent


def write_origins(info: TFLiteInfo, converted: nn.Module, folder: Path) -> None:
    """Write `origins.json`: for each node of the main graph, in order, its `op`, its `module` and its `source`.

    `module` is the path of the PyTorch module as the user's model names it, empty for the model itself; `source` is
    `file.py:12`. Both are null where they are not known.

    Args:
        info: What is in the file, with origins.
        converted: The module that was converted: the user's, or what wraps it.
        folder: Where to.
    """
    names = {name for name, _ in converted.named_modules()}
    rows = [_row(op, converted, names) for op in info.rows if op.subgraph == 0]
    (folder / ORIGINS).write_text(json.dumps(rows), encoding="utf-8")


def _row(op: TFLiteOp, converted: nn.Module, names: set[str]) -> dict[str, Any]:
    sites = [origin.site for origin in op.origins if origin.site is not None and not origin.transpose]
    # What PyTorch's own containers call has no other line than ours, which called the model.
    sites = [site for site in sites if not Path(site.file).is_relative_to(_OURS)]
    return {
        "op": op.op,
        "module": _users_path(op.module_path, converted, names) if op.origins else None,
        "source": f"{Path(sites[0].file).name}:{sites[0].line}" if sites else None,
    }


def _users_path(path: str, converted: nn.Module, names: set[str]) -> str:
    parts = path.split(".")
    if parts[0] == type(converted).__name__ and parts[0] not in names:
        parts = parts[1:]  # nobuco calls the model itself by its class
    if isinstance(converted, FlatOutputs) and parts[:1] == ["module"]:
        parts = parts[1:]
    return ".".join(parts)
