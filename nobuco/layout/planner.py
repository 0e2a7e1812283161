"""Places the transposes: chooses for every node the layout it works in, so that the fewest bytes are transposed.

Each node offers *modes*: a layout for each of its inputs and outputs. A node that demands TensorFlow's order has one
mode; an element-wise node has one for each layout that may reach it; a `permute` has modes in which it is a mere
relabelling. A value is produced in one layout, and for each other layout that some reader demands it is transposed
once, however many readers there are. The choice that transposes the fewest bytes is the solution of a small integer
program (scipy's HiGHS), exact for the whole graph.

Layouts that differ only in where dims of size 1 stand count as one: the step from one to the other is a reshape.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from nobuco.contract.channel_order import Layout, channel_last, identity

# Enough for the two orders and what a few permutes make of them; keeps odd graphs small.
MOST_LAYOUTS = 8
# In bytes, of a transpose however small.
FIXED_COST = 64


@dataclass(frozen=True)
class Mode:
    """One way for a node to work. `cost` is in bytes moved inside the node."""

    inputs: tuple[Layout, ...]
    outputs: tuple[Layout, ...]
    cost: float = 0.0


@dataclass(frozen=True)
class Tensor:
    """What the planner needs to know of a value. Constants are laid out as wanted, for free."""

    shape: tuple[int, ...]
    nbytes: int
    constant: bool = False

    def same_data(self, layout: Layout) -> tuple[int, ...]:
        """Equal for layouts that are a reshape of each other."""
        return tuple(dim for dim in layout if self.shape[dim] != 1)


@dataclass(frozen=True)
class Node:
    """`modes` is given the candidate layouts of the inputs, by place, and says how the node can work."""

    inputs: tuple[Hashable, ...]
    outputs: tuple[Hashable, ...]
    modes: Callable[[Sequence[Sequence[Layout]]], Sequence[Mode]]


def candidates_for(rank: int, more: Iterable[Layout] = ()) -> list[Layout]:
    return list(dict.fromkeys([identity(rank), channel_last(rank), *more]))[:MOST_LAYOUTS]


def plan(nodes: Sequence[Node], tensors: Mapping[Any, Tensor]) -> list[Mode]:
    """The mode for each of `nodes`, which are in order of execution."""
    layouts: dict[Hashable, list[Layout]] = {}
    modes: list[list[Mode]] = []
    for node in nodes:
        offered = list(
            node.modes([layouts.get(i, candidates_for(len(tensors[i].shape))) for i in node.inputs])
        )
        if not offered:
            raise ValueError("a node offers no way to work")
        modes.append(offered)
        for place, value in enumerate(node.outputs):
            layouts[value] = candidates_for(
                len(tensors[value].shape), (mode.outputs[place] for mode in offered)
            )
    return [offered[k] for offered, k in zip(modes, _solve(nodes, tensors, modes), strict=True)]


def _solve(nodes: Sequence[Node], tensors: Mapping[Any, Tensor], modes: list[list[Mode]]) -> list[int]:
    """One variable for each mode of each node, one for each (value, layout) that may have to be made by a transpose."""
    cost: list[float] = []
    rows: list[tuple[list[int], list[float], float, float]] = []  # variables, factors, lower and upper bound

    def variable(price: float) -> int:
        cost.append(price)
        return len(cost) - 1

    chosen: list[list[int]] = []
    produced: dict[tuple[Hashable, tuple[int, ...]], list[int]] = {}
    for node, offered in zip(nodes, modes, strict=True):
        # the smallest of prices decides between modes that are otherwise as good: the first offered
        variables = [variable(mode.cost + 1e-3 * place) for place, mode in enumerate(offered)]
        chosen.append(variables)
        rows.append((variables, [1.0] * len(variables), 1, 1))
        for mode, var in zip(offered, variables, strict=True):
            for value, layout in zip(node.outputs, mode.outputs, strict=True):
                produced.setdefault((value, tensors[value].same_data(layout)), []).append(var)

    made: dict[tuple[Hashable, tuple[int, ...]], int] = {}
    for node, offered, variables in zip(nodes, modes, chosen, strict=True):
        for place, value in enumerate(node.inputs):
            if tensors[value].constant:
                continue
            wanted: dict[tuple[int, ...], list[int]] = {}
            for mode, var in zip(offered, variables, strict=True):
                wanted.setdefault(tensors[value].same_data(mode.inputs[place]), []).append(var)
            for data, users in wanted.items():
                key = (value, data)
                if key not in made:
                    made[key] = variable(float(tensors[value].nbytes + FIXED_COST))
                sources = [made[key], *produced.get(key, [])]
                # the demand is met by the producer's own layout or by a transpose
                rows.append((users + sources, [1.0] * len(users) + [-1.0] * len(sources), -np.inf, 0))

    if all(len(offered) == 1 for offered in modes):
        return [0] * len(nodes)
    entries = [
        (r, c, f) for r, (cols, factors, _, _) in enumerate(rows) for c, f in zip(cols, factors, strict=True)
    ]
    row, column, factor = (np.array(each) for each in zip(*entries, strict=True))
    matrix = coo_array((factor, (row, column)), shape=(len(rows), len(cost))).tocsr()
    bounds = LinearConstraint(matrix, [low for *_, low, _ in rows], [high for *_, high in rows])  # type: ignore[arg-type]
    price = np.array(cost)
    result = milp(
        price / max(price.max(), 1.0), integrality=np.ones(len(cost)), bounds=Bounds(0, 1), constraints=bounds,
        options={"time_limit": 60.0},
    )  # fmt: skip
    if result.x is None:
        raise RuntimeError(f"the layout planner found no assignment: {result.message}")
    return [int(np.argmax([result.x[var] for var in variables])) for variables in chosen]
