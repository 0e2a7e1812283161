"""A file run on samples, with float numbers going in and coming out whatever it computes with."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from nobuco.native_log import without_native_noise
from nobuco.tflite import flatbuffer as fb
from nobuco.tflite.errors import TFLiteMismatchError

Sample = Sequence[np.ndarray]  # one array an input, in the file's order
_THREADS = min(4, os.cpu_count() or 1)


def outputs_on(data: bytes, samples: Sequence[Sample]) -> list[list[np.ndarray]]:
    """Of each sample, each output as float (or as the file has it, where it is no quantised number).

    Raises TFLiteMismatchError: the file does not run."""
    return [
        [_float(interpreter, each) for each in interpreter.get_output_details()]
        for interpreter in _runs(data, samples, keep_all=False)
    ]


def tensors_on(
    data: bytes, samples: Sequence[Sample], indices: Sequence[int]
) -> Iterator[dict[int, np.ndarray]]:
    """Of each sample, the tensors of the main graph at `indices`, those between ops as well.

    Some are left out: what an op keeps to itself has no data between runs.

    Raises TFLiteMismatchError: the file does not run."""
    for interpreter in _runs(data, samples, keep_all=True):
        details = {each["index"]: each for each in interpreter.get_tensor_details()}
        found = {}
        for index in indices:
            try:
                found[index] = _float(interpreter, details[index])
            except (KeyError, ValueError):
                continue
        yield found


def parameters(data: bytes) -> dict[int, tuple[float, int, np.dtype[Any]]]:
    """Of each quantised tensor with a single scale: scale, zero point and integer type."""
    found = {}
    interpreter = _interpreter(data, keep_all=False)
    for each in interpreter.get_tensor_details():
        scale, zero = each["quantization"]
        if scale:
            found[each["index"]] = (float(scale), int(zero), np.dtype(each["dtype"]))
    return found


def _interpreter(data: bytes, keep_all: bool) -> Any:
    with warnings.catch_warnings(), without_native_noise():
        warnings.simplefilter("ignore")  # that keeping all tensors takes memory
        return Interpreter(
            model_content=bytes(data), num_threads=_THREADS, experimental_preserve_all_tensors=keep_all
        )


def _runs(data: bytes, samples: Sequence[Sample], keep_all: bool) -> Iterator[Any]:
    """The interpreter after each sample; a new one for other sizes, which not every delegate takes later."""
    interpreter, sizes = None, None
    for sample in samples:
        try:
            if sizes != (sizes := [array.shape for array in sample]):
                interpreter = _for_sizes(data, sample, keep_all)
            assert interpreter is not None
            for detail, array in zip(interpreter.get_input_details(), sample, strict=True):
                interpreter.set_tensor(detail["index"], _quantised(array, detail))
            interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise TFLiteMismatchError(f"the file does not run, its runtime says {str(error)!r}") from error
        yield interpreter


def _for_sizes(data: bytes, sample: Sample, keep_all: bool) -> Any:
    interpreter = _interpreter(data, keep_all)
    for detail, array in zip(interpreter.get_input_details(), sample, strict=True):
        if tuple(detail["shape"]) != array.shape:
            interpreter.resize_tensor_input(detail["index"], array.shape)
    with without_native_noise():
        interpreter.allocate_tensors()
    return interpreter


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
