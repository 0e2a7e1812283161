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


def copied(op: Any, inputs: Sequence[Any], instead: dict[Any, Any] = NARROWER) -> list[Any]:
    """The outputs of a copy of `op` that reads `inputs`, float32 tensors where `op` read wider ones. A complex op
    becomes the real one of the same name: what a linear op does to the real part, say. The copy has the name of `op`,
    whatever scope it is made in, unless that is taken.

    `instead`: the dtypes that others take the place of."""
    graph: Any = tf.compat.v1.get_default_graph()
    attrs = {name: value for name, value in op.node_def.attr.items() if name != "_class"}
    # a list of tensors does not show what it holds
    if any(tensor.dtype in instead or tensor.dtype == tf.variant for tensor in (*op.inputs, *op.outputs)):
        attrs = {name: _of_dtypes(value, instead) for name, value in attrs.items()}
    for value in attrs.values():
        if value.HasField("func"):
            graph._add_function_recursive(op.graph._get_function(value.func.name))
    dtypes = [instead.get(tensor.dtype, tensor.dtype) for tensor in op.outputs]
    with graph.name_scope(None):
        # as TensorFlow's own functions make ops: `create_op` looks up its own signature for each, which takes as long again
        copy = graph._create_op_internal(op.type, list(inputs), dtypes, name=op.name, attrs=attrs)
    return list(copy.outputs)


def _of_dtypes(value: Any, instead: dict[Any, Any]) -> Any:
    """An attribute of an op, with other dtypes in it."""
    enums = {old.as_datatype_enum: new.as_datatype_enum for old, new in instead.items()}
    made = type(value)()
    made.CopyFrom(value)
    kind = value.WhichOneof("value")
    if kind == "type" and value.type in enums:
        made.type = enums[value.type]
    elif kind == "list" and value.list.type:
        made.list.ClearField("type")
        made.list.type.extend(enums.get(each, each) for each in value.list.type)
    elif kind == "tensor" and value.tensor.dtype in enums:
        dtype = tf.as_dtype(enums[value.tensor.dtype]).as_numpy_dtype
        made.tensor.CopyFrom(tf.make_tensor_proto(tf.make_ndarray(value.tensor).astype(dtype)))
    return made
