"""How TFLite cuts a graph into parts that a delegate runs and parts that it does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nobuco.delegates.graph import Node


def partitions(nodes: Sequence[Node], supported: Callable[[Node], bool]) -> list[list[Node]]:
    """The parts that the delegate may run, in the order in which they would run.

    A part grows as far as it can: every node of its kind joins it whose inputs are there by then, wherever in the graph it
    stands (`PartitionGraphIntoIndependentNodeSubsets` of TFLite's `graph_info.cc`)."""
    waiting = list(nodes)
    made: set[int] = set()
    found: list[list[Node]] = []

    def ready(node: Node) -> bool:
        return all(tensor.maker is None or tensor.maker.index in made for tensor in node.given)

    while waiting:
        kind = supported(next(node for node in waiting if ready(node)))
        part: list[Node] = []
        grown = True
        while grown:
            grown = False
            for node in list(waiting):
                if supported(node) is kind and ready(node):
                    part.append(node)
                    made.add(node.index)
                    waiting.remove(node)
                    grown = True
        if kind:
            found.append(part)
    return found
