"""Converted nodes and a layout plan become one Keras Functional model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import keras

from nobuco.contract.channel_order import ChannelOrder, Layout, moves_data, set_layout, transposition
from nobuco.contract.dtypes import tf_dtype, to_numpy
from nobuco.errors import NobucoError
from nobuco.graph.graph import Graph, Node
from nobuco.inputs import InputSpec
from nobuco.keras_model.control_flow import convert_control_flow
from nobuco.keras_model.depth import room_for
from nobuco.keras_model.messages import said_by
from nobuco.keras_model.nodes import ConvertedNode, NodeFactory
from nobuco.keras_model.op_layer import ChannelTranspose
from nobuco.keras_model.outputs import model_with_structure
from nobuco.layers.weight import WeightLayer
from nobuco.layout.planning import Plan, plan_layouts
from nobuco.trace.calls import Value


@dataclass
class Transposition:
    """A transpose in the converted model: of which value, from and to which layout, `moves` whether data moves.

    `layer` is the name of the Keras layer, `reader` the node it was first made for (None: an output of the model)."""

    value: Value
    source: Layout
    target: Layout
    moves: bool
    layer: str
    reader: Node | None


class Observer(Protocol):
    """Is told of each node as it is converted, and may raise to end the conversion."""

    def converted(self, converted: ConvertedNode) -> None: ...

    def failed(self, node: Node, error: NobucoError) -> None: ...

    def placed(self, converted: ConvertedNode, transpositions: Sequence[Transposition]) -> None:
        """The node stands in the Keras graph, with these new transposes before it."""


def build_model(
    graph: Graph,
    plan: Plan,
    inputs: Sequence[InputSpec],
    observer: Observer,
    output_names: Sequence[str] | None = None,
    constants_to_variables: bool = True,
    on_node: Callable[[], None] = lambda: None,
) -> tuple[keras.Model, list[Transposition]]:
    """The Keras model of `graph`, laid out by `plan`, and its transposes. The traced data of values that no later node
    reads is let go.

    Raises ConversionError, with the call's line, where a converter or what it returned fails."""
    graph.release_unused()
    build = _Build(graph.dynamic, constants_to_variables, observer, on_node)
    given, outputs = build.model_of(graph, plan, inputs)
    with room_for(build.depth(graph)):
        model = model_with_structure(given, outputs, graph.root.output, output_names, graph.root.name)
    return model, build.transpositions


class _Build:
    """One conversion: the nodes of the graph, and of the blocks inside them, share their layers."""

    def __init__(
        self, dynamic: bool, constants_to_variables: bool, observer: Observer, on_node: Callable[[], None]
    ) -> None:
        self._factory = NodeFactory(dynamic, constants_to_variables)
        self._dynamic, self._observer, self._on_node = dynamic, observer, on_node
        self.transpositions: list[Transposition] = []
        self._held: set[Value] = set()  # the inputs of a block, which belong to the graph around it

    @contextmanager
    def _holding(self, values: Sequence[Value]) -> Iterator[None]:
        before, self._held = self._held, self._held | set(values)
        yield
        self._held = before

    def depth(self, graph: Graph) -> int:
        """The most layers that can stand one behind the other."""
        return 2 * len(graph.nodes) + len(self.transpositions)

    def model_of(self, graph: Graph, plan: Plan, inputs: Sequence[InputSpec]) -> tuple[list[Any], list[Any]]:
        """The Keras tensors of the inputs and outputs."""
        tensors = KerasTensors(self.transpositions)
        self._factory.static_shape = tensors.static_shape if self._dynamic else None
        given = [
            tensors.add_input(value, spec.layout, spec.shape, spec.name)
            for value, spec in zip(graph.inputs, inputs, strict=True)
        ]
        readers = graph.reader_counts()
        for node in graph.nodes:
            self._on_node()
            before = len(self.transpositions)
            try:
                converted = self._converted(node, plan, tensors)
                self._observer.converted(converted)
                before = before if not node.blocks else len(self.transpositions)
                tensors.add(converted)
            except NobucoError as error:
                self._observer.failed(node, error)
                raise
            self._observer.placed(converted, self.transpositions[before:])
            readers.subtract(node.distinct_inputs)
            for value in (*node.inputs, *node.outputs):
                if readers[value] <= 0 and not value.constant and value not in self._held:
                    value.release()
        return given, [
            tensors.get(value, layout)
            for value, layout in zip(graph.outputs, plan.output_layouts, strict=True)
        ]

    def _converted(self, node: Node, plan: Plan, tensors: KerasTensors) -> ConvertedNode:
        mode = plan.modes[node]
        if not node.blocks:
            return self._factory.convert(node, mode)
        static_shape = tensors.static_shape if self._dynamic else _traced_shape
        converted = convert_control_flow(
            node, mode, self._factory.name_of(node.call), static_shape, self._block_model
        )
        self._factory.static_shape = tensors.static_shape if self._dynamic else None
        return converted

    def _block_model(self, block: Graph, inputs: Sequence[InputSpec], order: ChannelOrder) -> keras.Model:
        plan = plan_layouts(block, [spec.layout for spec in inputs], order)
        with self._holding(block.inputs):
            given, outputs = self.model_of(block, plan, inputs)
        with room_for(self.depth(block)):
            return keras.Model(given, outputs, name=self._factory.name_of(block.root))


