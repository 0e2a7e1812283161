"""A traced program run node by node on TensorFlow tensors: the conversion without the Keras model around it.

Fast enough for thousands of programs; it goes through the same tracer, planner and converters."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import torch

from nobuco.contract.channel_order import ChannelOrder, inverse, set_layout, transposition
from nobuco.contract.dtypes import to_numpy
from nobuco.convert import _converter, _has_converter, _plan
from nobuco.graph.choose import choose
from nobuco.inputs import input_specs
from nobuco.keras_model.nodes import NodeFactory
from nobuco.trace.tracer import run_untraced, trace
from nobuco.validate.compare import relative_error
from nobuco.validate.findings import MissingConverterError


def worst_error(function: Any, inputs: list[torch.Tensor], others: list[torch.Tensor]) -> float:
    """Traces `function` on `inputs` and returns its largest relative error on `others`."""
    specs = input_specs(function, tuple(inputs), {}, None, ChannelOrder.TENSORFLOW, None, {})
    traced = trace(function, tuple(inputs), {}, _has_converter, [spec.name for spec in specs])
    choice = choose(traced, _has_converter)
    if choice.missing:
        raise MissingConverterError(choice.missing)
    modes, output_layouts = _plan(traced, choice.nodes, specs, None, dynamic=False)
    factory = NodeFactory(dynamic=False, constants_to_variables=True)
    made: dict[int, tuple[Any, tuple[int, ...]]] = {}
    for value, spec, other in zip(traced.inputs, specs, others, strict=True):
        made[id(value)] = tf.constant(to_numpy(other).transpose(spec.layout)), spec.layout

    def fetch(value: Any, layout: tuple[int, ...]) -> Any:
        if value.constant:
            return tf.constant(to_numpy(value.tensor).transpose(layout))
        tensor, own = made[id(value)]
        return set_layout(
            tensor if own == layout else tf.transpose(tensor, transposition(own, layout)), layout
        )

    for call, mode in zip(choice.nodes, modes, strict=True):
        node = factory.convert(call, _converter(call), mode)
        outputs = node.apply([fetch(value, layout) for value, layout in node.graph_inputs])
        for value, layout, tensor in zip(call.outputs, mode.outputs, outputs, strict=True):
            made.setdefault(id(value), (tensor, layout))
    expected = run_untraced(function, tuple(inputs), {}, inputs, others)
    actual = [
        np.asarray(fetch(value, layout)).transpose(inverse(layout))
        for value, layout in zip(traced.outputs, output_layouts, strict=True)
    ]
    return max(relative_error(a, to_numpy(e)) for a, e in zip(actual, expected, strict=True))
