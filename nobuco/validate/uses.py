"""What the traced program uses its whole-number inputs for: as ids below some size, or as masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nobuco.contract.tree import tree_leaves
from nobuco.graph.graph import Graph
from nobuco.trace.calls import Call, Value


@dataclass(frozen=True)
class Use:
    """`below`: the smallest size of a dim that the input's elements pick from. `mask`: they are looked at as yes or no."""

    below: int | None = None
    mask: bool = False


# Their outcome still holds the elements of their first argument, or numbers near them.
_CARRIERS = {
    "to", "long", "int", "type", "view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "transpose", "permute",
    "t", "contiguous", "clone", "detach", "expand", "expand_as", "repeat", "chunk", "split", "unbind", "narrow", "select",
    "clamp", "clip", "view_as", "cat", "stack", "type_as", "add", "sub", "mul", "__getitem__",
}  # fmt: skip
_AS_MASK = {
    "bool",
    "logical_not",
    "logical_and",
    "logical_or",
    "eq",
    "ne",
    "__eq__",
    "__ne__",
    "rsub",
    "__rsub__",
}
_BY_DIM = {
    "gather",
    "index_select",
    "take_along_dim",
    "scatter",
    "scatter_add",
    "index_add",
    "index_copy",
    "index_fill",
}


def uses_of(graph: Graph) -> list[Use]:
    """One for each input of the graph."""
    return [_use(graph, value) for value in graph.inputs]


def _use(graph: Graph, value: Value) -> Use:
    carried = {id(value)}
    below: list[int] = []
    mask = False
    for call in graph.root.walk():
        if not any(id(each) in carried for each in call.inputs):
            continue
        name = call.name.rsplit(".", 1)[-1].rstrip("_") if not call.name.endswith("__") else call.name
        name = name.rsplit(".", 1)[-1]
        below += _bounds(call, name, carried)
        mask = mask or name in _AS_MASK or _casts_to_bool(call)
        if name in _CARRIERS and any(id(each) in carried for each in call.inputs[:1]):
            carried.update(id(each) for each in call.outputs)
    return Use(min(below, default=None), mask)


def _bounds(call: Call, name: str, carried: set[int]) -> list[int]:
    if isinstance(call.op, nn.Embedding | nn.EmbeddingBag):
        return [call.op.num_embeddings]
    if name in ("embedding", "embedding_bag"):
        return [each.shape[0] for each in call.inputs if id(each) not in carried and each.rank == 2][:1]
    args = call.args
    if name == "one_hot":
        classes = call.kwargs.get("num_classes", args[1] if len(args) > 1 else -1)
        return [int(classes)] if classes > 0 else []
    if len(args) < 1 or not isinstance(args[0], Value) or id(args[0]) in carried:
        return []
    table = args[0]
    if name in ("__getitem__", "__setitem__"):
        return _bounds_of_index(table, args[1], carried)
    if name in _BY_DIM:
        dim = call.kwargs.get("dim", args[1] if len(args) > 1 else 0)
        return [table.shape[dim]] if isinstance(dim, int) and -table.rank <= dim < table.rank else []
    return [table.tensor.numel()] if name == "take" else []


def _bounds_of_index(table: Value, index: Any, carried: set[int]) -> list[int]:
    parts = index if isinstance(index, tuple) else (index,)
    if any(part is None or part is Ellipsis or isinstance(part, bool) for part in parts):
        return [min(table.shape, default=1)]
    return [
        size
        for size, part in zip(table.shape, parts, strict=False)
        if any(isinstance(leaf, Value) and id(leaf) in carried for leaf in tree_leaves(part))
    ]


def _casts_to_bool(call: Call) -> bool:
    return any(leaf is torch.bool for leaf in tree_leaves((call.args, call.kwargs)))
