"""Which sizes are always the same: those stay plain numbers where sizes are traced as tensors.

PyTorch's own code, `nn.MultiheadAttention` say, compares sizes and counts with them. A size that no unknown one has a
part in can be left to it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _pytree as pytree

from nobuco.contract.sites import Site, invocation_site
from nobuco.trace.calls import Call
from nobuco.trace.ops import version_of


class TracedSizes(tuple[Any, ...]):
    """Sizes of which some are tensors, with what `torch.Size`, which takes numbers only, can do."""

    def numel(self) -> Any:
        return math.prod(self)

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return TracedSizes(found) if isinstance(place, slice) else found

    def __add__(self, others: Any) -> TracedSizes:
        return TracedSizes((*self, *others))

    def __radd__(self, others: Any) -> TracedSizes:
        return TracedSizes((*others, *self))

    def __mul__(self, times: Any) -> TracedSizes:
        return TracedSizes(super().__mul__(times))

    __rmul__ = __mul__


pytree.register_pytree_node(
    TracedSizes,
    lambda sizes: (list(sizes), None),
    lambda sizes, _: TracedSizes(sizes),
    serialized_type_name="nobuco.TracedSizes",
)


@dataclass(frozen=True)
class TracedShape:
    """The sizes of a tensor as tensors, which were recorded inside the call `frame`."""

    tensor: torch.Tensor
    shape: tuple[int, ...]
    sizes: tuple[torch.Tensor, ...]
    frame: Call

    def holds(self, tensor: torch.Tensor, stack: Sequence[Call]) -> bool:
        """Whether these are still the sizes of `tensor`, for a program that is inside the calls of `stack`: a call that has
        ended may be converted as a whole."""
        return (
            self.tensor is tensor
            and self.shape == tuple(tensor.shape)
            and not any(version_of(size) for size in self.sizes)
            and any(frame is self.frame for frame in stack)
        )


class ShapesSeen:
    """What questions for a shape have been answered in a run: by the line that asked, in order."""

    def __init__(self) -> None:
        self._answers: defaultdict[Site | None, list[tuple[int, ...]]] = defaultdict(list)

    def note(self, answer: Sequence[int]) -> None:
        self._answers[invocation_site()].append(tuple(answer))

    def at(self, site: Site | None, count: int) -> tuple[int, ...] | None:
        answers = self._answers[site]
        return answers[count] if count < len(answers) else None


class StaticSizes:
    """Compares a run with others on inputs of other sizes and values; with none, no size is known to be static."""

    def __init__(self, others: Sequence[ShapesSeen] = ()) -> None:
        self._others = others
        self._asked: Counter[Site | None] = Counter()

    def among(self, answer: Sequence[int]) -> tuple[bool, ...]:
        """For each size of a shape that is asked for now, whether it was the same in all other runs."""
        site = invocation_site()
        count = self._asked[site]
        self._asked[site] += 1
        found = [other.at(site, count) for other in self._others]
        if not found or any(other is None or len(other) != len(answer) for other in found):
            return (False,) * len(answer)
        return tuple(
            all(other is not None and other[dim] == size for other in found)
            for dim, size in enumerate(answer)
        )


_CHANGES = ((2, 1), (3, 2), (2, 0), (3, 0), (1, 1), (1, 4), (4, 0))  # factor and addend: uneven ones first


def elsewhere(
    tensors: Sequence[torch.Tensor], shapes: Sequence[Sequence[int | None]]
) -> Iterator[list[torch.Tensor]]:
    """The example inputs at other sizes where `shapes` has None, with other values of the same range."""
    generator = torch.Generator().manual_seed(0)
    for factor, addend in _CHANGES:
        yield [
            _like(
                tensor,
                [
                    factor * size + addend if known is None else size
                    for size, known in zip(tensor.shape, shape, strict=True)
                ],
                generator,
            )
            for tensor, shape in zip(tensors, shapes, strict=True)
        ]


def _like(tensor: torch.Tensor, shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    """Elements of the tensor, drawn anew."""
    if tensor.numel() == 0:
        return tensor.new_zeros(shape)
    flat = tensor.detach().reshape(-1)
    return flat[torch.randint(len(flat), tuple(shape), generator=generator)]
