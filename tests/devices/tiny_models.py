"""Small .tflite files, written with the flatbuffer schema alone: device tests need no converter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
    "bool": schema.TensorType.BOOL,
}


class ModelWriter:
    """One graph, built op by op; tensors are named by number."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        self.graph = schema.SubGraphT()
        self.graph.name = "main"
        self.graph.tensors = []
        self.graph.operators = []
        self.model.subgraphs = [self.graph]

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str = "float32",
        *,
        value: np.ndarray | None = None,
        signature: Sequence[int] | None = None,
    ) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), _TYPES[dtype], 0
        if signature is not None:
            tensor.shapeSignature = list(signature)
        if value is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(value).tobytes(), np.uint8)
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def constant(self, name: str, value: np.ndarray) -> int:
        return self.tensor(name, value.shape, str(value.dtype), value=value)

    def op(self, name: str, inputs: list[int], outputs: list[int], options: str = "", **fields: Any) -> None:
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 1
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = (
            len(self.model.operatorCodes),
            inputs,
            outputs,
        )
        self.model.operatorCodes.append(code)
        if options:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            operator.builtinOptions = getattr(schema, options + "T")()
            for field, value in fields.items():
                setattr(operator.builtinOptions, field, value)
        self.graph.operators.append(operator)

    def sign(self, key: str, inputs: dict[str, int], outputs: dict[str, int]) -> None:
        """Give the graph a signature, its entries in the order given here."""
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = key, 0
        signature.inputs, signature.outputs = [], []
        for entries, names in ((signature.inputs, inputs), (signature.outputs, outputs)):
            for name, index in names.items():
                entry = schema.TensorMapT()
                entry.name, entry.tensorIndex = name, index
                entries.append(entry)
        self.model.signatureDefs = [signature]

    def write(self, path: Path, inputs: list[int], outputs: list[int]) -> Path:
        self.graph.inputs, self.graph.outputs = inputs, outputs
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        path.write_bytes(bytes(builder.Output()))
        return path


def dense_softmax(path: Path, width: int = 64, layers: int = 3) -> Path:
    """Fully connected layers and a softmax: XNNPACK takes every node. No signature."""
    rng = np.random.default_rng(0)
    w = ModelWriter()
    current = start = w.tensor("input", [1, width])
    for layer in range(layers):
        weights = rng.standard_normal((width, width)).astype(np.float32) / np.float32(np.sqrt(width))
        after = w.tensor(f"dense{layer}", [1, width])
        w.op(
            "FULLY_CONNECTED",
            [current, w.constant(f"w{layer}", weights), w.constant(f"b{layer}", np.zeros(width, np.float32))],
            [after],
            "FullyConnectedOptions",
        )
        current = after
    end = w.tensor("probabilities", [1, width])
    w.op("SOFTMAX", [current], [end], "SoftmaxOptions", beta=1.0)
    return w.write(path, [start], [end])


def several_types(path: Path) -> Path:
    """Three inputs and four outputs of four types; the signature has them in another order."""
    w = ModelWriter()
    x, y, n = w.tensor("x", [2, 3]), w.tensor("y", [2, 3]), w.tensor("n", [4], "int64")
    difference, greater = w.tensor("difference", [2, 3]), w.tensor("greater", [2, 3], "bool")
    doubled, narrow = w.tensor("doubled", [4], "int64"), w.tensor("narrow", [4], "int32")
    w.op("SUB", [x, y], [difference], "SubOptions")
    w.op("GREATER", [x, y], [greater], "GreaterOptions")
    w.op("ADD", [n, n], [doubled], "AddOptions")
    w.op("CAST", [n], [narrow], "CastOptions", inDataType=_TYPES["int64"], outDataType=_TYPES["int32"])
    w.sign(
        "serve",
        {"third": n, "second": y, "first": x},
        {"d": narrow, "c": doubled, "b": greater, "a": difference},
    )
    return w.write(path, [x, y, n], [difference, greater, doubled, narrow])


def islands(path: Path, input_name: str = "x") -> Path:
    """Float work cut in two by an op that XNNPACK does not take: two partitions."""
    w = ModelWriter()
    x, a, b, c = (w.tensor(name, [1, 16]) for name in (input_name, *"abc"))
    w.op("TANH", [x], [a])
    w.op("FLOOR_MOD", [a, w.constant("half", np.full((1, 16), 0.5, np.float32))], [b], "FloorModOptions")
    w.op("LOGISTIC", [b], [c])
    return w.write(path, [x], [c])


def loop(path: Path, times: int = 5) -> Path:
    """A loop that adds up `times` times, and a TANH behind it that XNNPACK takes: ops within ops, in graphs of their own."""
    w = ModelWriter()

    def graph(name: str) -> tuple[int, int]:
        w.graph = schema.SubGraphT()
        w.graph.name, w.graph.tensors, w.graph.operators = name, [], []
        w.model.subgraphs.append(w.graph)
        return w.tensor(f"{name}/n", [], "int32"), w.tensor(f"{name}/sum", [1, 16])

    main, x = w.graph, w.tensor("x", [1, 16])
    zero, n = w.constant("zero", np.zeros((), np.int32)), w.tensor("n", [], "int32")
    total, y = w.tensor("total", [1, 16]), w.tensor("y", [1, 16])
    w.op("WHILE", [zero, x], [n, total], "WhileOptions", condSubgraphIndex=1, bodySubgraphIndex=2)
    w.op("TANH", [total], [y])
    count, added = graph("condition")
    go_on = w.tensor("condition/less", [], "bool")
    w.op("LESS", [count, w.constant("times", np.array(times, np.int32))], [go_on], "LessOptions")
    w.graph.inputs, w.graph.outputs = [count, added], [go_on]
    count, added = graph("body")
    more, twice = w.tensor("body/more", [], "int32"), w.tensor("body/twice", [1, 16])
    w.op("ADD", [count, w.constant("one", np.array(1, np.int32))], [more], "AddOptions")
    w.op("ADD", [added, added], [twice], "AddOptions")
    w.graph.inputs, w.graph.outputs = [count, added], [more, twice]
    w.graph = main
    return w.write(path, [x], [y])


def positions_of_true(path: Path) -> Path:
    """WHERE: how many rows the output has depends on the data."""
    w = ModelWriter()
    x = w.tensor("x", [2, 3], "bool")
    where = w.tensor("where", [1, 2], "int64", signature=[-1, 2])
    w.op("WHERE", [x], [where], "WhereOptions")
    return w.write(path, [x], [where])


def free_batch(path: Path) -> Path:
    """The batch is -1 in the file; a run takes the size that the file's shape gives."""
    w = ModelWriter()
    x, y = w.tensor("x", [1, 8], signature=[-1, 8]), w.tensor("y", [1, 8], signature=[-1, 8])
    w.op("TANH", [x], [y])
    return w.write(path, [x], [y])


def constant_output(path: Path) -> Path:
    """One of the outputs is a constant of the file."""
    w = ModelWriter()
    x, y = w.tensor("x", [1, 4]), w.tensor("y", [1, 4])
    fixed = w.constant("fixed", np.array([3.0, 1.0, 2.0], np.float32))
    w.op("TANH", [x], [y])
    return w.write(path, [x], [y, fixed])


def out_of_range_gather(path: Path) -> Path:
    """A model that is sound but fails when it runs: an index beyond the table."""
    w = ModelWriter()
    table = w.constant("table", np.arange(4, dtype=np.float32))
    index, y = w.tensor("index", [1], "int32"), w.tensor("y", [1])
    w.op("GATHER", [table, index], [y], "GatherOptions")
    return w.write(path, [index], [y])
