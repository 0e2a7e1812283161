"""From a graph to a plan: the layout in which every node works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nobuco.contract.channel_order import ChannelOrder, Layout, layout_for, order_of
from nobuco.contract.context import converting
from nobuco.errors import ConversionError
from nobuco.graph.graph import Graph, Node, context_of
from nobuco.layout.modes import Modes, modes_of
from nobuco.layout.planner import Mode, Tensor, candidates_for, plan
from nobuco.layout.planner import Node as PlanNode

OutputsOrder = ChannelOrder | Mapping[int, ChannelOrder] | None


@dataclass(frozen=True)
class Plan:
    """`modes` says for each node the layout of each of its inputs and outputs; the model's own inputs and outputs
    stand in `input_layouts` and `output_layouts`."""

    modes: Mapping[Node, Mode]
    input_layouts: Sequence[Layout]
    output_layouts: Sequence[Layout]

    @property
    def outputs_channel_order(self) -> list[ChannelOrder | None]:
        return [order_of(layout) for layout in self.output_layouts]


def plan_layouts(graph: Graph, input_layouts: Sequence[Layout], outputs_order: OutputsOrder = None) -> Plan:
    """The plan that transposes the fewest bytes.

    Args:
        graph: what is to be laid out.
        input_layouts: one for each of the graph's inputs.
        outputs_order: the order of all outputs, or of some by their place; None leaves it to the planner.

    Raises ConversionError, with the call's line, for a node that can work in no layout."""
    inputs = [
        PlanNode((), (value,), _always(Mode((), (layout,))))
        for value, layout in zip(graph.inputs, input_layouts, strict=True)
    ]
    nodes = [PlanNode(tuple(node.inputs), tuple(node.outputs), _modes(node, graph)) for node in graph.nodes]
    outputs = [
        PlanNode((value,), (), _always(*(Mode((each,), ()) for each in layouts)))
        for value, layouts in zip(graph.outputs, _demanded(graph, outputs_order), strict=True)
    ]
    tensors = {value: Tensor(value.shape, value.nbytes, value.constant) for value in graph.values()}
    modes = plan([*inputs, *nodes, *outputs], tensors)
    chosen = modes[len(inputs) : len(inputs) + len(nodes)]
    return Plan(
        dict(zip(graph.nodes, chosen, strict=True)),
        list(input_layouts),
        [mode.inputs[0] for mode in modes[len(inputs) + len(nodes) :]],
    )


def _always(*modes: Mode) -> Modes:
    return lambda candidates: modes


def _modes(node: Node, graph: Graph) -> Modes:
    """The node's own modes; what goes wrong while they are asked for is told with its line."""
    own = modes_of(node.call, node.converter)

    def modes(candidates: Sequence[Sequence[Layout]]) -> Sequence[Mode]:
        where = f"the converter of {node.call} ({node.converter.location})"
        try:
            with converting(context_of(node.call, graph.dynamic)):
                offered = own(candidates)
        except Exception as error:  # `output_layout` may be a user's
            raise ConversionError(
                f"the output_layout of {where} raised {type(error).__name__}: {error}"
            ) from error
        if not offered:
            raise ConversionError(f"{where} can work in no layout: its output_layout returned None for each")
        for mode in offered:
            ranks = [len(layout) for layout in mode.outputs]
            if ranks != [value.rank for value in node.outputs]:
                raise ConversionError(
                    f"the output_layout of {where} gave layouts of rank {ranks}; "
                    f"the outputs have rank {[value.rank for value in node.outputs]}"
                )
        return offered

    return modes


def _demanded(graph: Graph, orders: OutputsOrder) -> list[list[Layout]]:
    """The layouts in which each output of the model may stand."""
    demanded = []
    for index, value in enumerate(graph.outputs):
        order = orders.get(index) if isinstance(orders, Mapping) else orders
        demanded.append(candidates_for(value.rank) if order is None else [layout_for(order, value.rank)])
    return demanded
