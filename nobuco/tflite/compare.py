"""A `.tflite` file run beside the model it was made from."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from nobuco.keras_model.answers import Answers, fingerprint
from nobuco.tflite.errors import TFLiteExportError
from nobuco.tflite.failures import Layers, not_delegated, not_run, not_run_by_keras
from nobuco.tflite.inspection import TFLiteInfo, TFLiteOp
from nobuco.tflite.signature import TracedModel
from nobuco.validate.compare import relative_error

_DYNAMIC_BATCH = 1
_DYNAMIC_SIZE = 64  # large enough to survive five halvings


def largest_error(
    model: TracedModel,
    layers: Layers,
    info: TFLiteInfo,
    samples: Sequence[Sequence[np.ndarray]],
    answers: Answers,
) -> tuple[float, str]:
    """Run both on each of `samples` (seeded noise for none); the largest relative error and the output that has it. What the
    model has answered before (`answers`) it is not asked again."""
    function = fingerprint(model.traced) if samples else None
    found = []
    for inputs in [_checked(model.specs, sample) for sample in samples] or [noise(model.specs)]:
        expected = answers.find(function, inputs) or _by_keras(model, layers, inputs)
        errors = [
            relative_error(got, want) for got, want in zip(_by_file(info, inputs), expected, strict=True)
        ]
        worst = max(range(len(errors)), key=lambda i: errors[i])
        found.append((errors[worst], model.output_names[worst]))
    return max(found, key=lambda each: each[0])


def _by_keras(model: TracedModel, layers: Layers, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    try:
        return [tensor.numpy() for tensor in model.traced(*(tf.constant(array) for array in inputs))]
    except tf.errors.OpError as error:
        resized = not all(spec.shape.is_fully_defined() for spec in model.specs)
        raise not_run_by_keras(error, inputs, layers, resized) from error


def _by_file(info: TFLiteInfo, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    try:
        return _run(Interpreter(str(info.path)), inputs)
    except (RuntimeError, ValueError) as error:
        raise _where_it_failed(error, info, inputs) from error


def noise(specs: Sequence[tf.TensorSpec]) -> list[np.ndarray]:
    """Seeded inputs: standard normal numbers, small integers, or coin tosses."""
    random = np.random.default_rng(0)
    arrays = []
    for spec in specs:
        shape = _static_shape(spec)
        if spec.dtype == tf.bool:
            array = random.integers(0, 2, shape)
        elif spec.dtype.is_integer:
            array = random.integers(0, 8, shape)
        elif spec.dtype.is_floating:
            array = random.standard_normal(shape)
        else:
            raise TFLiteExportError(
                f"input {spec.name!r} is {spec.dtype.name}, for which no test input can be made up; "
                "give sample_inputs, or validate=False"
            )
        arrays.append(array.astype(spec.dtype.as_numpy_dtype))
    return arrays


def _static_shape(spec: tf.TensorSpec) -> list[int]:
    if spec.shape.rank is None:
        raise TFLiteExportError(f"input {spec.name!r} has no rank; give sample_inputs, or validate=False")
    return [
        size if size is not None else (_DYNAMIC_BATCH if axis == 0 else _DYNAMIC_SIZE)
        for axis, size in enumerate(spec.shape.as_list())
    ]


def _checked(specs: Sequence[tf.TensorSpec], sample: Sequence[np.ndarray]) -> list[np.ndarray]:
    if len(sample) != len(specs):
        raise TFLiteExportError(f"sample_inputs has {len(sample)} arrays, the model takes {len(specs)}")
    arrays = []
    for spec, array in zip(specs, sample, strict=True):
        array = np.asarray(array, spec.dtype.as_numpy_dtype)
        if not spec.shape.is_compatible_with(array.shape):
            raise TFLiteExportError(
                f"sample_inputs: input {spec.name!r} takes shape {spec.shape}, not {array.shape}"
            )
        arrays.append(array)
    return arrays


def _run(interpreter: Any, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    details = interpreter.get_input_details()
    for detail, array in zip(details, inputs, strict=True):
        if tuple(detail["shape"]) != array.shape:
            interpreter.resize_tensor_input(detail["index"], array.shape)
    interpreter.allocate_tensors()
    for detail, array in zip(details, inputs, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def _where_it_failed(error: Exception, info: TFLiteInfo, inputs: Sequence[np.ndarray]) -> TFLiteExportError:
    """Runs the file again without a delegate, which would hide the op that fails."""
    plain = Interpreter(
        str(info.path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    runs = False
    try:
        _run(plain, inputs)
        runs = True
    except (RuntimeError, ValueError) as again:
        error = again
    rows = [row for row in info.rows if row.subgraph == 0]
    sizes = {each["index"]: tuple(map(int, each["shape"])) for each in plain.get_tensor_details()}
    row = _failed_row(str(error), rows, sizes)
    if runs and row is None:
        return not_delegated(error, rows, inputs)
    given = (
        " and ".join(str(sizes[index]) for index in row.inputs if index in sizes) if row is not None else ""
    )
    return not_run(error, row, given, inputs)


def _failed_row(said: str, rows: Sequence[TFLiteOp], sizes: Mapping[int, tuple[int, ...]]) -> TFLiteOp | None:
    """The op that the interpreter names, else the first that is left with nothing: what XNNPACK does not take."""
    for number, op in reversed(re.findall(r"Node number (\d+) \((\w+)\)", said)):  # the outermost stands last
        if int(number) < len(rows) and rows[int(number)].op == op:
            return rows[int(number)]
    return next((row for row in rows if any(0 in sizes.get(index, ()) for index in row.outputs)), None)
