"""Which tensors share memory, and what an in-place change of one means for the others.

A TensorFlow graph has no views: a slice is a copy. So when a view is changed in place, the change is written back into
the tensor it was taken from (`write_back`), step by step up to the tensor that owns the memory; every other view of
that memory is then out of date, and is taken again when it is next used (`current`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from nobuco.contract.sites import Site
from nobuco.trace.calls import Call, Value, map_values
from nobuco.trace.errors import TraceError, Unliftable

SAME_MEMORY = "what it returns may be a tensor from outside it, and is then changed in place"


@dataclass(eq=False)
class Memory:
    """The storage behind one or more tensors; `version` counts the in-place changes."""

    version: int = 0
    values: list[Value] = field(default_factory=list)  # those whose data lies in this memory, not in a copy
    # what a branch returned has memory of its own here; in PyTorch it may be one of these, which `site` told apart
    twins: list[tuple[Memory, Site | None]] = field(default_factory=list)
    stale: tuple[Site | None] | None = None  # a twin has been changed in place


@dataclass(eq=False)
class Known:
    """A tensor that the tracer has met. A view knows its `base` and the call that took it from `base_value`."""

    tensor: torch.Tensor
    value: Value
    memory: Memory
    version: int
    base: Known | None = None
    base_value: Value | None = None
    taken: Call | None = None
    place: int = 0  # which of the outputs of `taken`


@dataclass
class Checkpoint:
    """All that was known at some moment, to go back to; `saved`: what has been changed in place since, as it was."""

    known: dict[int, Known]
    memories: dict[int, Memory]
    values: list[tuple[Known, Value, int]]
    data: dict[int, tuple[Memory, int, tuple[Site | None] | None, list[tuple[Value, torch.Tensor]]]]
    saved: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)


# Records a call that the program does not contain: (op, args, kwargs, the tensors it yields)
Emit = Callable[[Any, tuple[Any, ...], dict[str, Any], Any], Call]


class Aliases:
    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._known: dict[int, Known] = {}  # by id of the tensor, which is kept alive here
        self._memories: dict[int, Memory] = {}
        self._checkpoints: list[Checkpoint] = []

    def find(self, tensor: torch.Tensor) -> Known | None:
        return self._known.get(id(tensor))

    def add(self, tensor: torch.Tensor, value: Value) -> Known:
        """A tensor that owns its memory, as far as the trace has seen."""
        memory = self._memories.setdefault(_storage(tensor), Memory())
        known = Known(tensor, value, memory, memory.version)
        self._known[id(tensor)] = known
        memory.values.append(value)
        return known

    def was_there(self, known: Known) -> None:
        """Says that a tensor that has just been met was there before all the blocks that are being recorded."""
        memory = known.memory
        for checkpoint in self._checkpoints:
            if id(known.tensor) in checkpoint.known:
                continue
            _, version, _, values = checkpoint.data.setdefault(
                id(memory), (memory, memory.version, memory.stale, [])
            )
            if version == memory.version:
                checkpoint.known[id(known.tensor)] = known
                checkpoint.memories.setdefault(_storage(known.tensor), memory)
                checkpoint.values.append((known, known.value, known.version))
                values.append((known.value, known.value.tensor))

    def add_view(
        self, tensor: torch.Tensor, value: Value, base: Known, base_value: Value, taken: Call, place: int
    ) -> None:
        known = self.add(tensor, value)
        known.base, known.base_value, known.taken, known.place = base, base_value, taken, place

    def rename(self, known: Known, value: Value) -> None:
        """The same tensor, unchanged, as the output of another call."""
        known.value = value
        known.memory.values.append(value)

    def keep_data(self, tensor: torch.Tensor) -> None:
        """To be called before `tensor` is changed in place: the values in its memory keep the data of today."""
        met = self._memories.get(_storage(tensor))
        memory = self._memories.setdefault(_storage(tensor), Memory())
        for twin, site in memory.twins:
            twin.stale = (site,)
            if any(value.constant for value in twin.values):
                raise Unliftable(site, SAME_MEMORY)
        for checkpoint in self._checkpoints:
            # what a block has made itself is not put back: its values lie there
            if met is None or id(met) in checkpoint.data:
                checkpoint.saved.append((tensor, tensor.detach().clone()))
        _copy_data(memory.values)
        memory.values.clear()

    def memory_of(self, tensor: torch.Tensor) -> Memory | None:
        return self._memories.get(_storage(tensor))

    def checkpoint(self) -> Checkpoint:
        known, memories = self._known.values(), self._memories.values()
        made = Checkpoint(
            dict(self._known),
            dict(self._memories),
            [(each, each.value, each.version) for each in known],
            {
                id(each): (each, each.version, each.stale, [(value, value.tensor) for value in each.values])
                for each in memories
            },
        )
        self._checkpoints.append(made)
        return made

    def go_back(self, to: Checkpoint) -> None:
        """Forgets what has been met since, and puts back what has been changed in place."""
        assert self._checkpoints.pop() is to
        for memory, version, _, _ in to.data.values():
            if memory.version != version:  # what has been made since keeps the data that it was given
                _copy_data(memory.values)
        for tensor, original in reversed(to.saved):
            with torch.inference_mode(tensor.is_inference()):
                tensor.copy_(original)
        self._known, self._memories = to.known, to.memories
        for known, value, version in to.values:
            known.value, known.version = value, version
        for memory, version, stale, values in to.data.values():
            memory.version, memory.stale = version, stale
            memory.values = [value for value, _ in values]
            for value, tensor in values:
                value.tensor = tensor

    def written_since(self, checkpoint: Checkpoint) -> list[tuple[Known, Value]]:
        """The tensors that own memory which has been changed in place since, each with the value it has now."""
        return [
            (known, known.value)
            for known, value, _ in checkpoint.values
            if known.base is None and known.memory.version != checkpoint.data[id(known.memory)][1]
            if known.value is not value
        ]

    def current(self, known: Known) -> Value:
        """The value that the tensor has now; taken again from its base when the memory has changed since."""
        if known.memory.stale is not None:
            raise Unliftable(*known.memory.stale, SAME_MEMORY)
        if known.version != known.memory.version:
            if known.base is None or known.taken is None:
                raise TraceError(
                    f"a tensor of shape {tuple(known.tensor.shape)} shares memory with one that was changed in place, "
                    "and how the one was made from the other has not been seen"
                )
            base, taken = self.current(known.base), known.taken
            args, kwargs = map_values(
                (taken.args, taken.kwargs), lambda value: base if value is known.base_value else value
            )
            again = self._emit(taken.op, args, kwargs, _view_again(taken.op, args, kwargs))
            known.value = again.outputs[known.place]
            known.value.tensor = known.tensor
            known.memory.values.append(known.value)
            known.version = known.memory.version
        return known.value

    def changed(self, known: Known, value: Value) -> None:
        """`known` has been changed in place and is `value` now: carry the change to the memory's owner."""
        bases = []
        link = known
        while link.base is not None:
            self.current(link.base)
            bases.append(link.base)
            link = link.base
        known.memory.version += 1
        known.version = known.memory.version
        self.rename(known, value)
        link = known
        for base in bases:
            self.rename(base, write_back(self._emit, base, link))
            base.version = base.memory.version
            link = base


