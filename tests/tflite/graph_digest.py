"""What a file costs to run depends on its graph and not on its weights, which differ in their last bits from one machine to
another: a digest of that."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from nobuco.tflite import flatbuffer as fb


def graph_digest(path: str | os.PathLike[str]) -> str:
    """12 hexadecimal digits of a file's ops in order: kinds, parameters, shapes, types, who reads what, and whole numbers
    that the file holds (axes, paddings, sizes). Neither names nor weights count."""
    model = fb.root(fb.read_model(Path(path)))
    lines: list[Any] = []
    for graph in fb.subgraphs(model):
        seen: dict[int, int] = {}
        for i in range(graph.OperatorsLength()):
            operator = graph.Operators(i)
            lines.append((fb.op_name(model, operator), _parameters(operator)))
            for side in (operator.InputsAsNumpy(), operator.OutputsAsNumpy()):
                lines.append([_tensor(model, graph, int(index), seen) for index in side])
    return hashlib.sha256(repr(lines).encode()).hexdigest()[:12]


def _parameters(operator: Any) -> list[tuple[str, Any]]:
    options = fb.options(operator)
    if options is None:
        return []
    held = getattr(schema, f"{type(options).__name__}T").InitFromObj(options)
    return sorted((name, value if value is None else _plain(value)) for name, value in vars(held).items())


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _tensor(model: Any, graph: Any, index: int, seen: dict[int, int]) -> Any:
    """A tensor by when it first came up, what it is, and its whole numbers if it holds any."""
    if index < 0:
        return None  # an optional input that is left out
    tensor = graph.Tensors(index)
    number = seen.setdefault(index, len(seen))
    kind = fb.type_name(tensor)
    held = fb.constant_bytes(model, tensor)
    values = model.Buffers(tensor.Buffer()).DataAsNumpy().tolist() if held and "int" in kind else bool(held)
    return number, kind, fb.shape(tensor), values
