"""Branches and loops as Keras layers that hold a model for each of their blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf

from nobuco.contract.channel_order import ChannelOrder, identity
from nobuco.contract.control_flow import cond
from nobuco.contract.dtypes import to_numpy
from nobuco.errors import NobucoError
from nobuco.graph.graph import Graph, Node
from nobuco.inputs import InputSpec
from nobuco.keras_model.codec import Slot
from nobuco.keras_model.nodes import ConvertedNode, graph_inputs
from nobuco.layout.planner import Mode
from nobuco.trace.calls import Value

# (block, its inputs, the order of its outputs) -> its model
BuildBlock = Callable[[Graph, Sequence[InputSpec], ChannelOrder], keras.Model]


def convert_control_flow(
    node: Node,
    mode: Mode,
    name: str,
    static_shape: Callable[[Value], tuple[int | None, ...]],
    build: BuildBlock,
) -> ConvertedNode:
    """A branch or a loop, its blocks built by `build`."""
    call = node.call
    layouts = dict(zip(node.inputs, mode.inputs, strict=True))
    plain = all(layout == identity(len(layout)) for layout in (*mode.inputs, *mode.outputs))
    order = ChannelOrder.PYTORCH if plain else ChannelOrder.TENSORFLOW
    given = graph_inputs(node, mode)
    slots = {pair: Slot(index) for index, pair in enumerate(given)}

    def place(value: Value) -> Any:
        """An input of the layer, or a constant that it holds."""
        layout = layouts[value]
        return to_numpy(value.tensor).transpose(layout) if value.constant else slots[value, layout]

    if call.op is cond:
        predicate, captured = call.args
        starts, outer = [place(predicate)], [place(each) for each in captured]
        specs = [
            InputSpec(value.tensor, "", static_shape(value), layouts[value])
            for value in (predicate, *captured)
        ]
        specs_of = [specs, specs]
    else:
        first, captured = call.args
        starts, outer = [place(each) for each in first], [place(each) for each in captured]
        specs_of = [
            [
                *(
                    InputSpec(own.tensor, "", _of_start(value, static_shape), layouts[value])
                    for own, value in zip(block.inputs, first, strict=False)
                ),
                *(InputSpec(value.tensor, "", static_shape(value), layouts[value]) for value in captured),
            ]
            for block in node.blocks
        ]
    orders = (order, order) if call.op is cond else (ChannelOrder.PYTORCH, order)
    models = []
    for which, (block, specs, each) in enumerate(zip(node.blocks, specs_of, orders, strict=True)):
        # names of their own: where layers are shared, Keras sees several models as one
        specs = [replace(spec, name=f"{name}_{which}_{number}") for number, spec in enumerate(specs)]
        models.append(build(block, specs, each))
    kind = Conditional if call.op is cond else Loop
    layer = kind([*starts, *outer], len(starts), models, name=name)
    return ConvertedNode(node, mode, lambda tensors: list(layer(list(tensors))), [layer])


def _of_start(
    value: Value, static_shape: Callable[[Value], tuple[int | None, ...]]
) -> tuple[int | None, ...]:
    return value.shape if value.constant else static_shape(value)


class _ControlFlow(keras.layers.Layer):
    """`operands` are a `Slot` for each input of the layer and arrays, for those that are constant; `models` are its blocks,
    which take them all, and of which the first `carried` are what changes from turn to turn."""

    def __init__(
        self, operands: Sequence[Any], carried: int, models: Sequence[keras.Model], **kwargs: Any
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self._operands, self._carried = list(operands), carried
        self._models = list(models)
        self.built = True

    def _given(self, inputs: Sequence[Any]) -> list[Any]:
        return [
            inputs[each.index] if isinstance(each, Slot) else tf.constant(each) for each in self._operands
        ]

    def get_config(self) -> dict[str, Any]:
        raise NobucoError(
            f"layer {self.name!r} cannot be saved: Keras does not keep layers that are shared between the blocks of a "
            "branch or loop and the model around it. export_tflite and keras_model.export work as it is; to save it as a "
            "Keras model, give the module around it a converter"
        )


class Conditional(_ControlFlow):
    """One of two models, by the first operand."""

    def call(self, inputs: Any) -> Any:
        operands = self._given(_listed(inputs))
        yes, no = self._models
        return tf.cond(operands[0], lambda: _flat(yes(operands)), lambda: _flat(no(operands)))

    def compute_output_spec(self, inputs: Any) -> Any:
        return [keras.KerasTensor(each.shape, dtype=each.dtype) for each in self._models[0].outputs]


class Loop(_ControlFlow):
    """The second model, as long as the first says so."""

    def call(self, inputs: Any) -> Any:
        operands = self._given(_listed(inputs))
        test, body = self._models
        start, others = operands[: self._carried], operands[self._carried :]
        return tf.while_loop(
            lambda *carried: _flat(test([*carried, *others]))[0],
            lambda *carried: tuple(_flat(body([*carried, *others]))),
            tuple(start),
            shape_invariants=tuple(tf.TensorShape(each.shape) for each in body.outputs),
        )

    def compute_output_spec(self, inputs: Any) -> Any:
        return [keras.KerasTensor(each.shape, dtype=each.dtype) for each in self._models[1].outputs]


def _listed(inputs: Any) -> list[Any]:
    return list(inputs) if isinstance(inputs, list | tuple) else [inputs]


def _flat(result: Any) -> list[Any]:
    """The outputs of a block, of which constants are the variables themselves."""
    return [
        tf.convert_to_tensor(each.value if isinstance(each, keras.Variable) else each)
        for each in _listed(result)
    ]
