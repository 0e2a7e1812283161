"""Names, types and shapes of a .tflite file's inputs and outputs, which the official binary has to be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devices.errors import DeviceError


@dataclass(frozen=True)
class TensorInfo:
    """One input or output of the first graph."""

    name: str
    dtype: str
    """numpy's name."""
    shape: tuple[int, ...]


_DTYPES = {
    "FLOAT32": "float32",
    "FLOAT16": "float16",
    "FLOAT64": "float64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "BOOL": "bool",
}


def model_tensors(path: Path) -> tuple[list[TensorInfo], list[TensorInfo]]:
    """Inputs and outputs of the model's first graph, in order."""
    from ai_edge_litert import schema_py_generated as schema

    names = {value: name for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
    try:
        model: Any = schema.Model.GetRootAs(path.read_bytes(), 0)
        graph = model.Subgraphs(0)

        def read(index: int) -> TensorInfo:
            tensor = graph.Tensors(index)
            shape = tuple(tensor.Shape(axis) for axis in range(tensor.ShapeLength()))
            return TensorInfo(tensor.Name().decode(), _DTYPES[names[tensor.Type()]], shape)

        inputs = [read(graph.Inputs(index)) for index in range(graph.InputsLength())]
        outputs = [read(graph.Outputs(index)) for index in range(graph.OutputsLength())]
    except Exception as error:
        # The flatbuffer reader does not check a file: a broken one ends in any of a dozen kinds of exception.
        raise DeviceError(f"{path} is no .tflite model: {error}") from error
    return inputs, outputs
