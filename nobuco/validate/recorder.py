"""Fills the report while the Keras model is built."""

from __future__ import annotations

from collections.abc import Sequence

from nobuco.errors import NobucoError
from nobuco.graph.graph import Node
from nobuco.keras_model.model import Transposition
from nobuco.keras_model.nodes import ConvertedNode
from nobuco.keras_model.origins import Origin
from nobuco.validate.calls import validate_call
from nobuco.validate.report import Report, Status


class Recorder:
    """`check_calls`: compare every converted call with PyTorch before it is used."""

    def __init__(self, report: Report, check_calls: bool) -> None:
        self._report = report
        self._check_calls = check_calls

    def converted(self, converted: ConvertedNode) -> None:
        if self._check_calls:
            found = validate_call(converted, self._report.tolerance)
            self._report.calls[converted.call] = found
            if found.status is Status.FAILED:
                raise converted.failure(found.message)

    def failed(self, node: Node, error: NobucoError) -> None:
        found = self._report.calls[node.call]
        found.status = Status.FAILED
        found.message = found.message or str(error)

    def placed(self, converted: ConvertedNode, transpositions: Sequence[Transposition]) -> None:
        found = self._report.calls[converted.call]
        found.converter = converted.converter
        found.notes = converted.notes
        found.reused, found.mode = converted.reused, converted.mode
        found.transposed_inputs = sum(each.moves for each in transpositions)
        found.layers = tuple(layer.name for layer in converted.layers)
        for name in found.layers:
            self._report.origins.setdefault(name, Origin.of(converted.call))
        for each in transpositions:
            self._report.origins[each.layer] = Origin.of(converted.call, transpose=True)
