"""The inputs that the finished model is tried on: of the kind that the model takes, other than the example, and at
other sizes where sizes are unknown.

Each draw is offered in several degrees, from the boldest, which shows the most, to the gentlest, which stays nearest to
the example: a model may refuse an id that is too large, or have no finite answer to a mask."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from nobuco.graph.graph import Graph
from nobuco.inputs import InputSpec
from nobuco.trace.carried import SCALES, scaled
from nobuco.validate.uses import Use, uses_of

BOLD, MILD, GENTLE = range(3)
_LARGEST = 1 << 29  # bytes


@dataclass(frozen=True)
class Sample:
    """Inputs for the model, in its order, and in words what they are."""

    tensors: list[torch.Tensor]
    said: str


def fresh_samples(specs: Sequence[InputSpec], graph: Graph, seed: int = 1) -> Iterator[Sample]:
    """Inputs of the traced sizes that differ from the example, from the boldest to the gentlest."""
    return _samples(specs, uses_of(graph), [tuple(spec.tensor.shape) for spec in specs], seed)


def scaled_samples(specs: Sequence[InputSpec]) -> Iterator[Sample]:
    """The example turned round, shrunk and grown, by which what a branch looks at comes out otherwise."""
    for factor, tensors in zip(SCALES, scaled([spec.tensor for spec in specs]), strict=True):
        yield Sample(tensors, f"the example times {factor:g}")


Change = Callable[[int, int], int]  # (size of an unknown dim, which dim it is) -> another size

# Sizes well apart. Dims of several inputs that must agree still do; once, those of one input are pulled apart, so that
# height and width cannot be taken for each other. The first dim, which mostly is the batch, stays small.
CHANGES: list[Change] = [
    lambda size, dim: size + 1,
    lambda size, dim: size + 1 + 2 * dim,
    lambda size, dim: size // 2,
    lambda size, dim: size + (2 if dim == 0 else 32),
    lambda size, dim: size + 7 if dim == 0 else size - 1,
    lambda size, dim: size if dim == 0 else 2 * size + 1,
]


class Resizer:
    """Inputs in which the dims of unknown size have other sizes than in the traced run."""

    def __init__(self, specs: Sequence[InputSpec], graph: Graph) -> None:
        self._specs, self._uses = specs, uses_of(graph)
        self._shapes = tuple(tuple(spec.tensor.shape) for spec in specs)
        self._seen = {self._shapes}
        self._bytes = _bytes(graph)
        self._growth = [2.0] * len(
            self._bytes
        )  # of each tensor, as a power of the inputs': two in an attention

    def offer(self, change: Change) -> Iterator[Sample] | None:
        """Inputs whose unknown dims are changed, from the boldest to the gentlest; none if these sizes have been offered
        before, or are too large."""
        shapes = self.shapes(change)
        if shapes in self._seen or self.too_large(shapes):
            return None
        self._seen.add(shapes)
        return _samples(self._specs, self._uses, shapes, seed=1 + len(self._seen))

    def shapes(self, change: Change) -> tuple[tuple[int, ...], ...]:
        return tuple(
            tuple(
                max(1, change(size, dim)) if known is None else size
                for dim, (size, known) in enumerate(zip(spec.tensor.shape, spec.shape, strict=True))
            )
            for spec in self._specs
        )

    def scale(self, tensors: Sequence[torch.Tensor]) -> float:
        """How much larger the unknown dims are, but for the batch: on the whole."""
        pairs = [
            (new, size)
            for tensor, spec in zip(tensors, self._specs, strict=True)
            for new, size, known in list(zip(tensor.shape, spec.tensor.shape, spec.shape, strict=True))[1:]
            if known is None
        ]
        return sum(new for new, _ in pairs) / max(sum(size for _, size in pairs), 1) if pairs else 1.0

    def learn(self, graph: Graph, tensors: Sequence[torch.Tensor]) -> None:
        """How the tensors of the program grow with its inputs, from a trace at other sizes."""
        ratio, sizes = self._ratio([tuple(each.shape) for each in tensors]), _bytes(graph)
        if ratio > 1.2 and len(sizes) == len(self._bytes):
            pairs = zip(self._bytes, sizes, strict=True)
            self._growth = [math.log(max(b, 1) / max(a, 1)) / math.log(ratio) for a, b in pairs]

    def too_large(self, shapes: Sequence[tuple[int, ...]]) -> bool:
        """Whether the program's tensors may take more memory together than they should."""
        ratio = self._ratio(shapes)
        return sum(a * ratio**power for a, power in zip(self._bytes, self._growth, strict=True)) > _LARGEST

    def _ratio(self, shapes: Sequence[tuple[int, ...]]) -> float:
        elements = [sum(map(math.prod, each)) for each in (shapes, self._shapes)]
        return elements[0] / max(elements[1], 1)


def _bytes(graph: Graph) -> list[int]:
    return [value.nbytes for call in graph.root.walk() if not call.children for value in call.outputs]


def shapes_said(tensors: Sequence[torch.Tensor]) -> str:
    return ", ".join("x".join(map(str, tensor.shape)) or "a number" for tensor in tensors)


def _samples(
    specs: Sequence[InputSpec], uses: Sequence[Use], shapes: Sequence[tuple[int, ...]], seed: int
) -> Iterator[Sample]:
    for degree in (BOLD, MILD, GENTLE):
        generator = torch.Generator().manual_seed(seed)
        drawn = [
            draw(spec.tensor, shape, use, degree, generator)
            for spec, shape, use in zip(specs, shapes, uses, strict=True)
        ]
        said = "; ".join(f"{spec.name}: {what}" for spec, (_, what) in zip(specs, drawn, strict=True))
        yield Sample([tensor for tensor, _ in drawn], said)


