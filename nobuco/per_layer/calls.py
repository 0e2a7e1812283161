"""From an op of the file to the recorded calls that it was made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nobuco.keras_model.origins import Origin
from nobuco.tflite.inspection import TFLiteOp
from nobuco.tflite.origins import layers_named
from nobuco.trace.calls import Call
from nobuco.validate.report import Report


def calls_of(report: Report, rows: Sequence[TFLiteOp]) -> Mapping[str, tuple[Call, ...]]:
    """By the op's name: the calls whose Keras layers its name tells, else those that its origins stand for."""
    by_layer = {layer: call for call, found in report.calls.items() for layer in found.layers}
    by_origin: dict[Origin, list[Call]] = {}
    for call, found in report.calls.items():
        if found.layers:
            by_origin.setdefault(Origin.of(call), []).append(call)
    order = {call: number for number, call in enumerate(report.root.walk())}
    calls = {}
    for row in rows:
        told = [by_layer[layer] for layer in layers_named(row.name, by_layer)]
        if not told:
            told = [call for origin in row.origins for call in by_origin.get(origin, ())]
        calls[row.name] = tuple(sorted(set(told), key=order.__getitem__))
    return calls
