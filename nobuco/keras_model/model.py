"""Converted calls and a layout plan become one Keras Functional model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from nobuco.contract.channel_order import Layout, moves_data, set_layout, transposition
from nobuco.contract.dtypes import tf_dtype, to_numpy
from nobuco.keras_model.nodes import Node, graph_inputs
from nobuco.keras_model.op_layer import ChannelTranspose
from nobuco.layers.weight import WeightLayer
from nobuco.trace.calls import Value


@dataclass
class Transposition:
    """A transpose in the converted model: of which value, from and to which layout, `moves` whether data moves."""

    value: Value
    source: Layout
    target: Layout
    moves: bool


@dataclass
class GraphBuilder:
    """Keras tensors for values, in every layout they have been wanted in so far."""

    transpositions: list[Transposition] = field(default_factory=list)
    _made: dict[int, tuple[Any, Layout]] = field(default_factory=dict)
    _relaid: dict[tuple[int, Layout], Any] = field(default_factory=dict)
    _anchor: Any = None

    def add_input(self, value: Value, layout: Layout, shape: Sequence[int | None], name: str) -> Any:
        """`shape` is in PyTorch's order, batch included, None where unknown."""
        tensor = keras.Input(
            batch_shape=[shape[dim] for dim in layout], dtype=tf_dtype(value.tensor.dtype).name, name=name
        )
        self._anchor = tensor
        self._made[id(value)] = set_layout(tensor, layout), layout
        return tensor

    def tensor(self, value: Value, layout: Layout) -> Any:
        if value.constant:
            return set_layout(
                WeightLayer.create(to_numpy(value.tensor).transpose(layout))(self._anchor), layout
            )
        made, own = self._made[id(value)]
        if own == layout:
            return made
        if (id(value), layout) not in self._relaid:
            perm = transposition(own, layout)
            layer = ChannelTranspose(perm, name=f"layout_transpose_{len(self.transpositions)}")
            self.transpositions.append(Transposition(value, own, layout, moves_data(perm, made.shape)))
            self._relaid[id(value), layout] = set_layout(layer(made), layout)
        return self._relaid[id(value), layout]

    def static_shape(self, value: Value) -> tuple[int | None, ...]:
        """The sizes of a value that has been made, in PyTorch's order, None where Keras does not know them."""
        tensor, layout = self._made[id(value)]
        return tuple(tensor.shape[layout.index(dim)] for dim in range(len(layout)))

    def layout_of(self, value: Value) -> Layout | None:
        return self._made[id(value)][1] if id(value) in self._made else None

    def add(self, node: Node, apply: Callable[[Sequence[Any]], list[Any]]) -> list[Any]:
        outputs = apply([self.tensor(value, layout) for value, layout in graph_inputs(node.call, node.mode)])
        for value, layout, tensor in zip(node.call.outputs, node.mode.outputs, outputs, strict=True):
            # a value that a module hands on unchanged has been made already
            self._made.setdefault(id(value), (set_layout(tensor, layout), layout))
        return outputs
