"""What the runners need to know of a .tflite file: its inputs and outputs, and how many nodes of each op it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

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


Answer = TypeVar("Answer")


def model_tensors(path: Path) -> tuple[list[TensorInfo], list[TensorInfo]]:
    """Inputs and outputs of the model's first graph, in order.

    Raises:
        DeviceError: The file is no .tflite model, or a tensor's type has no raw form.
    """
    from ai_edge_litert import schema_py_generated as schema

    names = {value: name for name, value in vars(schema.TensorType).items() if isinstance(value, int)}

    def read(model: Any) -> tuple[list[TensorInfo], list[TensorInfo]]:
        graph = model.Subgraphs(0)

        def tensor_info(index: int) -> TensorInfo:
            tensor = graph.Tensors(index)
            shape = tuple(tensor.Shape(axis) for axis in range(tensor.ShapeLength()))
            name, kind = tensor.Name().decode(), names[tensor.Type()]
            if kind not in _DTYPES:
                raise DeviceError(f"{path}: tensor {name!r} is of type {kind}, which a raw file cannot hold")
            return TensorInfo(name, _DTYPES[kind], shape)

        inputs = [tensor_info(graph.Inputs(index)) for index in range(graph.InputsLength())]
        outputs = [tensor_info(graph.Outputs(index)) for index in range(graph.OutputsLength())]
        return inputs, outputs

    return _read(path, read)


def nodes_by_op(path: Path) -> Counter[str]:
    """The number of nodes of the model's first graph by op, named as the runtime names it in its log.

    Raises:
        DeviceError: The file is no .tflite model.
    """
    from ai_edge_litert import schema_py_generated as schema

    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}

    def read(model: Any) -> Counter[str]:
        def name(index: int) -> str:
            code = model.OperatorCodes(index)
            # Codes beyond 127 stand in the newer field, with 127 in the older one.
            number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
            return code.CustomCode().decode() if number == schema.BuiltinOperator.CUSTOM else names[number]

        graph = model.Subgraphs(0)
        return Counter(name(graph.Operators(index).OpcodeIndex()) for index in range(graph.OperatorsLength()))

    return _read(path, read)


def _read(path: Path, read: Callable[[Any], Answer]) -> Answer:
    from ai_edge_litert import schema_py_generated as schema

    try:
        return read(schema.Model.GetRootAs(path.read_bytes(), 0))
    except DeviceError:
        raise
    except Exception as error:
        # The flatbuffer reader does not check a file: a broken one ends in any of a dozen kinds of exception.
        raise DeviceError(f"{path} is no .tflite model: {error}") from error
