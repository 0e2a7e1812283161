"""Which of the recorded calls become nodes: from the outside in, the first that has a converter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nobuco.trace.calls import Call, Kind, Trace, Value
from nobuco.trace.errors import TraceError


@dataclass
class Choice:
    """The calls to convert, in order of execution; those that nothing needs; those that nothing can convert."""

    nodes: list[Call] = field(default_factory=list)
    unused: list[Call] = field(default_factory=list)
    missing: list[Call] = field(default_factory=list)
    reads: list[Call] = field(
        default_factory=list
    )  # where the program looked at a value, in calls that are converted


def choose(trace: Trace, has_converter: Callable[[Any], bool]) -> Choice:
    picked: list[Call] = []
    reads: list[Call] = []
    missing: set[int] = set()

    def visit(call: Call) -> None:
        if call.kind is Kind.READ:
            reads.append(call)
        elif call.folded:
            reads.extend(each for each in call.walk() if each.kind is Kind.READ)
        elif has_converter(call.op):
            picked.append(call)
        elif call.children:
            for child in call.children:
                visit(child)
        elif call.kind is not Kind.MODULE and call is not trace.root:
            picked.append(call)
            missing.add(id(call))

    visit(trace.root)
    producers: dict[int, Call] = {}
    for call in picked:
        for value in call.outputs:
            producers.setdefault(id(value), call)

    needed: set[int] = set()
    known = {id(value) for value in trace.inputs}
    pending: list[tuple[Value, Call]] = [(value, trace.root) for value in trace.outputs]
    while pending:
        value, reader = pending.pop()
        if value.constant or id(value) in known:
            continue
        producer = producers.get(id(value))
        if producer is None:
            raise TraceError(_hidden(value, reader))
        if id(producer) not in needed:
            needed.add(id(producer))
            pending += [(each, producer) for each in producer.inputs]
    choice = Choice(reads=reads)
    for call in picked:
        if id(call) not in needed:
            choice.unused.append(call)
        elif id(call) in missing:
            choice.missing.append(call)
        else:
            choice.nodes.append(call)
    return choice


def _hidden(value: Value, reader: Call) -> str:
    maker = value.producer
    if maker is None:
        return f"{reader} uses a tensor of shape {value.shape} whose origin has not been seen"
    return (
        f"{reader} uses a tensor of shape {value.shape} that is made inside a module which is converted as a whole, or "
        f"changed in place by a call that does not return it: {maker}. Let the converted module or function return it."
    )
