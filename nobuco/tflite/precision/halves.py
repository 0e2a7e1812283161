"""Weights that float16 has no numbers for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nobuco.tflite import flatbuffer as fb

HALF_MOST = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class TooLarge:
    """A constant of the float file: its tensor's index and name, and its largest absolute value that is finite."""

    index: int
    name: str
    most: float


def beyond_half(made: bytes, float_data: bytes) -> TooLarge | None:
    """The first constant of the main graph that is infinite in the file `made`, where the float file's is not."""
    before = {each.Name(): (index, each) for index, each in enumerate(_tensors(float_data))}
    for tensor in _tensors(made):
        if fb.type_name(tensor) != "float16" or tensor.Name() not in before:
            continue
        half = fb.values(fb.root(made), tensor)
        if half is None or np.isfinite(half).all():
            continue
        index, old = before[tensor.Name()]
        values = fb.values(fb.root(float_data), old)
        finite = np.abs(values[np.isfinite(values)]) if values is not None else np.zeros(0)
        if finite.size and finite.max() > HALF_MOST:
            return TooLarge(index, tensor.Name().decode(), float(finite.max()))
    return None


def _tensors(data: bytes) -> list:
    graph = fb.subgraphs(fb.root(data))[0]
    return [graph.Tensors(index) for index in range(graph.TensorsLength())]
