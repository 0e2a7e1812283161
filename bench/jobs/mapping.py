"""Which tensor of a `.tflite` file is which of the PyTorch model, and in what order its axes are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Layout = Literal["channels first", "channels last"]


class MappingError(Exception):
    """A file's inputs or outputs cannot be told apart, or have shapes that no layout explains."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of the model or of the file; `name` is None where it has none."""

    name: str | None
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """A tensor of the file is the model's tensor number `reference`, transposed by `axes`."""

    reference: int
    axes: tuple[int, ...]


def match(kind: str, reference: Sequence[Tensor], file: Sequence[Tensor], layout: Layout) -> list[Place]:
    """Find out which of the model's tensors each tensor of the file is.

    By name where all names are known (`input_0`, `output_1`, or the model's own), else by position. A file
    may lack inputs that the model does not use, if names tell which.

    Args:
        kind: "input" or "output".
        reference: The model's tensors.
        file: The file's tensors.
        layout: The converter's own order of axes, which decides where the shapes do not.

    Returns:
        One place for each tensor of the file, in the file's order.

    Raises:
        MappingError: Tensors cannot be told apart, or no layout explains a shape.
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
    """The axes that transpose (B, C, ...) to (B, ..., C)."""
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
