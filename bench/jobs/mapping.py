"""Which tensor of a `.tflite` file is which of the PyTorch model, and in what order its axes are."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Layout = Literal["channels first", "channels last"]


class MappingError(Exception):
    """A file's inputs or outputs cannot be told apart, or have shapes that no layout explains."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of the file; `name` is None where it has none."""

    name: str | None
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """A tensor of the file is the model's tensor number `reference`, transposed by `axes`."""

    reference: int
    axes: tuple[int, ...]


def match(
    kind: Literal["input", "output"],
    reference: Sequence[tuple[int, ...]],
    file: Sequence[Tensor],
    layout: Layout,
) -> list[Place]:
    """Find out which of the model's tensors each tensor of the file is.

    By its name (`input_0`, `output_1`), else by its shape where no other tensor could have it, or because it is the only
    one. Never by its place: formats and frameworks reorder, and another tensor of the same shape would be compared. A file
    may lack inputs that the model does not use.

    Args:
        kind: "input" or "output".
        reference: The shapes of the model's tensors.
        file: The file's tensors.
        layout: The converter's own order of axes, which decides where the shapes do not.

    Returns:
        One place for each tensor of the file, in the file's order.

    Raises:
        MappingError: Tensors cannot be told apart, or no layout explains a shape.
    """
    numbers = [_number_in(kind, tensor.name, len(reference)) for tensor in file]
    known = [number for number in numbers if number is not None]
    if len(set(known)) != len(known):
        raise MappingError(f"the file has two {kind}s of one name: {_listed(file)}")
    left = [number for number in range(len(reference)) if number not in known]
    unnamed = [place for place, number in enumerate(numbers) if number is None]
    for place in unnamed:
        numbers[place] = _only_one(kind, file[place], left, reference, [file[p] for p in unnamed])
    return [
        Place(number, _axes(kind, number, reference[number], tensor.shape, layout))
        for number, tensor in zip(numbers, file, strict=True)
        if number is not None
    ]


def _number_in(kind: str, name: str | None, count: int) -> int | None:
    """The number that a name tells; None where it tells none. Some converters call an input `args_0`."""
    words = "input|args" if kind == "input" else "output"
    found = re.fullmatch(rf"(?:serving_default_)?(?:{words})_(\d+)(?::0)?", name or "")
    return int(found[1]) if found and int(found[1]) < count else None


def _only_one(
    kind: str,
    tensor: Tensor,
    left: Sequence[int],
    reference: Sequence[tuple[int, ...]],
    unnamed: Sequence[Tensor],
) -> int:
    """The only one of the model's tensors, of those that are `left`, which this tensor without a name can be."""
    if len(left) == len(unnamed) == 1:
        return left[0]
    fitting = [number for number in left if _explains(reference[number], tensor.shape)]
    rivals = [other for other in unnamed if any(_explains(reference[n], other.shape) for n in fitting)]
    if len(fitting) != 1 or len(rivals) != 1:
        shapes = ", ".join(str(shape) for shape in reference)
        raise MappingError(
            f"cannot tell which {kind} of the model is which in the file: the file has {_listed(unnamed)}, "
            f"the model {shapes}; neither names nor shapes tell them apart"
        )
    return fitting[0]


def _listed(tensors: Sequence[Tensor]) -> str:
    return ", ".join(f"{tensor.name} {tensor.shape}" for tensor in tensors)


def _explains(ours: tuple[int, ...], theirs: tuple[int, ...]) -> bool:
    """Whether one of the layouts turns the one shape into the other."""
    return theirs in (ours, tuple(ours[axis] for axis in channels_last(len(ours))))


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
