"""From a Keras model to a `.tflite` file that was run and compared before it got its name."""

import gc
import os
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from nobuco.native_log import without_native_noise
from nobuco.tflite import flatbuffer as fb
from nobuco.tflite.compare import largest_error
from nobuco.tflite.conversion import converted
from nobuco.tflite.errors import TFLiteExportError, TFLiteFileError, TFLiteMismatchError
from nobuco.tflite.failures import Layers, narrowed, not_expressed, not_traced, refused
from nobuco.tflite.forms import Aim, Optimize, Target
from nobuco.tflite.inspection import TFLiteInfo, inspect_tflite
from nobuco.tflite.lowering import Impossible
from nobuco.tflite.names import rename
from nobuco.tflite.signature import TracedModel, trace_model
from nobuco.validate.report import Report


@dataclass(frozen=True)
class ExportedTFLite:
    """The written file (usable as a path), what is in it, and how far it is from the Keras model.

    `max_relative_error` is max|tflite - keras| / max|keras| of the worst output; None when it was not
    validated.
    """

    path: Path
    info: TFLiteInfo
    max_relative_error: float | None

    def __fspath__(self) -> str:
        return str(self.path)


def export_tflite(
    keras_model: keras.Model,
    path: str | os.PathLike[str],
    *,
    validate: bool = True,
    sample_inputs: Sequence[np.ndarray] | None = None,
    tolerance: float = 1e-3,
    allow_flex: bool = False,
    target: Target | None = None,
    optimize: Optimize = "balanced",
) -> ExportedTFLite:
    """Write a Keras model as a `.tflite` file, in float32 and with TFLite's own ops.

    Inputs and outputs have the order of the PyTorch model, both for an interpreter that goes by index and for one that
    goes by the signature `serving_default`: inputs by their Keras names, outputs by the `output_names` that were given
    to `pytorch_to_keras`, else by their places in what the model returns: `scores`, `boxes.0`, `output_1`. Their
    tensors have the same names.

    validate: run the file in the LiteRT interpreter beside the Keras model before it gets its name.
    sample_inputs: arrays to run it on, in the model's order. When not given, the inputs that nobuco has checked the
    model with (the traced ones, fresh ones, other sizes); seeded noise for a model of other making.
    tolerance: largest relative error accepted, see `ExportedTFLite`; ten times PyTorch's rounding where that is more.
    allow_flex: let ops that TFLite lacks stay TensorFlow ops, which only runtimes with the Flex delegate
    can run.
    target: where the file is to run. "arm" or "x86" for forms that are cheaper on such processors and dearer on the
    other; "gpu" for a file that GPU delegates take as far as can be, also where that costs the CPU a little: the same
    values, from ops of at most four dims. What they take of a file, `check_delegates` says. "cpu", and None, for forms that
    are cheaper on all processors.
    optimize: "speed" takes forms that are faster and larger: 3x3 convolutions of many channels grow by seven ninths (not for
    GPUs). "size" leaves recurrent layers loops.

    Raises TFLiteExportError when the model cannot be converted or run, in one sentence that names the PyTorch call (what
    TensorFlow itself said is logged under the name "nobuco", at the level DEBUG), TFLiteMismatchError when the file computes
    something else, TFLiteFileError when it cannot be written. An existing file is replaced only by a
    complete, valid one.
    """
    aim = Aim(target, optimize)
    path = Path(path)
    with _file_to_become(path) as temporary:
        layers = _layers(keras_model)
        with without_native_noise():
            model = _traced(keras_model, layers, aim)
        if model.narrowed:
            warnings.warn(narrowed(model, layers), stacklevel=2)
        data = bytearray(_convert(model, layers, allow_flex))
        _restore_order_and_names(data, model)
        temporary.write_bytes(data)
        del data
        info = inspect_tflite(temporary, _converted(keras_model))
        samples = _samples(keras_model) if sample_inputs is None else [sample_inputs]
        allowed = _allowed(keras_model, tolerance)
        error = _validated(model, layers, info, samples, allowed) if validate else None
        # TensorFlow's functions are rings of references, and these hold every weight about ten times over
        del model
        gc.collect()
    return ExportedTFLite(path, replace(info, path=path), error)


def _traced(keras_model: keras.Model, layers: Layers, aim: Aim) -> TracedModel:
    try:
        return trace_model(keras_model, aim)
    except TFLiteExportError:
        raise
    except Impossible as error:
        raise not_expressed(error, layers) from error
    except Exception as error:  # whatever the model's layers raise on symbolic tensors
        raise not_traced(error) from error


def _converted(keras_model: keras.Model) -> keras.Model | None:
    """The model, where it knows which PyTorch calls it was made from."""
    return keras_model if isinstance(getattr(keras_model, "report", None), Report) else None


def _layers(keras_model: keras.Model) -> Layers:
    model = _converted(keras_model)
    return {} if model is None else model.report.origins  # type: ignore[attr-defined]


def _allowed(keras_model: keras.Model, tolerance: float) -> float:
    """More than asked for where float32 itself is no nearer: where PyTorch's own rounding has been found large."""
    report = getattr(keras_model, "report", None)
    rounding = [check.rounding or 0.0 for check in report.checks] if isinstance(report, Report) else []
    return max([tolerance, *(10 * each for each in rounding)])


def _samples(keras_model: keras.Model) -> Sequence[Sequence[np.ndarray]]:
    report = getattr(keras_model, "report", None)
    return report.samples if isinstance(report, Report) else []


def _convert(model: TracedModel, layers: Layers, allow_flex: bool) -> bytes:
    try:
        with without_native_noise(drop_on_error=True):
            return converted(model, allow_flex)
    except Exception as error:  # ConverterError has no public name; other types come from the same call
        raise refused(error, model, layers, allow_flex) from error


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


def _validated(
    model: TracedModel,
    layers: Layers,
    info: TFLiteInfo,
    samples: Sequence[Sequence[np.ndarray]],
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
        error, output = largest_error(model, layers, info, samples)
    if not error <= tolerance:  # also when it is not a number
        raise TFLiteMismatchError(
            f"output {output!r} of the .tflite model differs from the Keras model's by {error:.2e} "
            f"(max|difference| / max|reference|), more than the tolerance of {tolerance:.0e}; "
            "no file was written"
        )
    return error


class _file_to_become:
    """A temporary file beside `path`, renamed to it when the block succeeds and removed when it does not."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path

    def __enter__(self) -> Path:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._path.is_dir():
                raise IsADirectoryError(None, "is a directory")
            handle, name = tempfile.mkstemp(
                dir=self._path.parent, prefix=f".{self._path.name}.", suffix=".part"
            )
        except OSError as error:
            raise TFLiteFileError(f"{self._path}: cannot be written: {error.strerror}") from error
        os.close(handle)
        self._temporary = Path(name)
        return self._temporary

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            if kind is None:
                # mkstemp makes files for the owner only; give it the permissions that open() would have
                mask = os.umask(0)
                os.umask(mask)
                self._temporary.chmod(0o666 & ~mask)
                self._temporary.replace(self._path)
            elif isinstance(error, OSError):
                raise TFLiteFileError(f"{self._path}: cannot be written: {error.strerror}") from error
        finally:
            self._temporary.unlink(missing_ok=True)
