"""A traced program run node by node on TensorFlow tensors: the conversion without the Keras model around it.

Fast enough for thousands of programs; it goes through the same tracer, planner and converters."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import torch

import nobuco.node_converters  # noqa: F401 - registers them
from nobuco.contract.channel_order import Layout, inverse, set_layout, transposition
from nobuco.contract.dtypes import to_numpy
from nobuco.graph.choose import choose
from nobuco.keras_model.nodes import NodeFactory
from nobuco.layout.planning import plan_layouts
from nobuco.program import Program
from nobuco.trace.calls import Value
from nobuco.validate.compare import relative_error
from nobuco.validate.findings import raise_unconverted


def worst_error(function: Any, inputs: list[torch.Tensor], others: list[torch.Tensor]) -> float:
    """Traces `function` on `inputs` and returns its largest relative error on `others`."""
    program = Program.of(function, inputs)
    graph = choose(program.trace())
    raise_unconverted(graph)
    plan = plan_layouts(graph, program.layouts)
    factory = NodeFactory()
    made: dict[Value, tuple[Any, Layout]] = {}
    for value, layout, other in zip(graph.inputs, plan.input_layouts, others, strict=True):
        made[value] = tf.constant(to_numpy(other).transpose(layout)), layout

    def fetch(value: Value, layout: Layout) -> Any:
        if value.constant:
            return tf.constant(to_numpy(value.tensor).transpose(layout))
        tensor, own = made[value]
        return set_layout(
            tensor if own == layout else tf.transpose(tensor, transposition(own, layout)), layout
        )

    for node in graph.nodes:
        converted = factory.convert(node, plan.modes[node])
        outputs = converted.apply([fetch(value, layout) for value, layout in converted.graph_inputs])
        for value, layout, tensor in zip(node.outputs, converted.mode.outputs, outputs, strict=True):
            made.setdefault(value, (tensor, layout))
    expected = program.run(others)
    actual = [
        np.asarray(fetch(value, layout)).transpose(inverse(layout))
        for value, layout in zip(graph.outputs, plan.output_layouts, strict=True)
    ]
    return max(relative_error(a, to_numpy(e)) for a, e in zip(actual, expected, strict=True))
