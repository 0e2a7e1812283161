"""Which of the recorded calls become nodes: from the outside in, the first that a converter takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.context import converting
from nobuco.contract.control_flow import CONTROL_FLOW
from nobuco.contract.converter import Converter
from nobuco.contract.registry import Match, match
from nobuco.contract.sites import definition_site
from nobuco.graph.graph import Graph, Node, context_of, output_varies
from nobuco.trace.calls import Call, Kind, Trace, Value, map_values
from nobuco.trace.errors import TraceError


def choose(trace: Trace, dynamic: bool = False) -> Graph:
    """The graph of a trace. `dynamic`: some input has dims of unknown size.

    Raises TraceError where a value is used that no call was seen to make."""
    chosen = _Chooser(dynamic or any(output_varies(call) for call in trace.root.walk() if not call.folded))
    chosen.visit(trace.root, trace.root)
    needed = _needed(chosen.picked, trace)
    graph = Graph(trace.root, trace.inputs, trace.outputs, reads=chosen.reads)
    graph.changes, graph.comparisons, graph.draws = trace.changes, trace.comparisons, trace.draws
    for call, found in chosen.picked.items():
        if call not in needed:
            graph.unused.append(call)
            # what Python decides inside may be why nothing comes out of it
            graph.reads += [each for each in call.walk() if each.kind is Kind.READ]
        elif call.blocks:
            graph.nodes.append(Node(call, _CONTROL_FLOW, tuple(_inside(call, graph, chosen.dynamic))))
        elif found.converter is not None:
            graph.nodes.append(Node(call, found.converter))
        elif found.refusals:
            graph.refused[call] = found.refusals
        else:
            graph.missing.append(call)
    graph.dynamic = dynamic or any(output_varies(node.call) for node in graph.nodes)
    return graph


def _inside(call: Call, graph: Graph, dynamic: bool) -> Iterator[Graph]:
    """The graphs of the blocks of a branch or loop; what is to be told of them is told of `graph`."""
    for block in call.blocks:
        inner = choose(block, dynamic)
        graph.unused += inner.unused
        graph.missing += inner.missing
        graph.refused |= inner.refused
        graph.reads += inner.reads
        yield inner


def _control_flow(*args: Any) -> Any:
    """Stands for what makes branches and loops of the blocks inside them (`keras_model/control_flow.py`)."""


_CONTROL_FLOW = Converter(
    _control_flow,
    ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS,
    CONTROL_FLOW,
    reusable=False,
    builtin=True,
    location=definition_site(_control_flow),
)


class _Chooser:
    def __init__(self, dynamic: bool) -> None:
        self.dynamic = dynamic
        self.picked: dict[Call, Match] = {}
        self.reads: list[Call] = []

    def visit(self, call: Call, root: Call) -> None:
        if call.kind is Kind.READ:
            self.reads.append(call)
            return
        if call.folded:
            self.reads.extend(each for each in call.walk() if each.kind is Kind.READ)
            return
        if call.blocks:
            self.picked[call] = Match(_CONTROL_FLOW)
            return
        found = match_of(call, self.dynamic)
        if found.converter is not None or found.impossible:
            self.picked[call] = found
        elif call.children:
            before = set(self.picked)
            for child in call.children:
                self.visit(child, root)
            if call.native or (found.refusals and call.kind is not Kind.MODULE):
                self._tell_outer(call, found, before)
        elif found.refusals or (call.kind is not Kind.MODULE and call is not root):
            self.picked[call] = found

    def _tell_outer(self, call: Call, found: Match, before: set[Call]) -> None:
        """Where the inside of a function cannot be converted either, the function itself is what to tell of: users know
        `F.interpolate`, not the private function that it calls."""
        inside = [each for each in self.picked if each not in before]
        if any(self.picked[each].converter is None for each in inside):
            for each in inside:
                del self.picked[each]
            self.picked[call] = found


def match_of(call: Call, dynamic: bool) -> Match:
    """The converter that takes `call`, asked with its traced arguments."""
    args, kwargs = map_values((call.args, call.kwargs), lambda value: value.tensor)
    with converting(context_of(call, dynamic)):
        return match(call.op, args, kwargs)


def _needed(picked: dict[Call, Match], trace: Trace) -> set[Call]:
    """Those of the picked calls that some output depends on."""
    producers: dict[Value, Call] = {}
    for call in picked:
        for value in call.outputs:
            producers.setdefault(value, call)
    known = set(trace.inputs)
    needed: set[Call] = set()
    pending: list[tuple[Value, Call]] = [(value, trace.root) for value in trace.outputs]
    while pending:
        value, reader = pending.pop()
        if value.constant or value in known:
            continue
        producer = producers.get(value)
        if producer is None:
            raise TraceError(_hidden(value, reader))
        if producer not in needed:
            needed.add(producer)
            pending += [(each, producer) for each in producer.inputs]
    return needed


def _hidden(value: Value, reader: Call) -> str:
    maker = value.producer
    if maker is None:
        return f"{reader} uses a tensor of shape {value.shape} whose origin has not been seen"
    return (
        f"{reader} uses a tensor of shape {value.shape} that is made inside a module which is converted as a whole, or "
        f"changed in place by a call that does not return it: {maker}. Let the converted module or function return it."
    )
