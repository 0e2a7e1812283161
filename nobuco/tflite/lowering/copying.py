"""An op of one function made again in another, in float32 where it computed in float64 or with complex numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

NARROWER = {
    tf.float64: tf.float32,
    tf.complex64: tf.float32,
    tf.complex128: tf.float32,
}
_ENUMS = {wide.as_datatype_enum: narrow.as_datatype_enum for wide, narrow in NARROWER.items()}


def copied(op: Any, inputs: Sequence[Any]) -> list[Any]:
    """The outputs of a copy of `op` that reads `inputs`, float32 tensors where `op` read wider ones. A complex op
    becomes the real one of the same name: what a linear op does to the real part, say. The copy has the name of `op`,
    whatever scope it is made in, unless that is taken."""
    graph: Any = tf.compat.v1.get_default_graph()
    attrs = {name: _narrow(value) for name, value in op.node_def.attr.items() if name != "_class"}
    for value in attrs.values():
        if value.HasField("func"):
            graph._add_function_recursive(op.graph._get_function(value.func.name))
    dtypes = [NARROWER.get(tensor.dtype, tensor.dtype) for tensor in op.outputs]
    with graph.name_scope(None):
        copy = graph.create_op(op.type, list(inputs), dtypes, name=op.name, attrs=attrs)
    return list(copy.outputs)


def _narrow(value: Any) -> Any:
    """An attribute of an op, with float32 for wider types."""
    narrow = type(value)()
    narrow.CopyFrom(value)
    kind = value.WhichOneof("value")
    if kind == "type" and value.type in _ENUMS:
        narrow.type = _ENUMS[value.type]
    elif kind == "list" and value.list.type:
        narrow.list.ClearField("type")
        narrow.list.type.extend(_ENUMS.get(each, each) for each in value.list.type)
    elif kind == "tensor" and value.tensor.dtype in _ENUMS:
        narrow.tensor.CopyFrom(tf.make_tensor_proto(tf.make_ndarray(value.tensor).astype("float32")))
    return narrow