def _copy_data(values: list[Value]) -> None:
    copies: dict[int, torch.Tensor] = {}
    for value in values:
        original = value.tensor
        value.tensor = copies.setdefault(id(original), original.detach().clone())


def _view_again(op: Any, args: Any, kwargs: Any) -> Any:
    """What the view op yields today; a property is called through its getter."""
    args, kwargs = map_values((args, kwargs), lambda value: value.tensor)
    with torch._C.DisableTorchFunction():
        return op(*args, **kwargs) if callable(op) else op.__get__(*args)


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


def shares_memory(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.numel() > 0 and _storage(a) == _storage(b)


def write_back(emit: Emit, base: Known, view: Known) -> Value:
    """The base after its view has been changed: the view op run backwards, read off where the view lies in the base."""
    call, new = view.taken, view.value
    assert call is not None
    if call.op is torch.Tensor.__getitem__:  # keeps an index that was computed
        return _emitted(emit, torch.Tensor.__setitem__, (base.value, call.args[1], new), base)
    if base.tensor.is_complex() != view.tensor.is_complex():
        return _emitted(emit, *_between_parts(emit, base, view), base)
    if base.tensor.is_conj() != view.tensor.is_conj():
        new = _on_the_way(emit, torch.Tensor.conj, (new,), view.tensor.conj(), base)
    if call.op in (torch.diagonal, torch.Tensor.diagonal):
        arguments = (base.value, new, *call.args[1:])
        return emit(torch.diagonal_scatter, arguments, _without_input(call.kwargs), base.tensor).outputs[0]
    theirs, ours = _positions(base.tensor), _positions(view.tensor)
    if theirs.shape == ours.shape and torch.equal(theirs, ours):  # detach, data, contiguous, view_as, ...
        return _emitted(emit, torch.Tensor.clone, (new,), base)
    perm = _permutation(theirs, ours)
    if perm is not None:
        return _emitted(emit, torch.Tensor.permute, (new, perm), base)
    if theirs.numel() == ours.numel() and torch.equal(theirs.reshape(ours.shape), ours):
        return _emitted(emit, torch.Tensor.reshape, (new, tuple(base.tensor.shape)), base)
    box = _box(theirs, ours)
    if box is not None:
        part = theirs[box]
        if part.shape != ours.shape:
            shape = tuple(part.shape)
            new = _on_the_way(emit, torch.Tensor.reshape, (new, shape), view.tensor.reshape(shape), base)
        return _emitted(emit, torch.Tensor.__setitem__, (base.value, box, new), base)
    raise TraceError(
        f"{call} takes a view that is then changed in place, and the change cannot be carried back to the tensor of "
        f"shape {tuple(base.tensor.shape)} that it was taken from. Change that tensor itself, or take a .clone()."
    )


def _between_parts(emit: Emit, base: Known, view: Known) -> tuple[Any, tuple[Any, ...]]:
    """The op and its arguments that make a complex tensor of its changed parts, or parts of the changed complex tensor."""
    call, new, whole = view.taken, view.value, base.tensor
    assert call is not None
    if view.tensor.is_complex():
        return torch.view_as_real, (new,)
    if view.tensor.dim() > whole.dim():
        return torch.view_as_complex, (new,)
    starts = view.tensor.storage_offset() - 2 * whole.storage_offset()
    other = torch.imag if starts == 0 else torch.real
    kept = _on_the_way(emit, other, (base.value,), other(whole), base)
    return torch.complex, (new, kept) if starts == 0 else (kept, new)


def _without_input(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in kwargs.items() if name not in ("input", "self")}


def _emitted(emit: Emit, op: Any, args: tuple[Any, ...], base: Known) -> Value:
    return emit(op, args, {}, base.tensor).outputs[0]


def _on_the_way(emit: Emit, op: Any, args: tuple[Any, ...], tensor: torch.Tensor, base: Known) -> Value:
    """A step between view and base: it lies in their memory, and keeps its data when that is changed again."""
    value = emit(op, args, {}, tensor).outputs[0]
    base.memory.values.append(value)
    return value


def _positions(tensor: torch.Tensor) -> torch.Tensor:
    """Where in memory each element lies."""
    reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    offset = int(tensor.storage_offset())
    return torch.arange(offset, offset + reach + 1).as_strided(tensor.shape, tensor.stride())


def _permutation(base: torch.Tensor, view: torch.Tensor) -> tuple[int, ...] | None:
    """The `permute` that takes the view back to the base, when the view is a permutation of its dims."""
    if base.dim() != view.dim() or sorted(base.shape) != sorted(view.shape):
        return None
    left = list(range(view.dim()))
    perm = []
    for size, stride in zip(base.shape, base.stride(), strict=True):
        match = [dim for dim in left if view.shape[dim] == size and (size == 1 or view.stride(dim) == stride)]
        if not match:
            return None
        perm.append(match[0])
        left.remove(match[0])
    return tuple(perm) if torch.equal(view.permute(perm), base) else None


def _box(base: torch.Tensor, view: torch.Tensor) -> tuple[slice, ...] | None:
    """The index, one slice a dim, that picks the view's elements, when they are a box in the base."""
    if view.numel() == 0:
        return None
    index = []
    first, last = view.flatten()[0], view.flatten()[-1]
    start, stop = ((base == place).nonzero() for place in (first, last))
    if len(start) != 1 or len(stop) != 1:
        return None
    for dim, (begin, end) in enumerate(zip(start[0].tolist(), stop[0].tolist(), strict=True)):
        if end < begin:
            return None
        step = 1
        if end > begin:
            along = base.movedim(dim, 0)[:, *start[0].tolist()[:dim], *start[0].tolist()[dim + 1 :]]
            inside = torch.isin(along[begin : end + 1], view.reshape(-1)).nonzero().flatten()
            step = int(inside[1]) if len(inside) > 1 else end - begin
        whole = begin == 0 and step == 1 and end == base.shape[dim] - 1
        index.append(slice(None) if whole else slice(begin, end + 1, step))
    box = tuple(index)
    part = base[box]
    return box if part.numel() == view.numel() and torch.equal(part.flatten(), view.flatten()) else None


def assigns_to_itself(target: torch.Tensor, index: Any, value: Any) -> bool:
    """`x[i] = v` where v is that very part of x."""
    if not isinstance(value, torch.Tensor) or not shares_memory(target, value):
        return False
    with torch._C.DisableTorchFunction():
        part = target[index]
        return (
            shares_memory(part, value)
            and part.shape == value.shape
            and part.stride() == value.stride()
            and part.storage_offset() == value.storage_offset()
            and part.dtype == value.dtype
            and (part.is_conj(), part.is_neg()) == (value.is_conj(), value.is_neg())
        )
