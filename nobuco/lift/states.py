"""The variables that a block may change, read after it, and the ways in which two such readings can differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _pytree as pytree

from nobuco.trace.calls import Value
from nobuco.trace.tracer import Tracer

NUMBERS = (bool, int, float)


class Undefined:
    """A variable that has not been set."""

    def __init__(self, name: str) -> None:
        self.name = name


class UndefinedReturnValue:
    """What a function returns before it has come to a `return`."""


@dataclass(frozen=True)
class Leaf:
    """A tensor with the value that it has in the block, or whatever else Python holds there."""

    item: Any
    value: Value | None = None


@dataclass(frozen=True)
class Variable:
    """What one variable holds, taken apart."""

    leaves: list[Leaf]
    spec: Any

    @property
    def undefined(self) -> bool:
        return len(self.leaves) == 1 and is_undefined(self.leaves[0].item)


def read(tracer: Tracer, state: tuple[Any, ...]) -> list[Variable]:
    """The variables as they are now."""
    return [variable(tracer, each) for each in state]


def variable(tracer: Tracer, held: Any) -> Variable:
    items, spec = pytree.tree_flatten(held)
    return Variable([Leaf(item, tracer.values(item) if is_tensor(item) else None) for item in items], spec)


def is_undefined(item: Any) -> bool:
    return isinstance(item, Undefined | UndefinedReturnValue)


def is_tensor(item: Any) -> bool:
    return isinstance(item, torch.Tensor)


def is_number(item: Any) -> bool:
    return isinstance(item, NUMBERS)


def same(one: Leaf, other: Leaf) -> bool:
    """Whether Python goes on with the same, whichever it is."""
    if one.value is not None or other.value is not None:
        return one.value is other.value and one.item is other.item
    if is_number(one.item) and is_number(other.item):
        return type(one.item) is type(other.item) and (
            one.item == other.item or (one.item != one.item and other.item != other.item)
        )
    return one.item is other.item or (
        type(one.item) is type(other.item)
        and isinstance(one.item, str | bytes | torch.dtype)
        and one.item == other.item
    )


def kind(leaf: Leaf) -> str:
    """What a leaf is, for a message."""
    if leaf.value is not None:
        return (
            f"a tensor of shape {leaf.value.shape} and {str(leaf.value.tensor.dtype).removeprefix('torch.')}"
        )
    if isinstance(leaf.item, UndefinedReturnValue) or leaf.item is None:
        return "None"
    if isinstance(leaf.item, Undefined):
        return "not set"
    return (
        f"the {type(leaf.item).__name__} {leaf.item!r}"
        if is_number(leaf.item)
        else f"a {type(leaf.item).__name__}"
    )


def number_as_tensor(item: Any, dtype: torch.dtype | None = None) -> torch.Tensor:
    """A Python number as PyTorch would make a tensor of it: int64, float32 or bool."""
    return torch.tensor(item, dtype=dtype)


def common_dtype(
    one: Leaf, other: Leaf, stands_for_number: Callable[[Value], bool] = lambda value: False
) -> torch.dtype | None:
    """Of a Python number and another one, or a tensor without dims: the dtype of both as tensors; None where there is none
    that keeps the kind of both. A tensor that stands for a Python number may become one of another kind, as numbers do."""
    dtypes = [
        each.value.tensor.dtype if each.value is not None else number_as_tensor(each.item).dtype
        for each in (one, other)
    ]
    scalars = all(each.value is None or each.value.rank == 0 for each in (one, other))
    if not scalars or (torch.bool in dtypes and dtypes[0] is not dtypes[1]):
        return None
    for leaf, dtype in zip((one, other), dtypes, strict=True):
        if leaf.value is not None and not stands_for_number(leaf.value):
            partner = dtypes[1] if leaf is one else dtypes[0]
            return dtype if dtype.is_floating_point or not partner.is_floating_point else None
    return torch.promote_types(*dtypes)


def rebuilt(spec: Any, leaves: list[Any]) -> Any:
    return pytree.tree_unflatten(leaves, spec)


def filled(like: Variable, zeros: Callable[[torch.Tensor], Leaf]) -> Variable:
    """A variable that has not been set, as if it had: whoever reads it without having set it fails in Python, too."""
    return Variable(
        [leaf if leaf.value is None else zeros(leaf.value.tensor) for leaf in like.leaves], like.spec
    )
