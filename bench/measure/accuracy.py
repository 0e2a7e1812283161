"""How far the outputs of a device are from PyTorch's, over several inputs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.artifacts import Artifact
from nobuco.validate.compare import relative_error
from reports.record import Accuracy

_FEWEST_CLASSES = 10
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


def accuracy_of(artifact: Artifact, answers: Sequence[Answer], tolerance: float) -> Accuracy:
    """Compare a device's answers with PyTorch's, brought into the order and layout of the file.

    Args:
        artifact: The file, and what PyTorch answers.
        answers: One for each input: the model's own, then the further ones of the artifact.
        tolerance: What the largest error may be.
    """
    reference = artifact.reference
    per_output = [0.0] * len(reference.outputs)
    worst = _Worst(-1.0, "")
    agreeing = rows = 0
    for number, answer in enumerate(answers):
        missing = set(range(len(per_output)))
        for (index, axes), given in zip(artifact.outputs, answer.outputs, strict=False):
            expected = np.load(reference.output_file(number, index)).transpose(axes)
            got = np.asarray(given)
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
    )


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
