"""`accuracy`: which layer a quantised file loses its accuracy in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nobuco.per_layer.calls import calls_of
from nobuco.per_layer.files import MARKS, File, Files, files_of
from nobuco.per_layer.measure import TensorError, tensor_errors
from nobuco.per_layer.places import computed_floats, ranges_in
from nobuco.per_layer.shown import Shown
from nobuco.show.links import short
from nobuco.tflite.inspection import TFLiteOp
from nobuco.tflite.precision.carried import CarriedEngine, unmarked
from nobuco.tflite.precision.engine import Engine
from nobuco.tflite.precision.judge import OutputError, agreement, output_errors
from nobuco.tflite.precision.layers import alone
from nobuco.tflite.precision.ranges import Range
from nobuco.tflite.precision.recipe import LITERT
from nobuco.tflite.precision.running import outputs_on
from nobuco.trace.calls import Call
from nobuco.validate.report import Report

_HARMFUL = 20.0  # dB of the whole model's outputs when one layer alone is quantised


@dataclass(frozen=True)
class LayerAccuracy:
    """One op of the float file and its tensor in the quantised one.

    Attributes:
        calls: the PyTorch calls it was made from, in their order.
        tensor: the error of what it computes, with all that was lost before it.
        alone: SNR (dB) of the model's worst output when this op alone is quantised; None where that is not known.
    """

    row: TFLiteOp
    calls: tuple[Call, ...]
    tensor: TensorError | None
    alone: float | None

    @property
    def name(self) -> str:
        """The PyTorch calls, with the module that holds them and the line of the first."""
        if not self.calls:
            return str(self.row.origins[0]) if self.row.origins else self.row.name
        place = f"{self.row.module_path}: " if self.row.module_path else ""
        site = self.calls[0].user_line
        return f"{place}{', '.join(call.name for call in self.calls)}{f' at {short(site)}' if site else ''}"


@dataclass(frozen=True)
class Accuracy(Shown):
    """The error of a quantised file by layer.

    Attributes:
        layers: the worst first: by what each costs alone, else by how much it loses of what reaches it.
        outputs: the error of the model's outputs.
        agreement: share of samples that come out alike, see `Precision.agreement`.
        samples: how many there were.
        report: of the conversion.
    """

    layers: tuple[LayerAccuracy, ...]
    outputs: tuple[OutputError, ...]
    agreement: float
    samples: int
    report: Report

    @property
    def keep(self) -> tuple[str, ...]:
        """For `Recipe(keep=...)`: the layers that by themselves leave less than 20 dB of the model's outputs."""
        return tuple(
            layer.row.name for layer in self.layers if layer.alone is not None and layer.alone < _HARMFUL
        )


def accuracy(keras_model: Any, file: File, samples: Any) -> Accuracy:
    """The error of a quantised file by layer: each PyTorch call beside its tensor in the file. Printed, it is a table, the
    worst layer first, and the call tree.

    Args:
        keras_model: from `pytorch_to_keras`, the model that the file was exported from.
        file: what `export_tflite` returned, or a path; of a path the error of each layer alone is known only where
            activations are integers. Or a recipe, or the name of a precision ("auto" as well), for the file that
            `export_tflite` would make with `samples` for calibration, be it one that it would not write.
        samples: inputs to measure on, in any form that `export_tflite` takes for calibration.

    Tensors are compared with what the float file computes there: with the channels of its layers divided as in the file,
    where that is equalised; of a model with fake quantisation with what the model itself rounds it to.

    Raises TFLiteExportError, CalibrationError (samples that the model does not take, or that are no numbers),
    TFLiteFileError; ValueError for a file of another model.
    """
    report = getattr(keras_model, "report", None)
    if not isinstance(report, Report):
        raise ValueError("keras_model has no report: give the very model that pytorch_to_keras returned")
    files = files_of(keras_model, file, samples)
    data, reference, given = files.made.data, files.reference, files.samples
    rows = [
        row
        for row in reference.info.rows
        if row.subgraph == 0 and "float32" in row.output_types[:1] and row.op not in MARKS
    ]
    errors = tensor_errors(reference.data, data, rows, given, files.own_steps)
    if rows and not errors:
        raise ValueError(
            f"{files.made.info.path}: none of its tensors is one of keras_model: it was made from another model"
        )
    wanted, got = outputs_on(files.plain.data, given), outputs_on(data, given)
    by_itself = _alone(files, wanted)
    calls = calls_of(report, rows)
    layers = [
        LayerAccuracy(row, calls[row.name], errors.get(row.name), by_itself.get(row.name)) for row in rows
    ]
    return Accuracy(
        tuple(_worst_first(layers, list(by_itself))),
        tuple(output_errors([tensor.name for tensor in files.plain.info.outputs], got, wanted)),
        agreement(got, wanted),
        len(given),
        report,
    )


def _worst_first(layers: Sequence[LayerAccuracy], order: Sequence[str]) -> list[LayerAccuracy]:
    """In `order` of the names of their tensors; the others by what each loses of the signal that reaches it."""
    snr = {index: layer.tensor.snr for layer in layers if layer.tensor for index in layer.row.outputs[:1]}

    def lost(layer: LayerAccuracy) -> float:
        if layer.tensor is None:
            return 0.0
        before = min([snr[index] for index in layer.row.inputs if index in snr], default=60.0)
        return max(min(before, 60.0) - layer.tensor.snr, 0.0)

    place = {name: number for number, name in enumerate(order)}
    return sorted(layers, key=lambda layer: (place.get(layer.row.name, len(place)), -lost(layer)))


def _alone(files: Files, wanted: Sequence[Sequence[Any]]) -> dict[str, float]:
    """By tensor, the worst first: the SNR of the outputs with one layer quantised, by the scales that stand in the file."""
    recipe, reference = files.recipe, files.reference
    if recipe is None or recipe.engine != LITERT:
        return {}
    ranges = ranges_in(files.made.data, reference.data) if recipe.static else {}
    if recipe.static:
        recipe = replace(recipe, keep=(*recipe.keep, *_stayed(files, ranges)))
    if files.carried:
        free = unmarked(reference.data)
        ranges = {index: each for index, each in ranges.items() if index in free}
        engine: CarriedEngine | Engine = CarriedEngine(reference.data, reference.info, ranges)
    else:
        engine = Engine(reference.data, reference.info, ranges, integer_io=files.integer_io)
    return {row.name: snr for row, snr in alone(engine, recipe, reference.info, files.samples, wanted)}


def _stayed(files: Files, ranges: Mapping[int, Range]) -> list[str]:
    """The ops without a scale in the file for what they compute, or read: they have no integer form of their own."""
    computed = computed_floats(files.reference.data)

    def lacks(row: TFLiteOp) -> bool:
        needed = row.outputs if files.carried else (*row.inputs, *row.outputs)
        return any(index in computed and index not in ranges for index in needed)

    return [
        row.name
        for row in files.reference.info.rows
        if row.subgraph == 0 and (lacks(row) or row.outputs[0] not in ranges)
    ]
