"""Which tensor of one file stands for which of another."""

from __future__ import annotations

from typing import Any

import numpy as np

from nobuco.tflite import flatbuffer as fb
from nobuco.tflite.precision.ranges import Range
from nobuco.tflite.precision.running import activation_scales, tensor_names


def places_of(data: bytes) -> dict[str, int]:
    """By its name, each tensor of the main graph: of one that DEQUANTIZE makes, the integers that it is made from."""
    integers = {made: given for kind, given, made in _ops(data) if kind == "DEQUANTIZE"}
    return {name: integers.get(index, index) for name, index in tensor_names(data).items()}


def scales_of(data: bytes) -> dict[str, tuple[float, int, np.dtype[Any]]]:
    """By the tensor's name, what its integers stand for: scale, zero point and type. Of a float tensor those of what
    QUANTIZE makes of it."""
    scales, places = activation_scales(data), places_of(data)
    behind = {
        given: scales[made] for kind, given, made in _ops(data) if kind == "QUANTIZE" and made in scales
    }
    scales = {**behind, **scales}
    return {name: scales[place] for name, place in places.items() if place in scales}


def ranges_in(data: bytes, float_data: bytes) -> dict[int, Range]:
    """What the scales of a file reach, by the tensors of the float file."""
    scales = scales_of(data)
    found = {}
    for name, index in tensor_names(float_data).items():
        if name in scales:
            step, zero, kind = scales[name]
            limits = np.iinfo(kind)
            low = limits.min if kind == np.int8 else -limits.max
            found[index] = Range(name, 1, (low - zero) * step, (limits.max - zero) * step)
    return found


def computed_floats(data: bytes) -> set[int]:
    """The float tensors of the main graph that are no constants."""
    model = fb.root(data)
    graph = fb.subgraphs(model)[0]
    tensors = {index: graph.Tensors(index) for index in range(graph.TensorsLength())}
    return {
        index
        for index, each in tensors.items()
        if fb.type_name(each) == "float32" and not fb.constant_bytes(model, each)
    }


def steps_in(data: bytes) -> frozenset[float]:
    """Of all scales of a file: what one step of the integers is worth."""
    return frozenset(step for step, _, _ in activation_scales(data).values())


def _ops(data: bytes) -> list[tuple[str, int, int]]:
    """Kind, first input and first output of each QUANTIZE and DEQUANTIZE of the main graph."""
    model = fb.root(data)
    graph = fb.subgraphs(model)[0]
    ops = [graph.Operators(number) for number in range(graph.OperatorsLength())]
    kinds = [(fb.op_name(model, op), op) for op in ops]
    return [(kind, op.Inputs(0), op.Outputs(0)) for kind, op in kinds if kind in ("QUANTIZE", "DEQUANTIZE")]
