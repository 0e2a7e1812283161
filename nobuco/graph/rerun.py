"""What two runs of one program do differently: what the converted model would have to do both ways, and cannot.

A model is converted as it ran once. Traced a second time, on inputs of other sizes or with other values, it must make the
same calls with the same numbers and constants; wherever it does not, Python has looked at its inputs."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nobuco.contract.sites import Site
from nobuco.contract.tree import tree_leaves
from nobuco.graph.graph import Graph
from nobuco.trace.calls import Call, Value

# The sizes in these arguments only say how many dims are meant: converters take the sizes from the tensor.
_NAMES_DIMS = {
    torch.nn.functional.layer_norm,
    torch.layer_norm,
    torch.nn.functional.rms_norm,
    torch.rms_norm,
}


Places = dict[Value, tuple[int, int]]


@dataclass(frozen=True)
class Difference:
    """`what` goes on with what is other than in the traced run: "gets 12, but 14" for inputs of ..."""

    site: Site | None
    what: str
    stray: bool = False  # a tensor taken for a constant that neither the model nor a recorded call has made


def differences(first: Graph, second: Graph) -> list[Difference]:
    """What the second run does differently, up to the first call that only one of them makes."""
    places = _places(first), _places(second)
    found: list[Difference] = []
    for node, again in zip(first.nodes, second.nodes, strict=False):
        one, other = node.call, again.call
        if one.op is not other.op and one.op != other.op:
            return [*found, _parting(one, other)]
        for block, block_again in zip(node.blocks, again.blocks, strict=True):
            inside = differences(block, block_again)
            if inside:
                return [*found, *inside]
        a, b = tree_leaves((one.args, one.kwargs)), tree_leaves((other.args, other.kwargs))
        if len(a) != len(b):
            found.append(Difference(one.user_line, f"{one.name} gets {len(a)} arguments, but {len(b)}"))
            continue
        for x, y in zip(a, b, strict=True):
            difference = _difference(one, x, y, *places)
            if difference is not None:
                found.append(difference)
    extra = (*first.nodes[len(second.nodes) :], *second.nodes[len(first.nodes) :])
    if extra:
        longer = len(second.nodes) > len(first.nodes)
        call = extra[0].call
        return [*found, _parting(None, call) if longer else _parting(call, None)]
    return found + _differing_outputs(first, second, *places)


def _differing_outputs(first: Graph, second: Graph, *places: Places) -> list[Difference]:
    a, b = tree_leaves(first.root.output), tree_leaves(second.root.output)
    if len(a) != len(b):
        return [Difference(None, f"it returns {len(a)} values, but {len(b)}")]
    pairs = list(zip(a, b, strict=True))
    tensors = [(x, y) for x, y in pairs if isinstance(x, Value) or isinstance(y, Value)]
    found = [each for x, y in tensors if (each := _difference(first.root, x, y, *places)) is not None]
    numbers = [(x, y) for x, y in pairs if not isinstance(x, Value) and not isinstance(y, Value)]
    if any(not _same_number(x, y) for x, y in numbers):
        ones, others = ([pair[which] for pair in numbers if pair[which] is not None] for which in (0, 1))
        what = f"it returns the Python value(s) {reprlib.repr(ones)} beside its tensors, but {reprlib.repr(others)}"
        found.append(Difference(None, what))
    return found


def _parting(one: Call | None, other: Call | None) -> Difference:
    call = one or other
    assert call is not None
    if one is None:
        return Difference(call.user_line, f"{call.name} is not called in the traced run, but is")
    return Difference(call.user_line, f"{call.name} is called in the traced run, but not")


def _places(graph: Graph) -> Places:
    """Where each value comes from: (number of the node, or -1 for an input; place among its outputs)."""
    places: Places = {}
    for place, value in enumerate(graph.inputs):
        places[value] = -1, place
    for number, node in enumerate(graph.nodes):
        for place, value in enumerate(node.outputs):
            places.setdefault(value, (number, place))
    return places


def _difference(call: Call, one: Any, other: Any, places: Places, others: Places) -> Difference | None:
    if not isinstance(one, Value) or not isinstance(other, Value):
        if _same_number(one, other) or (call.op in _NAMES_DIMS and isinstance(one, int)):
            return None
        return Difference(call.user_line, f"{call.name} gets {_shown(one)}, but {_shown(other)}")
    if one.constant and other.constant:
        if one.tensor is other.tensor or (one.path and one.path == other.path) or _same_data(one, other):
            return None
        maker = one.producer
        site = maker.user_line if maker is not None and maker.user_line is not None else call.user_line
        return Difference(
            site,
            f"{call.name} gets a tensor of shape {one.shape} that is no constant, but has "
            + (f"shape {other.shape}" if one.shape != other.shape else "other values"),
            stray=is_stray(one),
        )
    if one.constant or other.constant or places.get(one) != others.get(other):
        return Difference(call.user_line, f"{call.name} gets one tensor, but another")
    return None


def is_stray(value: Value) -> bool:
    """Whether a constant is, or comes from, a tensor that is no parameter and that no recorded call has made."""
    seen: set[Value] = set()
    pending = [value]
    while pending:
        each = pending.pop()
        if each in seen or not each.constant:
            continue
        seen.add(each)
        if each.producer is not None:
            pending += each.producer.inputs
        elif not each.path:
            return True
    return False


def _shown(leaf: Any) -> str:
    return "a tensor" if isinstance(leaf, Value) else reprlib.repr(leaf)


def _same_number(one: Any, other: Any) -> bool:
    if isinstance(one, Value) or isinstance(other, Value):
        return False
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.shape == other.shape and np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")
    if isinstance(one, bool | int | float | complex | str | None) or type(one) is not type(other):
        return type(one) is type(other) and (one == other or (one != one and other != other))
    return True  # an object of the user's: what it holds has been made outside


def _same_data(one: Value, other: Value) -> bool:
    a, b = one.tensor, other.tensor
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.is_floating_point() or a.is_complex():
        return torch.allclose(a, b, rtol=0.0, atol=0.0, equal_nan=True)
    return torch.equal(a, b)
