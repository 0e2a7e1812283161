"""The files that are compared: a quantised one, and the float one that it is held against."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nobuco.garbage import only_new_garbage
from nobuco.per_layer.places import scales_of, steps_in
from nobuco.tflite.errors import TFLiteExportError, TFLiteFileError
from nobuco.tflite.export import ExportedTFLite
from nobuco.tflite.flatbuffer import read_model, root, subgraphs, type_name
from nobuco.tflite.float_file import FloatFile, float_file
from nobuco.tflite.forms import Aim
from nobuco.tflite.inspection import TFLiteInfo, inspect_tflite
from nobuco.tflite.precision.equalised_like import equalised_like
from nobuco.tflite.precision.quantise import quantised
from nobuco.tflite.precision.recipe import RECIPES, Recipe, recipe_of
from nobuco.tflite.precision.running import Sample, activation_scales, tensor_names
from nobuco.tflite.precision.samples import check_numbers, samples_of

MARKS = ("QUANTIZE", "DEQUANTIZE")
File = ExportedTFLite | Recipe | Sequence[Mapping[str, Any]] | str | os.PathLike[str]


@dataclass(frozen=True)
class Opened:
    """A file and what is in it."""

    data: bytes
    info: TFLiteInfo


@dataclass(frozen=True)
class Files:
    """Attributes:
    plain: the float file that is exported.
    reference: the float file that computes, tensor by tensor, what the quantised one rounds: with the channels of its
        layers divided as there, or with the scales that the model carries. Its outputs are those of `plain`.
    own_steps: of the scales that the model carries, where the quantised file has them: what is rounded to these is no loss.
    made: the quantised file.
    recipe: that it was made by, None where that is not known.
    samples: in the order of the files.
    """

    plain: Opened
    reference: Opened
    own_steps: frozenset[float]
    made: Opened
    recipe: Recipe | None
    samples: list[list[Any]]

    @property
    def carried(self) -> bool:
        """Whether the quantised file has the scales that the model carries."""
        return bool(self.own_steps)

    @property
    def integer_io(self) -> bool:
        """Whether the quantised file takes and returns integers."""
        return _takes_integers(self.made.info)


def files_of(keras_model: Any, file: File, samples: Any) -> Files:
    """Raises TFLiteExportError, CalibrationError, TFLiteFileError; ValueError for a file of another model."""
    recipe, auto = _asked(file)
    with tempfile.TemporaryDirectory() as folder, only_new_garbage():
        integers = recipe.of_integers if recipe is not None else _has_integers(file)
        plain = float_file(keras_model, Path(folder, "float.tflite"), Aim(integers=integers))
        given = samples_of(samples, plain.info.inputs, keras_model.report.input_layouts)
        if not given:
            raise TFLiteExportError("samples holds no sample: give some")
        check_numbers(given, plain.info.inputs, "sample")
        if recipe is not None:
            path = Path(folder, "quantised.tflite")
            recipe = _make(plain, recipe, auto, given, path)
        else:
            path = Path(file)  # type: ignore[arg-type]
            recipe = file.precision.recipe if isinstance(file, ExportedTFLite) and file.precision else None
        made = Opened(read_model(path), inspect_tflite(path, keras_model))
        same = list(map(str, made.info.inputs)) == list(map(str, plain.info.inputs))
        if not same and not _takes_integers(made.info):
            raise ValueError(
                f"{path}: it does not take what keras_model takes: it was made from another model"
            )
        reference, carried = _reference(plain, made, recipe, Path(folder, "reference.tflite"))
        found = Files(
            Opened(plain.data, plain.info),
            reference,
            steps_in(reference.data) if carried else frozenset(),
            made,
            recipe or _recipe_seen(made.data),
            given,
        )
        # TensorFlow's functions are rings of references, and these hold every weight about ten times over
        del plain
        gc.collect()
    return found


def _has_integers(file: File) -> bool:
    """Whether there are tensors of few bits in a file that there is."""
    model = root(read_model(Path(file)))  # type: ignore[arg-type]
    tensors = (graph.Tensors(i) for graph in subgraphs(model) for i in range(graph.TensorsLength()))
    return any(type_name(tensor) in ("int4", "int8", "int16") for tensor in tensors)


def _takes_integers(info: TFLiteInfo) -> bool:
    return any(tensor.dtype in ("int8", "int16") for tensor in info.inputs)


def _asked(file: File) -> tuple[Recipe | None, bool]:
    """The recipe of a file that is to be made, and whether it is "auto"; None where there is a file."""
    if isinstance(file, Recipe):
        return file, False
    if isinstance(file, str) and (file in RECIPES or file == "auto"):
        return recipe_of(file), file == "auto"
    known = f"a precision ({', '.join(RECIPES)}, auto), a nobuco.Recipe, or a .tflite file"
    if isinstance(file, str) and not Path(file).exists():
        if file == "fp32":
            raise TFLiteExportError(
                f"'fp32' is the float file itself, which others are compared with: give {known}"
            )
        if not file.endswith(".tflite"):
            raise TFLiteFileError(f"{file!r} is no precision, and there is no such file: give {known}")
    if isinstance(file, ExportedTFLite | str | os.PathLike):
        return None, False
    if isinstance(file, Sequence):
        return recipe_of(file), False
    raise TFLiteExportError(f"file is a {type(file).__name__}: give {known}, or what export_tflite returned")


def _make(plain: FloatFile, recipe: Recipe, auto: bool, samples: Sequence[Sample], path: Path) -> Recipe:
    """Writes the file as `export_tflite` would, and returns the recipe with what "auto" keeps."""
    request = plain.request(
        recipe, calibration=samples if recipe.static or auto else None, auto=auto, judged=False
    )
    data, precision = quantised(plain.data, plain.info, request, plain.convert, plain.source)
    path.write_bytes(data)
    return precision.recipe


def _reference(plain: FloatFile, made: Opened, recipe: Recipe | None, path: Path) -> tuple[Opened, bool]:
    """The float file to hold another against, and whether it has the model's own scales."""
    request = plain.request(recipe or _recipe_seen(made.data) or Recipe("int8", "float"))
    if request.marked is not None and request.carried:
        data = request.marked()
        # a path does not tell who made it: another engine takes no scales from the model
        if recipe is not None or _shared(data, made.data) > _shared(plain.data, made.data):
            return _opened(data, path, plain.source), True
    data, pairs = equalised_like(plain.data, made.data)
    if pairs:
        return _opened(data, path, plain.source), False
    return Opened(plain.data, plain.info), False


def _opened(data: bytes, path: Path, keras_model: Any) -> Opened:
    path.write_bytes(data)
    return Opened(data, inspect_tflite(path, keras_model))


def _shared(float_data: bytes, data: bytes) -> int:
    """How many tensors of a float file have a scale in the other one."""
    return len(scales_of(data).keys() & tensor_names(float_data).keys())


def _recipe_seen(data: bytes) -> Recipe | None:
    """What a file with integer activations was made by, as far as it shows."""
    kinds = {kind.name for _, _, kind in activation_scales(data).values()}
    if not kinds & {"int8", "int16"}:
        return None
    return Recipe("int8", "int16" if "int16" in kinds else "int8")
