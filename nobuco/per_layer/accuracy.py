"""`accuracy`: which layer a quantised file loses its accuracy in."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nobuco.per_layer.calls import calls_of
from nobuco.per_layer.measure import TensorError, tensor_errors
from nobuco.per_layer.shown import Shown
from nobuco.show.links import short
from nobuco.tflite.errors import TFLiteExportError
from nobuco.tflite.export import ExportedTFLite, export_tflite
from nobuco.tflite.flatbuffer import read_model
from nobuco.tflite.inspection import TFLiteInfo, TFLiteOp, inspect_tflite
from nobuco.tflite.precision.engine import Engine
from nobuco.tflite.precision.judge import OutputError, agreement, output_errors
from nobuco.tflite.precision.layers import alone, quantised_rows
from nobuco.tflite.precision.ranges import Range, check_ranges, ranges_on
from nobuco.tflite.precision.recipe import LITERT, RECIPES, Recipe
from nobuco.tflite.precision.running import Sample, activation_scales, outputs_on, tensor_names
from nobuco.tflite.precision.samples import samples_of
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


def accuracy(
    keras_model: Any, file: ExportedTFLite | Recipe | str | os.PathLike[str], samples: Any
) -> Accuracy:
    """The error of a quantised file by layer: each PyTorch call beside its tensor in the file. Printed, it is a table, the
    worst layer first, and the call tree.

    Args:
        keras_model: from `pytorch_to_keras`, the model that the file was exported from.
        file: what `export_tflite` returned, or a path; of a path the error of each layer alone is known only where
            activations are integers. Or a recipe, or the name of a precision, for the file that it would make with
            `samples` for calibration, be it one that `export_tflite` would not write.
        samples: inputs to measure on, in any form that `export_tflite` takes for calibration.

    Raises TFLiteExportError, CalibrationError (samples that the model does not take), TFLiteFileError; ValueError for a
    file of another model.
    """
    report = getattr(keras_model, "report", None)
    if not isinstance(report, Report):
        raise ValueError("keras_model has no report: give the very model that pytorch_to_keras returned")
    with tempfile.TemporaryDirectory() as folder:
        plain = export_tflite(keras_model, Path(folder, "float.tflite"), validate=False)
        float_data, float_info = plain.path.read_bytes(), plain.info
        given = samples_of(samples, float_info.inputs, report.input_layouts)
        if not given:
            raise TFLiteExportError("samples holds no sample: give some")
        recipe = file if isinstance(file, Recipe) else RECIPES.get(str(file))
        if recipe is not None:
            path = Path(folder, "quantised.tflite")
            path.write_bytes(_quantised(recipe, float_data, float_info, given))
        else:
            path = Path(file)  # type: ignore[arg-type]
            recipe = file.precision.recipe if isinstance(file, ExportedTFLite) and file.precision else None
        data, info = read_model(path), inspect_tflite(path, keras_model)
    if list(map(str, info.inputs)) != list(map(str, float_info.inputs)) and not _integer_io(info):
        raise ValueError(
            f"{info.path}: it does not take what keras_model takes: it was made from another model"
        )
    rows = [row for row in float_info.rows if row.subgraph == 0 and "float32" in row.output_types[:1]]
    errors = tensor_errors(float_data, data, rows, given)
    if rows and not errors:
        raise ValueError(
            f"{info.path}: none of its tensors is one of keras_model: it was made from another model"
        )
    wanted, got = outputs_on(float_data, given), outputs_on(data, given)
    by_itself = _alone(recipe or _recipe(data), data, info, float_data, float_info, given, wanted)
    calls = calls_of(report, rows)
    layers = [
        LayerAccuracy(row, calls[row.name], errors.get(row.name), by_itself.get(row.name)) for row in rows
    ]
    return Accuracy(
        tuple(_worst_first(layers, list(by_itself))),
        tuple(output_errors([tensor.name for tensor in float_info.outputs], got, wanted)),
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


def _alone(
    recipe: Recipe | None,
    data: bytes,
    info: TFLiteInfo,
    float_data: bytes,
    float_info: TFLiteInfo,
    samples: Sequence[Sample],
    wanted: Sequence[Sequence[Any]],
) -> dict[str, float]:
    """By tensor, the worst first: the SNR of the outputs with one layer quantised, by the scales that stand in the file."""
    if recipe is None or recipe.engine != LITERT:
        return {}
    ranges = _ranges(data, info, float_data) if recipe.static else {}
    if recipe.static:
        stayed = [row.name for row in float_info.rows if row.outputs[0] not in ranges]
        recipe = replace(recipe, keep=(*recipe.keep, *stayed))
    engine = Engine(float_data, float_info, ranges)
    return {row.name: snr for row, snr in alone(engine, recipe, float_info, samples, wanted)}


def _quantised(recipe: Recipe, data: bytes, info: TFLiteInfo, samples: Sequence[Sample]) -> bytes:
    ranges = ranges_on(data, samples) if recipe.static else {}
    engine = Engine(data, info, ranges, samples)
    check_ranges(ranges, info, quantised_rows(engine, recipe, info))
    return engine.quantised(recipe)


def _integer_io(info: TFLiteInfo) -> bool:
    return any(tensor.dtype in ("int8", "int16") for tensor in info.inputs)


def _recipe(data: bytes) -> Recipe | None:
    kinds = {kind.name for _, _, kind in activation_scales(data).values()}
    if not kinds & {"int8", "int16"}:
        return None
    return Recipe("int8", "int16" if "int16" in kinds else "int8")


def _ranges(data: bytes, info: TFLiteInfo, float_data: bytes) -> dict[int, Range]:
    """What the scales of a file reach, by the tensors of the float file."""
    scales, places = activation_scales(data), tensor_names(data)
    for row in info.rows:  # a float tensor may have its scale behind it
        if row.op == "QUANTIZE" and row.subgraph == 0 and row.outputs[0] in scales:
            scales.setdefault(row.inputs[0], scales[row.outputs[0]])
    found = {}
    for name, index in tensor_names(float_data).items():
        if (scale := scales.get(places.get(name, -1))) is not None:
            step, zero, kind = scale
            limits = np.iinfo(kind)
            low = limits.min if kind == np.int8 else -limits.max
            found[index] = Range(name, 1, (low - zero) * step, (limits.max - zero) * step)
    return found