def _traced_shape(value: Value) -> tuple[int | None, ...]:
    return value.shape


class KerasTensors:
    """The Keras tensor of each value, in every layout in which it has been wanted so far."""

    def __init__(self, transpositions: list[Transposition]) -> None:
        self.transpositions = transpositions  # new ones are added
        self._made: dict[Value, tuple[Any, Layout]] = {}
        self._relaid: dict[tuple[Value, Layout], Any] = {}
        self._anchor: Any = None

    def add_input(self, value: Value, layout: Layout, shape: Sequence[int | None], name: str) -> Any:
        """`shape` is in PyTorch's order, batch included, None where unknown."""
        tensor = keras.Input(
            batch_shape=[shape[dim] for dim in layout], dtype=tf_dtype(value.tensor.dtype).name, name=name
        )
        self._anchor = tensor
        self._made[value] = set_layout(tensor, layout), layout
        return tensor

    def static_shape(self, value: Value) -> tuple[int | None, ...]:
        """The sizes of a value that has been made, in PyTorch's order, None where Keras does not know them."""
        tensor, layout = self._made[value]
        return tuple(tensor.shape[layout.index(dim)] for dim in range(len(layout)))

    def get(self, value: Value, layout: Layout, reader: Node | None = None) -> Any:
        if value.constant:
            weight = WeightLayer.create(to_numpy(value.tensor).transpose(layout))
            return set_layout(weight(self._anchor), layout)
        made, own = self._made[value]
        if own == layout:
            return made
        if (value, layout) not in self._relaid:
            perm = transposition(own, layout)
            layer = ChannelTranspose(perm, name=f"layout_transpose_{len(self.transpositions)}")
            moves = moves_data(perm, made.shape)
            self.transpositions.append(Transposition(value, own, layout, moves, layer.name, reader))
            self._relaid[value, layout] = set_layout(layer(made), layout)
        return self._relaid[value, layout]

    def add(self, converted: ConvertedNode) -> None:
        """Applies a converted node to the tensors of its inputs."""
        node = converted.node
        inputs = [self.get(value, layout, node) for value, layout in converted.graph_inputs]
        try:
            outputs = converted.apply(inputs)
        except (
            Exception
        ) as error:  # whatever a converter's function raises on symbolic tensors, told with its line
            raise converted.failure(said_by(error)) from error
        if len(outputs) != len(node.outputs):
            raise converted.failure(
                f"it returned {len(outputs)} tensors, PyTorch returns {len(node.outputs)}"
            )
        for value, layout, tensor in zip(node.outputs, converted.mode.outputs, outputs, strict=True):
            # a value that a module hands on unchanged has been made already
            self._made.setdefault(value, (set_layout(tensor, layout), layout))
