"""What a node converter may ask about the call it converts, beyond the arguments it is given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass(frozen=True)
class ConversionContext:
    """`constants` holds the ids of the tensors that no input of the model can change: weights, tables; `nonnegative`
    those of the tensors that are outcomes of a ReLU or the like; `in_32_bits` those of 64-bit integers that need no more
    than 32. `notes`: what the converter has to say of the call in the report."""

    constants: frozenset[int] = frozenset()
    nonnegative: frozenset[int] = frozenset()
    in_32_bits: frozenset[int] = frozenset()
    dynamic: bool = (
        False  # some input has dims of unknown size: sizes of the traced tensors are examples only
    )
    notes: list[str] = field(default_factory=list)


_current: ContextVar[ConversionContext | None] = ContextVar("nobuco_conversion", default=None)


@contextmanager
def converting(context: ConversionContext) -> Iterator[None]:
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)


def is_constant(tensor: Any) -> bool:
    """Whether a PyTorch argument of the call being converted has the same value whatever the model's inputs."""
    context = _current.get()
    return (
        tensor is None
        or not isinstance(tensor, torch.Tensor)
        or (context is not None and id(tensor) in context.constants)
    )


def is_dynamic() -> bool:
    """Whether the model being converted has inputs with dims of unknown size."""
    context = _current.get()
    return context is not None and context.dynamic


def is_nonnegative(tensor: torch.Tensor) -> bool:
    """Whether a tensor is known to have no negative element, whatever the model's inputs."""
    context = _current.get()
    return context is not None and id(tensor) in context.nonnegative


def fits_32_bits(operand: Any) -> bool:
    """Whether an integer argument is known to need no more than 32 bits, whatever the model's inputs."""
    if isinstance(operand, int):
        return -(1 << 31) <= operand < 1 << 31
    context = _current.get()
    return context is not None and id(operand) in context.in_32_bits


def note(said: str) -> None:
    """Has the report say something of the call being converted."""
    context = _current.get()
    if context is not None and said not in context.notes:
        context.notes.append(said)
