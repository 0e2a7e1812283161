"""Which tensor of a `.tflite` file is which of the PyTorch model, and in what order its axes are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.converters.base import Layout


class MappingError(Exception):
    """A file's inputs or outputs cannot be told apart, or have shapes that no layout explains."""


@dataclass(frozen=True)
class Tensor:
    """`name` is None where there is none to go by."""

    name: str | None
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """A tensor of the file is `numpy.transpose(reference, axes)` of the reference's tensor number
    `reference`.
    """

    reference: int
    axes: tuple[int, ...]


def match(kind: str, reference: Sequence[Tensor], file: Sequence[Tensor], layout: Layout) -> list[Place]:
    """One place for each tensor of the file, in the file's order.

    By name where all names are known (`input_0`, `output_1`, or the model's own), else by position. A file
    may lack inputs that the model does not use, if names tell which. `kind` is "input" or "output". Raises
    MappingError.
    """
    by_name = {f"{kind}_{i}": i for i in range(len(reference))}
    by_name.update({tensor.name: i for i, tensor in enumerate(reference) if tensor.name is not None})
    numbers = [by_name.get(tensor.name or "") for tensor in file]
    if None in numbers or len(set(numbers)) != len(numbers):
        if len(file) != len(reference):
            names = ", ".join(str(tensor.name) for tensor in file)
            raise MappingError(
                f"the file has {len(file)} {kind}s ({names}), the model {len(reference)}, "
                "and names do not tell which is which"
            )
        numbers = list(range(len(file)))
    places = []
    for number, tensor in zip(numbers, file, strict=True):
        assert number is not None
        places.append(Place(number, _axes(kind, number, reference[number].shape, tensor.shape, layout)))
    return places


def channels_last(rank: int) -> tuple[int, ...]:
    """(B, C, ...) -> (B, ..., C)."""
    return (0, *range(2, rank), 1) if rank >= 3 else tuple(range(rank))


def _axes(
    kind: str, number: int, ours: tuple[int, ...], theirs: tuple[int, ...], layout: Layout
) -> tuple[int, ...]:
    plain, last = tuple(range(len(ours))), channels_last(len(ours))
    # The converter's own layout first: with equal sizes, shapes do not tell.
    for axes in (last, plain) if layout == "channels last" else (plain, last):
        if tuple(ours[a] for a in axes) == theirs:
            return axes
    raise MappingError(f"{kind} {number} has the shape {ours} in PyTorch and {theirs} in the file")


def relative_error(reference: np.ndarray, actual: np.ndarray) -> float:
    """max|difference| / max|reference|; infinite for another shape, and where NaN or infinity differ."""
    if reference.shape != actual.shape:
        return float("inf")
    if reference.size == 0:
        return 0.0
    want, got = reference.astype(np.float64), actual.astype(np.float64)
    finite = np.isfinite(want)
    if not np.array_equal(want[~finite], got[~finite], equal_nan=True) or not np.isfinite(got[finite]).all():
        return float("inf")
    if not finite.any():
        return 0.0
    difference = float(np.abs(got[finite] - want[finite]).max())
    scale = float(np.abs(want[finite]).max())
    return difference / scale if scale else difference
