"""From a Keras model to a `.tflite` file that was run and compared before it got its name."""

import gc
import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Any

import keras
import numpy as np

from nobuco.garbage import only_new_garbage
from nobuco.keras_model.answers import Answers
from nobuco.native_log import without_native_noise
from nobuco.tflite.compare import largest_error
from nobuco.tflite.errors import TFLiteExportError, TFLiteMismatchError
from nobuco.tflite.failures import Layers
from nobuco.tflite.float_file import float_file, samples_known
from nobuco.tflite.forms import Aim, Optimize, Target
from nobuco.tflite.inspection import TFLiteInfo, inspect_tflite
from nobuco.tflite.precision.quantise import quantised
from nobuco.tflite.precision.recipe import Recipe, recipe_of
from nobuco.tflite.precision.result import Precision
from nobuco.tflite.signature import TracedModel, is_fake_quantised
from nobuco.tflite.writing import file_to_become
from nobuco.validate.report import Report

# Of 8 bits. Where a model rounds to whole steps, the last bit of a float number decides between two of them.
_SOME_STEPS = 5 / 127


@dataclass(frozen=True)
class ExportedTFLite:
    """The written file (usable as a path), what is in it, and how far it is from the Keras model.

    `max_relative_error` is max|tflite - keras| / max|keras| of the worst output; None when it was not
    validated. `precision` tells how a file of other than float32 computes, and how far that takes it from the float one.
    """

    path: Path
    info: TFLiteInfo
    max_relative_error: float | None
    precision: Precision | None = None

    def __fspath__(self) -> str:
        return str(self.path)


def export_tflite(
    keras_model: keras.Model,
    path: str | os.PathLike[str],
    *,
    validate: bool = True,
    sample_inputs: Sequence[np.ndarray] | None = None,
    tolerance: float | None = None,
    allow_flex: bool = False,
    target: Target | str | os.PathLike[str] | None = None,
    optimize: Optimize = "balanced",
    precision: str | Recipe | Sequence[Any] = "fp32",
    calibration: Iterable[Any] | str | os.PathLike[str] | None = None,
    integer_io: bool = False,
    min_agreement: float = 0.99,
    prepare: str | Sequence[str] | None = None,
) -> ExportedTFLite:
    """Write a Keras model as a `.tflite` file, with TFLite's own ops.

    Inputs and outputs have the order of the PyTorch model, both for an interpreter that goes by index and for one that
    goes by the signature `serving_default`: inputs by their Keras names, outputs by the `output_names` that were given
    to `pytorch_to_keras`, else by their places in what the model returns: `scores`, `boxes.0`, `output_1`. Their
    tensors have the same names.

    validate: run the file in the LiteRT interpreter beside the Keras model before it gets its name.
    sample_inputs: arrays to run it on, in the model's order. When not given, the inputs that nobuco has checked the
    model with (the traced ones, fresh ones, other sizes); seeded noise for a model of other making.
    tolerance: largest relative error accepted, see `ExportedTFLite`: 1e-3 of a float32 file; ten times PyTorch's rounding
    where that is more. Of other files none, unless it is given: how far they are is told in `ExportedTFLite.precision`.
    allow_flex: let ops that TFLite lacks stay TensorFlow ops, which only runtimes with the Flex delegate
    can run.
    target: where the file is to run. "arm" or "x86" for forms that are cheaper on such processors and dearer on the
    other; "gpu" for a file that GPU delegates take as far as can be, also where that costs the CPU a little: the same
    values, from ops of at most four dims. What they take of a file, `check_delegates` says. None for forms cheaper on
    all processors; "cpu" for these as well, and for products that read an operand the other way, which GPU delegates
    misread. "cortex-a76" (instructions on an emulated one) or the path of a cost file that `bench tune` wrote:
    the forms that were measured to be cheaper on that very processor, layer by layer, and those of its kind for others.
    optimize: "speed" takes forms that are faster and larger: 3x3 convolutions of many channels grow by seven ninths (not for
    GPUs). "size" leaves recurrent layers loops.
    precision: "fp32"; "fp16" (weights of half the size, computed in float32); "int8" (weights and activations, with scales
    from calibration); "int16x8" (the same with activations of 16 bits); "int8-dynamic" (weights; activations as the file
    runs); "int8-weights", "int4-weights" (computed in float32); "auto" (int8, with as few layers in float32 as
    `min_agreement` takes); a `nobuco.Recipe`, or rows of litert-quantizer's own. All but "fp32" need
    `pip install 'nobuco[quantize]'`.
    calibration: some 100 inputs like those that the model will see, of which at most 512 are read: samples, a loader of
    batches, or a folder of images (scaled as torchvision's weights take them). A sample is an array, a tuple whose first
    items are the inputs (labels may follow), or a dict by input name; torch tensors have PyTorch's order of dims, numpy
    arrays the file's.
    integer_io: the inputs and outputs of a file with integer activations are integers; otherwise they are float32.
    min_agreement: for "auto", the share of calibration samples that are to come out as of the float32 file.
    prepare: what is done for the accuracy of int8 files besides: "equalise" brings the channels between two layers to like
    ranges, "bias" takes from the biases what channels are off by on the average; or both in a tuple. "auto" does of the two
    what makes the SNR better on a quarter of the calibration samples that it is not found from. What came of it is told in
    `ExportedTFLite.precision.prepared`.

    Raises TFLiteExportError when the model cannot be converted or run, in one sentence that names the PyTorch call (what
    TensorFlow itself said is logged under the name "nobuco", at the level DEBUG), CalibrationError for calibration that
    no scales can be found from, TFLiteMismatchError when the file computes something else, or its outputs nothing at all,
    TFLiteFileError when it cannot be written, ValueError for words and numbers that there are none of. An existing file
    is replaced only by a complete, valid one. The same model and calibration give the same file.
    """
    path = Path(path)
    recipe = recipe_of(precision)
    aim = replace(Aim.of(target, optimize), integers=recipe is not None and recipe.of_integers)
    _check_numbers(tolerance, min_agreement)
    if prepare is not None and recipe is None:
        raise TFLiteExportError("prepare is for int8 files: give precision='int8', or leave it out")
    with file_to_become(path) as temporary, only_new_garbage():
        plain = float_file(keras_model, temporary, aim, allow_flex)
        info = plain.info
        samples = samples_known(keras_model) if sample_inputs is None else [sample_inputs]
        allowed = _allowed(keras_model, 1e-3 if tolerance is None or recipe is not None else tolerance)
        error = (
            _validated(plain.model, plain.layers, info, samples, _answers(keras_model), allowed)
            if validate
            else None
        )
        found = None
        if recipe is not None:
            # not kept under a name: it holds the traced model
            made, found = quantised(
                plain.data,
                info,
                plain.request(
                    recipe,
                    samples,
                    calibration=calibration,
                    integer_io=integer_io,
                    auto=precision == "auto",
                    min_agreement=min_agreement,
                    prepare=prepare,
                ),
                plain.convert,
                plain.source,
            )
            error = _checked_error(found, tolerance) if validate else None
            temporary.write_bytes(made)
            info = inspect_tflite(temporary, plain.source)
        # TensorFlow's functions are rings of references, and these hold every weight about ten times over
        del plain
        gc.collect()
    return ExportedTFLite(path, replace(info, path=path), error, found)


