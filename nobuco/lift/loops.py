"""A loop that ends when a tensor says so: its test and one turn are recorded, on tensors that stand for any turn's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from nobuco.contract.control_flow import loop_body, loop_test, while_loop
from nobuco.contract.sites import Site
from nobuco.lift.branches import described, promoted, spoken, value_of
from nobuco.lift.results import Merged, Output, Results
from nobuco.lift.states import Leaf, Variable, common_dtype, filled, is_number, kind, read, rebuilt, same
from nobuco.lift.watching import watched
from nobuco.trace.aliases import Known
from nobuco.trace.blocks import Block
from nobuco.trace.calls import Call, Value
from nobuco.trace.errors import Unliftable
from nobuco.trace.tracer import Tracer


@dataclass(frozen=True)
class Loop:
    """A `while` of the program's. `test` returns a tensor of one truth value."""

    site: Site | None
    test: Callable[[], torch.Tensor]
    holds: Callable[[], bool]
    body: Callable[[], Any]
    get_state: Callable[[], tuple[Any, ...]]
    set_state: Callable[[tuple[Any, ...]], None]
    names: Sequence[str]


def lift_loop(tracer: Tracer, loop: Loop) -> None:
    """Records the loop, runs it, and sets its variables to the outputs. Raises Unliftable."""
    start = loop.get_state()
    call = tracer.open(while_loop)
    plan = _Plan(tracer, loop, read(tracer, start))
    while True:
        call.children.clear()
        with watched(loop.site, (loop.test, loop.body), loop.names):
            test, body, ends, carried = _recorded(tracer, loop, call, plan)
        loop.set_state(start)
        if not plan.learn(ends, dict.fromkeys((*test.written, *body.written))):
            break
    results = Results(tracer, loop.site)
    variables = plan.merged(results, ends)
    body.outputs = [value_of(tracer, end) for _, (_, end) in results.sources]
    body.outputs += [body.written.get(owner, carried[owner]) for owner in plan.owners]
    firsts = [value_of(tracer, first) for _, (first, _) in results.sources]
    firsts += [tracer.values(owner.tensor) for owner in plan.owners]
    captured = list(dict.fromkeys([*test.captured(plan.turn_inputs[0]), *body.captured(plan.turn_inputs[1])]))
    call.args = (tuple(firsts), tuple(captured))
    call.blocks = [
        block.as_trace([*inputs, *captured])
        for block, inputs in zip((test, body), plan.turn_inputs, strict=True)
    ]
    with tracer.aside():
        for owner in plan.owners:
            tracer.will_write(owner)
        while loop.holds():
            loop.body()
        real = loop.get_state()
    loop.set_state(tuple(results.made(variables, real, call)))
    call.output = (*results.values, *(tracer.written(owner, call) for owner in plan.owners))


def _recorded(
    tracer: Tracer, loop: Loop, call: Call, plan: _Plan
) -> tuple[Block, Block, list[Variable], dict[Known, Value]]:
    """The test and the body, what the variables are after a turn, and the body's values of what is changed in place."""
    plan.turn_inputs = []
    with tracer.block(call, loop_test) as test:
        plan.begin_turn()
        test.outputs = [tracer.values(loop.test())]
    with tracer.block(call, loop_body) as body:
        carried = plan.begin_turn()
        loop.body()
        ends = read(tracer, loop.get_state())
        plan.refuse_changed_in_place()
    return test, body, ends, carried


