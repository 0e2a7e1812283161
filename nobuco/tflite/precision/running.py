"""A file run on samples, with float numbers going in and coming out whatever it computes with."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from nobuco.native_log import without_native_noise
from nobuco.tflite import flatbuffer as fb
from nobuco.tflite.errors import TFLiteMismatchError

Sample = Sequence[np.ndarray]  # one array an input, in the file's order


def outputs_on(data: bytes, samples: Sequence[Sample]) -> list[list[np.ndarray]]:
    """Of each sample, each output as float (or as the file has it, where it is no quantised number).

    Raises TFLiteMismatchError: the file does not run."""
    found = []
    try:
        interpreter = _interpreter(data, keep_all=False)
        for sample in samples:
            _run(interpreter, sample)
            found.append([_float(interpreter, each) for each in interpreter.get_output_details()])
    except (RuntimeError, ValueError) as error:
        raise TFLiteMismatchError(f"the file does not run, its runtime says {str(error)!r}") from error
    return found


def tensors_on(
    data: bytes, samples: Sequence[Sample], indices: Sequence[int]
) -> Iterator[dict[int, np.ndarray]]:
    """Of each sample, the tensors of the main graph at `indices`, those between ops as well."""
    interpreter = _interpreter(data, keep_all=True)
    details = {each["index"]: each for each in interpreter.get_tensor_details()}
    for sample in samples:
        _run(interpreter, sample)
        yield {index: _float(interpreter, details[index]) for index in indices if index in details}


def parameters(data: bytes) -> dict[int, tuple[float, int, np.dtype[Any]]]:
    """Of each quantised tensor with a single scale: scale, zero point and integer type."""
    found = {}
    for each in _interpreter(data, keep_all=False).get_tensor_details():
        scale, zero = each["quantization"]
        if scale:
            found[each["index"]] = (float(scale), int(zero), np.dtype(each["dtype"]))
    return found


def _interpreter(data: bytes, keep_all: bool) -> Any:
    with warnings.catch_warnings(), without_native_noise():
        warnings.simplefilter("ignore")  # that keeping all tensors takes memory
        interpreter = Interpreter(model_content=bytes(data), experimental_preserve_all_tensors=keep_all)
        interpreter.allocate_tensors()
    return interpreter


def _run(interpreter: Any, sample: Sample) -> None:
    details = interpreter.get_input_details()
    resized = False
    for detail, array in zip(details, sample, strict=True):
        if tuple(detail["shape"]) != array.shape:
            interpreter.resize_tensor_input(detail["index"], array.shape)
            resized = True
    if resized:
        interpreter.allocate_tensors()
        details = interpreter.get_input_details()
    for detail, array in zip(details, sample, strict=True):
        interpreter.set_tensor(detail["index"], _quantised(array, detail))
    interpreter.invoke()


def _quantised(array: np.ndarray, detail: Any) -> np.ndarray:
    scale, zero = detail["quantization"]
    if not scale or not np.issubdtype(array.dtype, np.floating):
        return array
    limits = np.iinfo(detail["dtype"])
    return np.clip(np.round(array / scale) + zero, limits.min, limits.max).astype(detail["dtype"])


def _float(interpreter: Any, detail: Any) -> np.ndarray:
    array = interpreter.get_tensor(detail["index"])
    scale, zero = detail["quantization"]
    if scale and np.issubdtype(array.dtype, np.integer):
        return ((array.astype(np.float64) - zero) * scale).astype(np.float32)
    return array


def tensor_names(data: bytes) -> dict[str, int]:
    """Of the main graph, the index of each tensor."""
    graph = fb.subgraphs(fb.root(data))[0]
    return {graph.Tensors(index).Name().decode(): index for index in range(graph.TensorsLength())}


def activation_scales(data: bytes) -> dict[int, tuple[float, int, np.dtype[Any]]]:
    """The `parameters` of what a file computes, and takes; not of its weights."""
    model = fb.root(data)
    graph = fb.subgraphs(model)[0]
    return {
        index: each
        for index, each in parameters(data).items()
        if index < graph.TensorsLength() and not fb.constant_bytes(model, graph.Tensors(index))
    }
