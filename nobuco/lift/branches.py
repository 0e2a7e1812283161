"""A branch on a tensor: both ways are recorded, and what they leave behind becomes the outputs of one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from nobuco.contract.control_flow import cond, otherwise, then
from nobuco.contract.sites import Site
from nobuco.lift.results import Merged, Results
from nobuco.lift.states import (
    Leaf,
    Variable,
    common_dtype,
    filled,
    is_number,
    kind,
    number_as_tensor,
    read,
    same,
)
from nobuco.lift.watching import watched
from nobuco.trace.blocks import Block
from nobuco.trace.errors import Unliftable
from nobuco.trace.tracer import Tracer

RETURNED = "do_return"  # begins the names of the flags that the rewriting has added


@dataclass(frozen=True)
class Branch:
    """An `if` of the program's. The first `live` of the variables `names` are read after it."""

    site: Site | None
    body: Callable[[], Any]
    orelse: Callable[[], Any]
    get_state: Callable[[], tuple[Any, ...]]
    set_state: Callable[[tuple[Any, ...]], None]
    names: Sequence[str]
    live: int


def lift_branch(
    tracer: Tracer,
    branch: Branch,
    predicate: torch.Tensor,
    known: Callable[[bool, Any], Any],
) -> None:
    """Records both ways, goes the one that the predicate says, and sets the variables to the outputs.

    `known` tells what a variable's value is known to be, given the outcome of the predicate: a flag that was asked about is
    True on one way and False on the other. Raises Unliftable."""
    start = branch.get_state()
    call = tracer.open(cond)
    chosen = tracer.values(predicate)
    blocks: list[Block] = []
    ends: list[list[Variable]] = []
    with watched(branch.site, (branch.body, branch.orelse), branch.names):
        for op, run, outcome in ((then, branch.body, True), (otherwise, branch.orelse, False)):
            with tracer.block(call, op) as block:
                branch.set_state(tuple(known(outcome, each) for each in start))
                run()
                ends.append(read(tracer, branch.get_state()[: branch.live]))
            blocks.append(block)
            branch.set_state(start)
    results = Results(tracer, branch.site, blocks)
    pairs = zip(branch.names, *ends, strict=False)
    variables = [_merged(results, branch.site, *each) for each in pairs]
    owners = list(dict.fromkeys(owner for block in blocks for owner in block.written))
    for number, block in enumerate(blocks):
        block.outputs = [value_of(tracer, sources[number]) for _, sources in results.sources]
        block.outputs += [block.written.get(owner) or tracer.values(owner.tensor) for owner in owners]
    captured = list(dict.fromkeys(each for block in blocks for each in block.captured([chosen])))
    call.args = (chosen, tuple(captured))
    call.blocks = [block.as_trace([chosen, *captured]) for block in blocks]
    with tracer.aside():
        for owner in owners:
            tracer.will_write(owner)
        (branch.body if bool(predicate) else branch.orelse)()
        real = branch.get_state()
    made = results.made(variables, real[: branch.live], call)
    branch.set_state((*made, *start[branch.live :]))
    call.output = (*results.values, *(tracer.written(owner, call) for owner in owners))


def _merged(results: Results, site: Site | None, name: str, one: Variable, other: Variable) -> Merged | None:
    """None for a variable that is set on neither way."""
    if one.undefined and other.undefined:
        return None
    if one.undefined or other.undefined:
        like = other if one.undefined else one
        zeros = filled(like, lambda tensor: results.zeros(tensor))
        one, other = (zeros, other) if one.undefined else (one, zeros)
    if one.spec != other.spec:
        raise Unliftable(
            site, f"{spoken(name)} is {described(one)} on one way and {described(other)} on the other"
        )
    pairs = zip(one.leaves, other.leaves, strict=True)
    return Merged([_leaf(results, site, name, a, b) for a, b in pairs], one.spec)


def _leaf(results: Results, site: Site | None, name: str, a: Leaf, b: Leaf) -> Any:
    if same(a, b) or results.is_one_from_outside(a, b):
        return a.item
    if (
        a.value is not None
        and b.value is not None
        and (a.value.shape, a.value.tensor.dtype) == (b.value.shape, b.value.tensor.dtype)
    ):
        return results.output(a, b)
    if all(each.value is not None or is_number(each.item) for each in (a, b)):
        numbers = [each.value is None or results.stands_for_number(each.value) for each in (a, b)]
        dtype = common_dtype(a, b, results.stands_for_number) if any(numbers) else None
        if dtype is not None:
            ends = [results.cast(place, promoted(each, dtype), dtype) for place, each in enumerate((a, b))]
            return results.output(*ends, number=all(numbers))
    raise Unliftable(site, f"{spoken(name)} is {kind(a)} on one way and {kind(b)} on the other")


def promoted(leaf: Leaf, dtype: torch.dtype) -> Leaf:
    return leaf if leaf.value is not None else Leaf(number_as_tensor(leaf.item, dtype))


def value_of(tracer: Tracer, leaf: Leaf) -> Any:
    return leaf.value if leaf.value is not None else tracer.values(leaf.item)


def spoken(name: str) -> str:
    """A variable in a message; those that the rewriting has added stand for what the function returns."""
    return "what it returns" if name.startswith(("retval_", RETURNED)) else name or "the outcome"


def described(variable: Variable) -> str:
    if len(variable.leaves) == 1:
        return kind(variable.leaves[0])
    return f"{len(variable.leaves)} values"