class _Plan:
    """Which leaves of which variables are carried from turn to turn. What a turn changes is learnt by recording one."""

    def __init__(self, tracer: Tracer, loop: Loop, start: list[Variable]) -> None:
        self._tracer, self._loop = tracer, loop
        self._start = start  # numbers as tensors, where they are carried
        self._carried: dict[tuple[int, int], bool] = {}  # by variable and leaf; whether it is a Python number
        self._fresh: dict[tuple[int, int], torch.Tensor] = {}
        self._results = Results(tracer, loop.site)
        self.owners: list[Known] = []  # tensors from outside that a turn changes in place
        self.turn_inputs: list[list[Value]] = []  # of the test and of the body

    def begin_turn(self) -> dict[Known, Value]:
        """Gives the variables tensors that stand for those of any turn."""
        inputs: list[Value] = []
        self._fresh = {}
        state = []
        for number, variable in enumerate(self._start):
            items = []
            for place, leaf in enumerate(variable.leaves):
                if (number, place) not in self._carried:
                    items.append(leaf.item)
                    continue
                with self._tracer.aside():
                    items.append(leaf.item.detach().clone())
                inputs.append(self._tracer.add(items[-1], None))
                if self._carried[number, place]:
                    self._tracer.numbers[inputs[-1]] = self._loop.site
                self._fresh[number, place] = items[-1]
            state.append(rebuilt(variable.spec, items))
        written = {owner: self._tracer.written(owner, None) for owner in self.owners}
        self.turn_inputs.append([*inputs, *written.values()])
        self._loop.set_state(tuple(state))
        return written

    def refuse_changed_in_place(self) -> None:
        for (number, _), tensor in self._fresh.items():
            if self._tracer.is_changed(tensor):
                raise Unliftable(
                    self._loop.site,
                    f"{spoken(self._loop.names[number])} is both changed in place and set anew from turn to turn",
                )

    def learn(self, ends: list[Variable], written: Iterable[Known]) -> bool:
        """Whether there was something to learn from a turn: then another one must be recorded."""
        more = [owner for owner in written if owner not in self.owners]
        self.owners += more
        learnt = [self._learn(number, end) for number, end in enumerate(ends)]
        return bool(more) or any(learnt)

    def _learn(self, number: int, end: Variable) -> bool:
        start, name = self._start[number], spoken(self._loop.names[number])
        if end.undefined:
            if start.undefined:
                return False
            raise Unliftable(self._loop.site, f"{name} is deleted by a turn")
        if start.undefined:
            self._start[number] = filled(end, self._results.zeros)
            tensors = (place for place, leaf in enumerate(end.leaves) if leaf.value is not None)
            self._carried |= {(number, place): False for place in tensors}
            return True
        if start.spec != end.spec:
            raise Unliftable(
                self._loop.site, f"{name} is {described(start)} before a turn and {described(end)} after it"
            )
        pairs = enumerate(zip(start.leaves, end.leaves, strict=True))
        learnt = [self._learn_leaf(number, place, name, *pair) for place, pair in pairs]
        return any(learnt)

    def _learn_leaf(self, number: int, place: int, name: str, start: Leaf, end: Leaf) -> bool:
        key = number, place
        if key not in self._carried and (same(start, end) or self._results.is_one_from_outside(start, end)):
            return False
        if start.value is not None and end.value is not None:
            if (start.value.shape, start.value.tensor.dtype) == (end.value.shape, end.value.tensor.dtype):
                known, self._carried[key] = key in self._carried, False
                return not known
        elif start.value is None and (number_now := _as_number(start)) is not None:
            dtype = common_dtype(number_now, end) if end.value is not None or is_number(end.item) else None
            if dtype is not None:
                known = isinstance(start.item, torch.Tensor) and start.item.dtype is dtype
                with self._tracer.aside():
                    self._start[number].leaves[place] = promoted(number_now, dtype)
                self._carried[key] = True
                return not known
            start = number_now
        raise Unliftable(self._loop.site, f"{name} is {kind(start)} before a turn and {kind(end)} after it")

    def merged(self, results: Results, ends: list[Variable]) -> list[Merged | None]:
        found: list[Merged | None] = []
        for number, (start, end) in enumerate(zip(self._start, ends, strict=True)):
            if start.undefined:
                found.append(None)
                continue
            leaves: list[Output | Any] = []
            for place, (first, last) in enumerate(zip(start.leaves, end.leaves, strict=True)):
                is_of_python = self._carried.get((number, place))
                if is_of_python is None:
                    leaves.append(last.item)
                    continue
                dtype = first.item.dtype
                leaves.append(results.output(first, promoted(last, dtype), number=is_of_python))
            found.append(Merged(leaves, start.spec))
        return found


def _as_number(start: Leaf) -> Leaf | None:
    """The Python number that a leaf is, also where a tensor stands for it by now."""
    item = start.item.item() if isinstance(start.item, torch.Tensor) else start.item
    return Leaf(item) if is_number(item) else None
