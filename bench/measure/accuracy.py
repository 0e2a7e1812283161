"""How far the outputs of a device are from PyTorch's, over several inputs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.artifact import Answers, Artifact, Output
from nobuco.tflite.precision.judge import snr
from nobuco.validate.compare import relative_error
from reports.record import Accuracy

_FEWEST_CLASSES = 10
_CLEAR, _FACTOR_OF_TWO = 60.0, 6.0  # decibels; above the first, rounding in another order counts
_FLOOR = 1e-3  # of an output's largest element: what is smaller counts as that


@dataclass(frozen=True)
class Answer:
    """What a device made of one input: its outputs, or why there are none."""

    outputs: Sequence[np.ndarray] = ()
    error: str | None = None


@dataclass(frozen=True)
class _Worst:
    error: float
    words: str


def accuracy_of(
    artifact: Artifact, answers: Sequence[Answer], tolerance: float | None, min_alike: float | None = None
) -> Accuracy:
    """Compare a device's answers with PyTorch's, brought into the order and layout of the file.

    Args:
        artifact: The file, and what PyTorch answers.
        answers: One for each input: the model's own, then the further ones of the artifact.
        tolerance: What the largest error may be; None where the file is judged by how many samples come out alike.
        min_alike: What share of them must.
    """
    reference = artifact.reference
    per_output = [0.0] * len(reference.outputs)
    worst = _Worst(-1.0, "")
    agreeing = rows = 0
    signals: list[float] = []
    for number, answer in enumerate(answers):
        missing = set(range(len(per_output)))
        lowest = math.inf
        for output, given in zip(artifact.outputs, answer.outputs, strict=False):
            index = output.reference
            expected = np.load(reference.output_file(number, index)).transpose(output.axes)
            got = _numbers(given, output)
            if artifact.answers is not None:
                lowest = min(lowest, snr([got], [expected]))
            missing.discard(index)
            per_output[index] = max(per_output[index], relative_error(got, expected))
            if got.shape == expected.shape:
                found = _worst_element(got, expected, f"input {number}, output {index}")
                worst = max(worst, found, key=lambda each: each.error)
                if _is_scores(expected, len(per_output)):
                    agreeing += int((got.argmax(-1) == expected.argmax(-1)).sum())
                    rows += len(expected)
        for index in missing:
            per_output[index] = float("inf")
            lowest = -math.inf
        signals.append(lowest)
        if answer.error is not None:
            worst = _Worst(float("inf"), f"input {number}: {answer.error}")
    return Accuracy(
        max_error=max(per_output),
        per_output=tuple(per_output),
        tolerance=tolerance,
        samples=len(answers),
        worst_element=worst.error if worst.words else None,
        worst_at=worst.words or None,
        top1_agreeing=agreeing if rows else None,
        top1_rows=rows or None,
        **_of_other_precision(artifact.answers, signals, min_alike),
    )


def _of_other_precision(
    answers: Answers | None, signals: Sequence[float], min_alike: float | None
) -> dict[str, Any]:
    """Nothing of a float32 file."""
    if answers is None:
        return {}
    least = [min(expected, _CLEAR) - _FACTOR_OF_TWO for expected in answers.snr[: len(signals)]]
    # of the input that lies furthest below what is expected of it
    place = min(range(len(least)), key=lambda number: signals[number] - least[number])
    return {
        "alike": answers.alike,
        "alike_samples": answers.samples,
        "min_alike": min_alike,
        "snr": signals[place],
        "least_snr": least[place],
    }


def _numbers(given: np.ndarray, output: Output) -> np.ndarray:
    """As PyTorch has them, where the file gives integers in their place."""
    array = np.asarray(given)
    if output.scale is None or not np.issubdtype(array.dtype, np.integer):
        return array
    return ((array.astype(np.float64) - output.zero_point) * output.scale).astype(np.float32)


def _worst_element(got: np.ndarray, expected: np.ndarray, where: str) -> _Worst:
    """The element that is furthest off, as a share of its own reference."""
    if expected.size == 0:
        return _Worst(-1.0, "")
    a, b = got.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        off = np.abs(a - b)
        off[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0  # the same infinity, or neither a number
    off[np.isnan(off)] = np.inf
    finite = np.abs(b[np.isfinite(b)])
    floor = _FLOOR * finite.max() if finite.size and finite.max() > 0 else 1.0
    share = off / np.maximum(np.nan_to_num(np.abs(b), nan=floor, posinf=floor), floor)
    place = np.unravel_index(int(share.argmax()), share.shape)
    numbers = ", ".join(str(int(axis)) for axis in place)
    return _Worst(float(share[place]), f"{where} [{numbers}]: {a[place]:.4g} for {b[place]:.4g}")


def _is_scores(expected: np.ndarray, n_outputs: int) -> bool:
    """Whether an output is a classifier's: the model's only one, a row of scores for each image."""
    return n_outputs == 1 and expected.ndim == 2 and expected.shape[1] >= _FEWEST_CLASSES
