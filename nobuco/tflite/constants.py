"""A TensorFlow graph with the values of its variables inside.

TensorFlow's own `convert_variables_to_constants_v2` does the same and copies the graph op by op in Python for it: a fifth
of the time that a small model's export takes. It knows what is rare as well: variables that loops and branches read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from nobuco.keras_model.answers import captured_values
from nobuco.tflite.stand_ins import StandIn, stand_ins

_AttrValue: Any = tf.compat.v1.AttrValue


@dataclass(frozen=True)
class WithConstants:
    """Attributes:
    definition: a GraphDef without the inputs of the graph that it was made from.
    apart: the weights that are not in it, and what stands for each.
    """

    definition: Any
    apart: Sequence[StandIn]


def with_constants(graph: Any, most_bytes: float = math.inf, apart: bool = False) -> WithConstants | None:
    """A FuncGraph with constants for what it captures; None where that is not as simple as reading each variable.

    most_bytes: of a variable's value; what is larger stays captured, an input that the definition lacks.
    apart: for large weights a number is to stand, where that is possible."""
    values = captured_values(graph)
    if values is None:
        return None
    variables = {inner.op.name for outer, inner in graph.captures if outer.dtype == tf.resource}
    small = {name for name, value in values.items() if value.nbytes <= most_bytes}
    definition = graph.as_graph_def()
    _put(definition, {name: tf.make_tensor_proto(values[name]) for name in small})
    standing = stand_ins(definition, values) if apart else {}
    _put(definition, {name: each.constant for name, each in standing.items()})
    _keep(definition, [tensor.op.name for tensor in graph.outputs])
    captured = values.keys() - variables - small
    _put(definition, {name: tf.make_tensor_proto(values[name]) for name in captured})
    given = {tensor.op.name for tensor in graph.inputs} - small - captured
    nodes = [node for node in definition.node if node.name not in given]
    del definition.node[:]
    definition.node.extend(nodes)
    return WithConstants(definition, tuple(standing.values()))


def _keep(definition: Any, outputs: Sequence[str]) -> None:
    """Drop what the outputs do not need. What waits for a variable to be read need not, where none is written."""
    nodes = {node.name: node for node in definition.node}
    for node in definition.node:
        waits = [name for name in node.input if name.startswith("^")]
        for name in waits:
            if nodes[name[1:]].op in ("ReadVariableOp", "Const", "Identity"):
                node.input.remove(name)
    needed, waiting = set(outputs), list(outputs)
    while waiting:
        inputs = {name.partition(":")[0].lstrip("^") for name in nodes[waiting.pop()].input} - needed
        needed |= inputs
        waiting += inputs
    kept = [node for node in definition.node if node.name in needed]
    del definition.node[:]
    definition.node.extend(kept)


def _put(definition: Any, constants: Mapping[str, Any]) -> None:
    """Make constants of nodes, and of what reads their variables what reads constants."""
    for node in definition.node if constants else ():
        if node.name in constants:
            value = constants[node.name]
            _become(node, "Const", dtype=_AttrValue(type=value.dtype), value=_AttrValue(tensor=value))
        elif node.op == "ReadVariableOp" and node.input[0].partition(":")[0] in constants:
            _become(node, "Identity", T=_AttrValue(type=node.attr["dtype"].type))


def _become(node: Any, op: str, **attributes: Any) -> None:
    node.op = op
    node.attr.clear()
    if op == "Const":
        del node.input[:]
    for name, value in attributes.items():
        node.attr[name].CopyFrom(value)
