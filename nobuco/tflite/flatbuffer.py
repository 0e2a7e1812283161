"""The few questions asked of a TFLite flatbuffer, answered in place: no weights are copied."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from nobuco.tflite.errors import TFLiteFileError

_IDENTIFIER = b"TFL3"
# What the generated accessors raise when an offset points outside the file.
_OUT_OF_BOUNDS = (struct.error, IndexError, ValueError, TypeError, AttributeError, OverflowError)

_OP_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
_TYPE_NAMES = {code: name.lower() for name, code in vars(schema.TensorType).items() if isinstance(code, int)}
_ACTIVATIONS = {
    code: name.lower()
    for name, code in vars(schema.ActivationFunctionType).items()
    if isinstance(code, int) and name != "NONE"
}


def read_model(path: Path) -> bytes:
    """The bytes of a file that starts like a TFLite model. Raises TFLiteFileError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TFLiteFileError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) < 8 or data[4:8] != _IDENTIFIER:
        kind = "it is empty" if not data else f"it starts with {data[:8]!r}, not with a TFLite header"
        raise TFLiteFileError(f"{path}: not a TFLite model: {kind}")
    return data


@contextmanager
def damage_reported(path: Path) -> Iterator[None]:
    """Turn an offset that leads out of the file into TFLiteFileError."""
    try:
        yield
    except _OUT_OF_BOUNDS as error:
        raise TFLiteFileError(
            f"{path}: a truncated or damaged TFLite model ({path.stat().st_size:,} bytes are there): {error}"
        ) from error


def root(data: bytes | bytearray) -> Any:
    return schema.Model.GetRootAs(data, 0)


def subgraphs(model: Any) -> list[Any]:
    return [model.Subgraphs(i) for i in range(model.SubgraphsLength())]


def op_name(model: Any, operator: Any) -> str:
    """`CONV_2D`, or for a custom op the name that it was registered with (`FlexErf`)."""
    code = model.OperatorCodes(operator.OpcodeIndex())
    if code.CustomCode():
        return code.CustomCode().decode()
    # Codes above 127 are only in the second field; files older than that field have only the first.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    return _OP_NAMES.get(number, f"BUILTIN_{number}")


def type_name(tensor: Any) -> str:
    return _TYPE_NAMES.get(tensor.Type(), f"type_{tensor.Type()}")


def activation(operator: Any) -> str | None:
    """Name of the activation fused into an op (`relu6`), None when there is none."""
    fused = getattr(options(operator), "FusedActivationFunction", None)
    return None if fused is None else _ACTIVATIONS.get(fused())


# Where the ops that run other graphs keep their numbers.
_BRANCHES = {
    "WhileOptions": ("CondSubgraphIndex", "BodySubgraphIndex"),
    "IfOptions": ("ThenSubgraphIndex", "ElseSubgraphIndex"),
    "CallOnceOptions": ("InitSubgraphIndex",),
}


def branches(operator: Any) -> tuple[int, ...]:
    """The graphs that a loop, a branch or an initialisation runs."""
    found = options(operator)
    if found is None:
        return ()
    return tuple(getattr(found, name)() for name in _BRANCHES.get(type(found).__name__, ()))


def options(operator: Any) -> Any:
    """The op's own parameters, None where it has none."""
    table, kinds, code = operator.BuiltinOptions(), schema.BuiltinOptions, operator.BuiltinOptionsType()
    if table is None:  # the ops of later years have theirs in a second place
        table, kinds, code = (
            operator.BuiltinOptions2(),
            schema.BuiltinOptions2,
            operator.BuiltinOptions2Type(),
        )
    if table is None:
        return None
    kind = next(name for name, number in vars(kinds).items() if number == code)
    found = getattr(schema, kind)()
    found.Init(table.Bytes, table.Pos)
    return found


def shape(tensor: Any) -> tuple[int, ...]:
    return tuple(tensor.Shape(i) for i in range(tensor.ShapeLength()))


def shape_signature(tensor: Any) -> tuple[int, ...]:
    """The shape with -1 for each dynamic axis."""
    if tensor.ShapeSignatureIsNone():
        return shape(tensor)
    return tuple(tensor.ShapeSignature(i) for i in range(tensor.ShapeSignatureLength()))


def constant_bytes(model: Any, tensor: Any) -> int:
    """Bytes of weights held for a tensor, 0 for one that is computed."""
    buffer = model.Buffers(tensor.Buffer())
    # A model above 2 GB keeps its weights behind the flatbuffer, addressed by offset and size.
    return buffer.Size() or buffer.DataLength()


_ARRAYS = {
    "float32": "<f4",
    "float16": "<f2",
    "int32": "<i4",
    "int64": "<i8",
    "int8": "i1",
    "uint8": "u1",
    "bool": "?",
}


def values(model: Any, tensor: Any) -> Any:
    """The constant that a tensor holds, as an array: a view of the file. None for a tensor that is computed, and for types
    that are packed."""
    buffer = model.Buffers(tensor.Buffer())
    kind = _ARRAYS.get(type_name(tensor))
    if kind is None or not buffer.DataLength():
        return None
    return buffer.DataAsNumpy().view(kind).reshape(shape(tensor))


def check_bounds(model: Any, data: bytes | bytearray) -> None:
    """Raise ValueError when the weights reach beyond the end of the data."""
    for i in range(model.BuffersLength()):
        buffer = model.Buffers(i)
        if buffer.Size() and buffer.Offset() + buffer.Size() > len(data):
            raise ValueError(f"buffer {i} ends behind the end of the file")
        buffer.DataAsNumpy()  # a view, which numpy refuses to make beyond the end


def signature_indices(model: Any) -> tuple[dict[str, int], dict[str, int]]:
    """Tensor indices of the first signature's inputs and outputs by name; empty without a signature."""
    if not model.SignatureDefsLength():
        return {}, {}
    signature = model.SignatureDefs(0)
    inputs = [signature.Inputs(i) for i in range(signature.InputsLength())]
    outputs = [signature.Outputs(i) for i in range(signature.OutputsLength())]
    return (
        {entry.Name().decode(): entry.TensorIndex() for entry in inputs},
        {entry.Name().decode(): entry.TensorIndex() for entry in outputs},
    )


def quantisation(tensor: Any) -> tuple[float | None, int]:
    """The scale and the zero point of a tensor that has one of each; None and 0 of any other."""
    found = tensor.Quantization()
    if found is None or found.ScaleLength() != 1:
        return None, 0
    return float(found.Scale(0)), int(found.ZeroPoint(0)) if found.ZeroPointLength() else 0
