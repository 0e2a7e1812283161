"""Scales that a model brings along: of activations, where it was trained with fake quantisation, and of weights that lie on
a grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ai_edge_litert.tools import flatbuffer_utils

from nobuco.tflite import flatbuffer as fb
from nobuco.tflite.inspection import TFLiteInfo, TFLiteOp
from nobuco.tflite.precision.ranges import Range
from nobuco.tflite.precision.running import tensor_names

_MOST = 127  # steps to either side of zero
_ON_GRID = 0.02  # of the finest step: further off, weights do not lie on a grid

# Ops that hand on some of the numbers they are given, as they are.
_HANDS_ON = {
    "CONCATENATION", "GATHER", "MAX_POOL_2D", "PAD", "RESHAPE", "RESIZE_NEAREST_NEIGHBOR", "SLICE", "SPLIT", "SQUEEZE",
    "STRIDED_SLICE", "TRANSPOSE",
}  # fmt: skip

Ends = dict[str, tuple[float, float]]


def without_marks(data: bytes) -> tuple[bytes, Ends]:
    """The file without its pairs of QUANTIZE and DEQUANTIZE, and what the scale reaches, by the name of what it is of.

    A tensor that is marked with several scales keeps all pairs but the first."""
    model = _parsed(data)
    graph = model.subgraphs[0]
    flat = fb.root(data)
    operators = [fb.subgraphs(flat)[0].Operators(i) for i in range(len(graph.operators))]
    kinds = [fb.op_name(flat, each) for each in operators]
    quantised = {
        int(op.outputs[0]): int(op.inputs[0])
        for op, kind in zip(graph.operators, kinds, strict=True)
        if kind == "QUANTIZE"
    }
    ends: dict[int, tuple[float, float]] = {}
    becomes: dict[int, int] = {}
    gone: set[int] = set()
    for op, kind in zip(graph.operators, kinds, strict=True):
        middle = int(op.inputs[0]) if len(op.inputs) else -1
        if kind != "DEQUANTIZE" or middle not in quantised:
            continue
        source = becomes.get(quantised[middle], quantised[middle])
        reach = _reach(graph.tensors[middle])
        if ends.setdefault(source, reach) == reach:
            becomes[int(op.outputs[0])] = source
            gone.update((middle, int(op.outputs[0])))
    graph.operators = [op for op in graph.operators if int(op.outputs[0]) not in gone]
    for op in graph.operators:
        op.inputs = [becomes.get(int(index), int(index)) for index in op.inputs]
    for index, source in becomes.items():
        if index in graph.outputs:
            graph.tensors[source].name = graph.tensors[index].name
            graph.tensors[index].name = b""
    graph.outputs = [becomes.get(int(index), int(index)) for index in graph.outputs]
    for each in model.signatureDefs or []:
        for output in each.outputs:
            output.tensorIndex = becomes.get(output.tensorIndex, output.tensorIndex)
    named = {graph.tensors[index].name.decode(): reach for index, reach in ends.items()}
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model)), named


def _parsed(data: bytes) -> Any:
    return flatbuffer_utils.read_model_from_bytearray(bytearray(data))  # type: ignore[arg-type]


def _reach(tensor: Any) -> tuple[float, float]:
    scale, zero = float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0])
    limits = np.iinfo(np.uint8 if tensor.type == fb.schema.TensorType.UINT8 else np.int8)
    return (limits.min - zero) * scale, (limits.max - zero) * scale


def carried_ranges(
    data: bytes, info: TFLiteInfo, ends: Ends, measured: Mapping[int, Range]
) -> dict[int, Range]:
    """By tensor: what is carried, and what follows from it; what was measured for the rest."""
    found = {index: Range(name, 1, *ends[name]) for name, index in tensor_names(data).items() if name in ends}
    for row in info.rows:
        given = [found[index] for index in row.inputs if index in found]
        if row.op in _HANDS_ON and given and row.subgraph == 0:
            low, high = min(each.low for each in given), max(each.high for each in given)
            for index, name in zip(row.outputs, row.output_names, strict=True):
                found.setdefault(index, Range(name, 1, low, high))
    return {**measured, **found}


def without_ranges(data: bytes, info: TFLiteInfo, ranges: Mapping[int, Range]) -> list[TFLiteOp]:
    """The ops that take or give a float tensor of which no range is known."""
    model = fb.root(data)
    graph = fb.subgraphs(model)[0]

    def unknown(index: int) -> bool:
        tensor = graph.Tensors(index)
        computed = fb.type_name(tensor) == "float32" and not fb.constant_bytes(model, tensor)
        return computed and index not in ranges

    return [row for row in info.rows if row.subgraph == 0 and any(map(unknown, (*row.inputs, *row.outputs)))]


def on_grid(data: bytes, float_data: bytes) -> bytes:
    """A quantised file with the scales that its weights were rounded to before, where they were."""
    model, plain = _parsed(data), _parsed(float_data)
    floats = {tensor.name: (tensor, plain.buffers[tensor.buffer]) for tensor in plain.subgraphs[0].tensors}
    graph = model.subgraphs[0]
    for op in graph.operators:
        if len(op.inputs) < 2 or int(op.inputs[1]) < 0:
            continue
        weight = graph.tensors[int(op.inputs[1])]
        values = _floats(floats, weight.name)
        if values is None or not _is_quantised(weight, values):
            continue
        axis = weight.quantization.quantizedDimension
        rows = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
        rows = rows if len(weight.quantization.scale) == len(rows) else rows.reshape(1, -1)
        old = np.asarray(weight.quantization.scale, np.float64)
        scales = np.array([step(row) or scale for row, scale in zip(rows, old, strict=True)])
        shape = [1] * values.ndim
        shape[axis] = -1
        whole = np.clip(np.round(values / scales.reshape(shape)), -_MOST, _MOST).astype(np.int8)
        model.buffers[weight.buffer].data = np.frombuffer(whole.tobytes(), np.uint8)
        weight.quantization.scale = scales.astype(np.float32)
        bias = int(op.inputs[2]) if len(op.inputs) > 2 else -1
        if bias >= 0 and (sums := _floats(floats, graph.tensors[bias].name)) is not None:
            steps = scales * float(graph.tensors[int(op.inputs[0])].quantization.scale[0])
            tensor = graph.tensors[bias]
            tensor.quantization.scale = steps.astype(np.float32)
            numbers = np.round(sums / steps).astype(np.int32)
            model.buffers[tensor.buffer].data = np.frombuffer(numbers.tobytes(), np.uint8)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def step(values: np.ndarray) -> float | None:
    """The largest number that all values are whole multiples of, no more than 128 times it; None where there is none."""
    values = np.abs(values.astype(np.float64))
    most = float(values.max())
    if most == 0:
        return None
    for count in range(1, _MOST + 2):
        size = most / count
        if np.abs(values - np.round(values / size) * size).max() <= _ON_GRID * most / _MOST:
            return size
    return None


def _floats(floats: Mapping[bytes, tuple[Any, Any]], name: bytes) -> np.ndarray | None:
    tensor, buffer = floats.get(name, (None, None))
    if (
        tensor is None
        or tensor.type != fb.schema.TensorType.FLOAT32
        or buffer.data is None
        or not len(buffer.data)
    ):
        return None
    return np.frombuffer(bytes(buffer.data), np.float32).reshape(tensor.shape)


def _is_quantised(tensor: Any, values: np.ndarray) -> bool:
    quantisation = tensor.quantization
    return (
        tensor.type == fb.schema.TensorType.INT8
        and quantisation is not None
        and quantisation.scale is not None
        and len(quantisation.scale) in (1, values.shape[quantisation.quantizedDimension])
    )
