"""The least and the greatest value of each tensor of a float file on the calibration samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nobuco.tflite import flatbuffer as fb
from nobuco.tflite.errors import CalibrationError
from nobuco.tflite.inspection import TFLiteInfo, TFLiteOp
from nobuco.tflite.precision.running import Sample, tensors_on

# Of a tensor's largest value. Steps of the 255th part of it are numbers that multiply without vanishing.
_VANISHING = 1e-15

# Ops whose outputs are parts of one input, and the place of that. All have its scale.
_PARTS = {"SPLIT": 1, "SPLIT_V": 0, "UNPACK": 0}


@dataclass(frozen=True)
class Range:
    """Of one tensor: its name in the file, its rank, and its values' ends."""

    name: str
    rank: int
    low: float
    high: float


def ranges_on(data: bytes, samples: Sequence[Sample]) -> dict[int, Range]:
    """By the tensor's index, for what the main graph computes, and its inputs, in float32."""
    model = fb.root(data)
    graph = fb.subgraphs(model)[0]
    wanted = [
        index
        for index in range(graph.TensorsLength())
        if fb.type_name(graph.Tensors(index)) == "float32"
        and not fb.constant_bytes(model, graph.Tensors(index))
    ]
    ends: dict[int, tuple[float, float]] = {}
    ranks: dict[int, int] = {}
    for tensors in tensors_on(data, samples, wanted):
        for index, array in tensors.items():
            if array.size:
                low, high = ends.get(index, (math.inf, -math.inf))
                # min() and max() hand on NaN of an array, and lose one of the two numbers here
                new = float(array.min()), float(array.max())
                nan = math.isnan(new[0]) or math.isnan(low)
                ends[index] = (math.nan, math.nan) if nan else (min(low, new[0]), max(high, new[1]))
                ranks[index] = array.ndim
    for number in range(graph.OperatorsLength()):
        op = graph.Operators(number)
        kind = fb.op_name(model, op)
        if kind in _PARTS and (given := op.Inputs(_PARTS[kind])) in ends:
            for index in map(op.Outputs, range(op.OutputsLength())):
                if index not in ends:  # nothing reads it, so that it was not computed
                    ends[index], ranks[index] = ends[given], graph.Tensors(index).ShapeLength()
    return {
        index: Range(graph.Tensors(index).Name().decode(), ranks[index], *each)
        for index, each in ends.items()
    }


def check_ranges(ranges: Mapping[int, Range], info: TFLiteInfo, quantised: Sequence[TFLiteOp]) -> None:
    """Raises CalibrationError where a tensor that an op of `quantised` computes has a range that no scale stands for."""
    makers = {index: row for row in info.rows if row.subgraph == 0 for index in row.outputs}
    for row in quantised:
        for index in dict.fromkeys((*row.inputs, *row.outputs)):
            each = ranges.get(index)
            if each is not None and (fault := _fault(each)):
                raise CalibrationError(
                    f"{_said(index, each, makers, info)} {fault} on the calibration samples, so that no scale can stand for "
                    "it: give samples like those the model will see, or keep that "
                    "layer, and what reads it, in float (keep of nobuco.Recipe)"
                )


def _fault(each: Range) -> str:
    if math.isnan(each.low):
        return "is NaN"
    if math.isinf(each.low) or math.isinf(each.high):
        return "is infinite"
    largest = max(abs(each.low), abs(each.high))
    if largest == 0:
        return "is zero everywhere"
    return f"vanishes (at most {largest:.1g})" if largest < _VANISHING else ""


def _said(index: int, each: Range, makers: Mapping[int, TFLiteOp], info: TFLiteInfo) -> str:
    row = makers.get(index)
    if row is None:
        return f"input {each.name!r}"
    if row.origins:
        return f"what {row.origins[0]} returns"
    return f"tensor {each.name!r} (of {row.op})"
