"""What a PyTorch function that is written in C++, and has no converter, is made of; in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_compositions: dict[Any, Callable[..., Any]] = {}


def composition(*ops: Any) -> Callable[[F], F]:
    """Says that `ops` do what the decorated function does, which is written with other PyTorch functions.

    It takes the arguments of the op and returns what the op returns. While a model is traced it runs in the place of an
    op without a converter, and what it calls is converted. A later composition replaces an earlier one."""

    def register(function: F) -> F:
        for op in ops:
            _compositions[op] = function
        return function

    return register


def composition_of(op: Any) -> Callable[..., Any] | None:
    return _compositions.get(op)


def all_compositions() -> dict[Any, Callable[..., Any]]:
    return dict(_compositions)