def _check_numbers(tolerance: float | None, min_agreement: float) -> None:
    if tolerance is not None and not (isinstance(tolerance, Real) and tolerance >= 0):
        raise ValueError(
            f"tolerance is {tolerance!r}: give the largest relative error, such as 1e-3, or None"
        )
    if not (isinstance(min_agreement, Real) and 0 <= min_agreement <= 1):
        raise ValueError(f"min_agreement is {min_agreement!r}: give a share of samples, from 0 to 1")


def _checked_error(found: Precision, tolerance: float | None) -> float:
    """The largest relative error of a quantised file."""
    worst = max(found.outputs, key=lambda each: each.relative)
    if tolerance is not None and not worst.relative <= tolerance:
        raise TFLiteMismatchError(
            f"output {worst.name!r} of the {found.recipe.name} file differs from the float file's by {worst.relative:.2e} "
            f"(max|difference| / max|reference|), more than the tolerance of {tolerance:.0e}; no file was written"
        )
    return worst.relative


def _allowed(keras_model: keras.Model, tolerance: float) -> float:
    """More than asked for where float32 itself is no nearer: where PyTorch's own rounding has been found large."""
    report = getattr(keras_model, "report", None)
    rounding = [check.rounding or 0.0 for check in report.checks] if isinstance(report, Report) else []
    steps = [_SOME_STEPS] if is_fake_quantised(keras_model) else []
    return max([tolerance, *(10 * each for each in rounding), *steps])


def _answers(keras_model: keras.Model) -> Answers:
    report = getattr(keras_model, "report", None)
    return report.answers if isinstance(report, Report) else Answers()


def _validated(
    model: TracedModel,
    layers: Layers,
    info: TFLiteInfo,
    samples: Sequence[Sequence[np.ndarray]],
    answers: Answers,
    tolerance: float,
) -> float | None:
    if info.flex_ops:
        warnings.warn(
            f"the file was not compared with the Keras model: it needs the Flex delegate for "
            f"{', '.join(info.flex_ops)}, which the LiteRT interpreter lacks",
            stacklevel=3,
        )
        return None
    with without_native_noise():
        error, output = largest_error(model, layers, info, samples, answers)
    if not error <= tolerance:  # also when it is not a number
        raise TFLiteMismatchError(
            f"output {output!r} of the .tflite model differs from the Keras model's by {error:.2e} "
            f"(max|difference| / max|reference|), more than the tolerance of {tolerance:.0e}; "
            "no file was written"
        )
    return error