def draw(
    example: torch.Tensor, shape: tuple[int, ...], use: Use, degree: int, generator: torch.Generator
) -> tuple[torch.Tensor, str]:
    """A tensor of the dtype of `example`, and how it was drawn."""
    values = example.detach().flatten()
    if values.numel() == 0 or math.prod(shape) == 0:
        return values.new_zeros(shape), "zeros"
    with torch.no_grad():
        if example.dtype is torch.bool:
            return _masks(values, shape, degree, generator)
        if example.is_floating_point() or example.is_complex():
            return _floats(values, shape, degree, generator)
        return _integers(values, shape, use, degree, generator)


def _masks(
    values: torch.Tensor, shape: tuple[int, ...], degree: int, generator: torch.Generator
) -> tuple[torch.Tensor, str]:
    if degree == BOLD:
        return torch.rand(shape, generator=generator) < 0.5, "true and false at random"
    drawn = _picked(values, shape, generator)
    if degree == MILD:  # one element is another: a mask that hides everything has no finite softmax
        place = torch.randint(drawn.numel(), (), generator=generator)
        drawn.view(-1)[place] = ~drawn.view(-1)[place]
        return drawn, "the example's values, one of them the other way"
    return drawn, "the example's values"


def _floats(
    values: torch.Tensor, shape: tuple[int, ...], degree: int, generator: torch.Generator
) -> tuple[torch.Tensor, str]:
    finite = values[torch.isfinite(values)]
    if len(finite) == 0:
        return _picked(values, shape, generator), "the example's values"
    low, high = _ends(finite)
    if bool((low != high).any()) and degree < GENTLE:
        if degree == BOLD and len(finite) > 2 and bool(((finite == low) | (finite == high)).all()):
            kinds = [low, high, *values[~torch.isfinite(values)][:1]]
            at = torch.randint(len(kinds), shape, generator=generator)
            return torch.stack(kinds)[at].to(values.dtype), "the example's values, each as often"
        moved = degree == MILD and len(shape) > 3 and len(values) == math.prod(shape)
        drawn = _moved(values.reshape(shape)) if moved else _shuffled(values, shape, generator)
        if not drawn.is_complex():  # other sums and means, in the same range
            drawn = 0.9 * drawn + 0.1 * low
        return drawn, "the example, mirrored and moved" if moved else "the example's values, shuffled"
    # One value only: nothing is known of the range
    if degree == BOLD:
        dtype = values.dtype if values.is_complex() else torch.float32
        noise = torch.randn(shape, generator=generator, dtype=dtype)
        if noise.numel() > 1 and not noise.is_complex() and (noise.sign() == noise.sign().flatten()[0]).all():
            noise.view(-1)[0] *= -1  # a few numbers may happen to be all positive
        return noise.to(values.dtype), "normally distributed"
    even = torch.rand(shape, generator=generator)
    if degree == MILD:
        return even.to(values.dtype), "even between 0 and 1"
    scale = float(finite.abs().max()) or 1.0
    near = _picked(values, shape, generator).to(values.dtype) + (0.01 * scale * even).to(values.dtype)
    return near, "the example's values, changed by up to a hundredth"


def _ends(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The least and the greatest; of complex numbers, which have no order, one and one that may be another."""
    if not values.is_complex():
        return values.min(), values.max()
    return values[0], values[(values - values[0]).abs().argmax()]


def _integers(
    values: torch.Tensor, shape: tuple[int, ...], use: Use, degree: int, generator: torch.Generator
) -> tuple[torch.Tensor, str]:
    low, high = int(values.min()), int(values.max())
    if degree == GENTLE:
        return _picked(values, shape, generator), "the example's values"
    if low < high and (degree == MILD or use.below is None):
        return _shuffled(values, shape, generator), "the example's values, shuffled"
    if use.below is not None and degree == BOLD:
        low, high = 0, use.below - 1
    elif use.mask or (low, high) in ((0, 0), (1, 1)):
        low, high = 0, 1
    elif values.dtype is torch.uint8 and degree == BOLD:
        low, high = 0, 255
    else:  # towards zero, as far as the model is known to go
        low, high = min(low, 0), max(high, 0)
    drawn = torch.randint(low, high + 1, shape, generator=generator)
    if low < high and bool((drawn == values[0]).all()):
        drawn = low + (drawn + 1 - low) % (high + 1 - low)
    return drawn.to(values.dtype), f"whole numbers from {low} to {high}"


def _picked(values: torch.Tensor, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    if len(values) == math.prod(shape):
        return values.reshape(shape).clone()
    return values[torch.randint(len(values), shape, generator=generator)]


def _shuffled(values: torch.Tensor, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """The elements in another order; drawn among them where there are to be more or fewer."""
    if len(values) != math.prod(shape):
        return values[torch.randint(len(values), shape, generator=generator)]
    return values[torch.randperm(len(values), generator=generator)].reshape(shape)


def _moved(picture: torch.Tensor) -> torch.Tensor:
    """A picture of the same kind, where neighbours stay neighbours."""
    height, width = picture.shape[-2:]
    return picture.flip(-1).roll((height // 3, width // 4), dims=(-2, -1))
