"""The tensors that a branch or loop yields, and what Python holds of them afterwards."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _pytree as pytree

from nobuco.contract.sites import Site
from nobuco.lift.states import Leaf, is_tensor, is_undefined, number_as_tensor, rebuilt
from nobuco.trace.blocks import Block
from nobuco.trace.calls import Call, Value
from nobuco.trace.errors import Unliftable
from nobuco.trace.tracer import Tracer


@dataclass(frozen=True)
class Output:
    """The place of a leaf among the outputs."""

    place: int


@dataclass(frozen=True)
class Merged:
    """A variable afterwards: for each leaf an `Output`, or what it is in any case."""

    leaves: list[Any]
    spec: Any


class Results:
    """`sources` has for each output whether it is a Python number in PyTorch, and the leaves it comes from, one a block (or
    the start and the end of a loop's turn); `values` the outputs themselves, once they are made."""

    def __init__(self, tracer: Tracer, site: Site | None, blocks: Sequence[Block] = ()) -> None:
        self._tracer, self._site, self._blocks = tracer, site, blocks
        self.sources: list[tuple[bool, tuple[Leaf, ...]]] = []
        self.values: list[Value] = []

    def output(self, *sources: Leaf, number: bool = False) -> Output:
        self.sources.append((number, sources))
        return Output(len(self.sources) - 1)

    def stands_for_number(self, value: Value) -> bool:
        return number_behind(value, self._tracer.numbers) is not None

    def cast(self, place: int, leaf: Leaf, dtype: torch.dtype) -> Leaf:
        """What a block leaves behind, as another dtype."""
        if leaf.value is None or leaf.value.tensor.dtype is dtype:
            return leaf
        value = self._tracer.cast_at_the_end(self._blocks[place], leaf.value, dtype)
        return Leaf(value.tensor, value)

    def is_one_from_outside(self, *sources: Leaf) -> bool:
        """Whether Python goes on with a tensor that was there before, whatever has been written into it meanwhile: what it
        is afterwards is an output already, that of the memory."""
        items = [each.item for each in sources]
        return (
            is_tensor(items[0])
            and self._tracer.is_known(items[0])
            and all(each is items[0] for each in items)
        )

    def zeros(self, like: torch.Tensor) -> Leaf:
        with self._tracer.aside():
            zeros = torch.zeros(like.shape, dtype=like.dtype)
        return Leaf(zeros, self._tracer.values(zeros))

    def made(self, variables: Sequence[Merged | None], real: Sequence[Any], call: Call) -> list[Any]:
        """The variables, now that PyTorch has gone its way and they are `real`, with the outputs of `call` in them."""
        found: dict[int, torch.Tensor] = {}
        state = []
        for merged, held in zip(variables, real, strict=True):
            if merged is None:
                state.append(held)
                continue
            if is_undefined(held):
                items = [self._unset(leaf) for leaf in merged.leaves]
            else:
                items, spec = pytree.tree_flatten(held)
                if spec != merged.spec:
                    raise Unliftable(self._site, "what it yields has another structure from run to run")
            whole = [self._real(leaf, item, found) for leaf, item in zip(merged.leaves, items, strict=True)]
            state.append(rebuilt(merged.spec, whole))
        for place, (number, sources) in enumerate(self.sources):
            value = self._tracer.add(found[place], call)
            self.values.append(value)
            if number:
                self._tracer.numbers[value] = self._site
            self._share(found[place], sources)
        self._share_among(found)
        return state

    def _unset(self, leaf: Any) -> Any:
        """What stands for a variable that has not been set where Python went."""
        if not isinstance(leaf, Output):
            return leaf
        like = self._example(leaf)
        with self._tracer.aside():
            return torch.zeros(like.shape, dtype=like.dtype)

    def _example(self, leaf: Output) -> torch.Tensor:
        first = self.sources[leaf.place][1][0]
        return first.item if first.value is None else first.value.tensor

    def _real(self, leaf: Any, item: Any, found: dict[int, torch.Tensor]) -> Any:
        if not isinstance(leaf, Output):
            return leaf
        like = self._example(leaf)
        with self._tracer.aside():
            tensor = item.detach().clone() if is_tensor(item) else number_as_tensor(item, like.dtype)
        if tensor.shape != like.shape or tensor.dtype is not like.dtype:
            raise Unliftable(
                self._site, f"it yields a tensor of shape {tuple(tensor.shape)}, and of {tuple(like.shape)}"
            )
        found[leaf.place] = tensor
        return tensor

    def _share(self, tensor: torch.Tensor, sources: Sequence[Leaf]) -> None:
        for each in sources:
            if is_tensor(each.item):
                self._tracer.may_share(tensor, each.item, self._site)

    def _share_among(self, found: dict[int, torch.Tensor]) -> None:
        """Outputs that one block may yield as one memory."""
        for block in range(max((len(each) for _, each in self.sources), default=0)):
            memories: dict[int, torch.Tensor] = {}
            for place, (_, sources) in enumerate(self.sources):
                if is_tensor(sources[block].item):
                    first = memories.setdefault(sources[block].item.untyped_storage()._cdata, found[place])
                    if first is not found[place]:
                        self._tracer.may_share(first, found[place], self._site)


def number_behind(value: Value, numbers: Container[Value]) -> Value | None:
    """For what is a Python number in PyTorch, since it is one of `numbers` or made of such alone: the first of those."""
    if value in numbers:
        return value
    inputs = value.producer.inputs if value.producer is not None and not value.producer.blocks else []
    found = [number_behind(each, numbers) for each in inputs]
    return found[0] if found and all(each is not None for each in found) else None
