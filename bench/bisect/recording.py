"""What a file computes here, tensor by tensor, by the runtime's own kernels and no delegate."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import BenchError


def recorded(path: Path, given: Sequence[np.ndarray], indices: Iterable[int]) -> dict[int, np.ndarray]:
    """Runs a file once and keeps the tensors of its main graph at `indices`, as far as they have a value between runs.

    `given`: an array for each input, in order; seeded noise for none. Raises BenchError where it does not run."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that to keep all tensors takes memory
        try:
            interpreter = Interpreter(
                str(path),
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                experimental_preserve_all_tensors=True,
            )
            _refuse_text(path, interpreter)
            _give(interpreter, given)
            interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise BenchError(
                f"{path}: it does not run on the CPU without a delegate, and there is nothing to compare with: {error}"
            ) from error
    found = {}
    for index in indices:
        try:
            found[index] = interpreter.get_tensor(index)
        except ValueError:  # what an op keeps to itself
            continue
    return found


def _refuse_text(path: Path, interpreter: Any) -> None:
    for detail in interpreter.get_input_details():
        if np.dtype(detail["dtype"]).kind not in "bcfiu":
            raise BenchError(
                f"{path}: input {detail['name']!r} takes text, which bench cannot give it: cut the file behind the ops that "
                "read it"
            )


def _give(interpreter: Any, given: Sequence[np.ndarray]) -> None:
    details = interpreter.get_input_details()
    if not given:
        random = np.random.default_rng(0)
        given = [_noise(random, detail) for detail in details]
    if len(given) != len(details):
        raise BenchError(f"{len(given)} inputs are given, the file takes {len(details)}")
    for detail, array in zip(details, given, strict=True):
        if array.dtype != detail["dtype"]:
            raise BenchError(
                f"input {detail['name']!r} is {np.dtype(detail['dtype']).name}, and an array of {array.dtype.name} is given"
            )
        if tuple(detail["shape"]) != array.shape:
            interpreter.resize_tensor_input(detail["index"], array.shape)
    interpreter.allocate_tensors()
    for detail, array in zip(details, given, strict=True):
        interpreter.set_tensor(detail["index"], array)


def _noise(random: np.random.Generator, detail: Any) -> np.ndarray:
    """Standard normal numbers; of integers that stand for numbers all there are, of others 0 and 1, as places may be."""
    kind, shape = np.dtype(detail["dtype"]), tuple(detail["shape"])
    if kind.kind == "f":
        return random.standard_normal(shape).astype(kind)
    if kind.kind in "iu" and detail["quantization"][0]:
        limits = np.iinfo(kind)
        return random.integers(limits.min, limits.max, shape, kind, endpoint=True)
    return random.integers(0, 2, shape).astype(kind)
