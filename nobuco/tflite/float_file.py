"""The float32 file of a Keras model, and what others are made from it with."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from nobuco.native_log import without_native_noise
from nobuco.tflite import flatbuffer as fb
from nobuco.tflite.compare import noise
from nobuco.tflite.conversion import Quantisation, converted
from nobuco.tflite.errors import TFLiteExportError
from nobuco.tflite.failures import Layers, branches_kept, narrowed, not_expressed, not_traced, refused
from nobuco.tflite.forms import Aim
from nobuco.tflite.inspection import TFLiteInfo, inspect_tflite
from nobuco.tflite.lowering import Impossible
from nobuco.tflite.names import rename
from nobuco.tflite.precision.quantise import Request
from nobuco.tflite.precision.recipe import Recipe
from nobuco.tflite.signature import TracedModel, is_fake_quantised, trace_model
from nobuco.validate.report import Report


@dataclass(frozen=True)
class FloatFile:
    """Attributes:
    model: as it was traced, in the forms of `aim`.
    layers: which PyTorch call each Keras layer comes from.
    info: what is in the file.
    """

    keras_model: keras.Model
    aim: Aim
    model: TracedModel
    layers: Layers
    info: TFLiteInfo

    @property
    def data(self) -> bytes:
        """The file. It is read anew: kept, it would be one more copy of all weights while the file is checked."""
        return self.info.path.read_bytes()

    def request(
        self, recipe: Recipe, samples: Sequence[Sequence[Any]] | None = None, **asked: Any
    ) -> Request:
        """For a file of fewer bits. `samples`: inputs that the model is known to take, when not those of its report;
        `asked`: the rest of `Request` that a user has a say in."""
        samples = samples_known(self.keras_model) if samples is None else samples
        return Request(
            recipe,
            examples=samples or [noise(self.model.specs)],
            traced=self.source is not None,
            layouts=None if self.source is None else self.source.report.input_layouts,  # type: ignore[attr-defined]
            for_gpu=self.aim.target == "gpu",
            marked=self.marked if is_fake_quantised(self.keras_model) else None,
            **asked,
        )

    @property
    def source(self) -> keras.Model | None:
        """The model, where it knows which PyTorch calls it was made from."""
        return from_pytorch(self.keras_model)

    def marked(self) -> bytes:
        """The float file with the scales that the model carries, as pairs of QUANTIZE and DEQUANTIZE."""
        with without_native_noise():
            model = trace_model(self.keras_model, self.aim, mark_scales=True)
        return bytes(_file_of(model, self.layers, False))

    def convert(self, recipe: Recipe, samples: Sequence[Any], integer_io: bool) -> bytes:
        """What TFLite's own converter makes by a recipe."""
        return bytes(_file_of(self.model, self.layers, False, Quantisation(recipe, samples, integer_io)))


def float_file(keras_model: keras.Model, path: Path, aim: Aim, allow_flex: bool = False) -> FloatFile:
    """Writes it to `path`. Raises TFLiteExportError."""
    source = from_pytorch(keras_model)
    layers: Layers = {} if source is None else source.report.origins  # type: ignore[attr-defined]
    with without_native_noise():
        model = _traced(keras_model, layers, aim)
    if model.narrowed:
        warnings.warn(narrowed(model, layers), stacklevel=3)
    if model.branches_kept:
        warnings.warn(branches_kept(model, layers), stacklevel=3)
    path.write_bytes(_file_of(model, layers, allow_flex))
    return FloatFile(keras_model, aim, model, layers, inspect_tflite(path, source))


def from_pytorch(keras_model: keras.Model) -> keras.Model | None:
    """The model, where it knows which PyTorch calls it was made from."""
    return keras_model if isinstance(getattr(keras_model, "report", None), Report) else None


def samples_known(keras_model: keras.Model) -> Sequence[Sequence[np.ndarray]]:
    """Inputs that the model has been checked with."""
    report = getattr(keras_model, "report", None)
    return report.samples if isinstance(report, Report) else []


def _traced(keras_model: keras.Model, layers: Layers, aim: Aim) -> TracedModel:
    try:
        return trace_model(keras_model, aim)
    except TFLiteExportError:
        raise
    except Impossible as error:
        raise not_expressed(error, layers) from error
    except Exception as error:  # whatever the model's layers raise on symbolic tensors
        raise not_traced(error) from error


def _file_of(
    model: TracedModel, layers: Layers, allow_flex: bool, quantisation: Quantisation | None = None
) -> bytearray:
    try:
        with without_native_noise(drop_on_error=True):
            data = bytearray(converted(model, allow_flex, quantisation))
    except Exception as error:  # ConverterError has no public name; other types come from the same call
        raise refused(error, model, layers, allow_flex) from error
    _restore_order_and_names(data, model)
    return data


def _restore_order_and_names(data: bytearray, model: TracedModel) -> None:
    """Put inputs and outputs back, in place, into the model's order and under its names: the converter keeps neither."""
    flat = fb.root(data)
    inputs, outputs = fb.signature_indices(flat)
    names = model.input_names
    if set(inputs) != set(names) or set(outputs) != set(model.output_names):
        raise TFLiteExportError(
            f"the converter gave the signature {list(inputs)} -> {list(outputs)}, "
            f"expected {list(names)} -> {list(model.output_names)}"
        )
    graph = fb.subgraphs(flat)[0]
    graph.InputsAsNumpy()[:] = [inputs[name] for name in names]
    graph.OutputsAsNumpy()[:] = [outputs[name] for name in model.output_names]
    rename(
        data,
        dict(zip(names, model.keras_input_names, strict=True)),
        {name: name for name in model.output_names},
    )
