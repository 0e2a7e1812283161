"""A TensorFlow graph with the values of its variables inside.

TensorFlow's own `convert_variables_to_constants_v2` does the same and copies the graph op by op in Python for it: a fifth
of the time that a small model's export takes. It knows what is rare as well: variables that loops and branches read."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from nobuco.keras_model.answers import captured_values

_AttrValue: Any = tf.compat.v1.AttrValue


def with_constants(graph: Any, most_bytes: float = math.inf) -> Any:
    """The GraphDef of a FuncGraph with constants for what it captures, and without its inputs; None where that is not as
    simple as reading each variable.

    `most_bytes`: of a variable's value; what is larger stays captured, an input that the definition lacks."""
    values = captured_values(graph, most_bytes)
    if values is None:
        return None
    given = {tensor.op.name for tensor in graph.inputs} - values.keys()
    definition = graph.as_graph_def()
    nodes = [node for node in definition.node if node.name not in given]
    for node in nodes:
        if node.name in values:
            value = tf.make_tensor_proto(values[node.name])
            _become(node, "Const", dtype=_AttrValue(type=value.dtype), value=_AttrValue(tensor=value))
        elif node.op == "ReadVariableOp" and node.input[0].partition(":")[0] in values:
            _become(node, "Identity", T=_AttrValue(type=node.attr["dtype"].type))
    del definition.node[:]
    definition.node.extend(nodes)
    return definition


def _become(node: Any, op: str, **attributes: Any) -> None:
    node.op = op
    node.attr.clear()
    for name, value in attributes.items():
        node.attr[name].CopyFrom(value)
