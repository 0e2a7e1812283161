"""What a PyTorch function that is written in C++, and has no converter, is made of; in PyTorch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from nobuco.contract.sites import operator_name

F = TypeVar("F", bound=Callable[..., Any])

_compositions: dict[Any, Callable[..., Any]] = {}


def composition(*ops: Any) -> Callable[[F], F]:
    """Says that `ops` do what the decorated function does, which is written with other PyTorch functions.

    It takes the arguments of the op and returns what the op returns. While a model is traced it runs in the place of an
    op without a converter, and what it calls is converted. A later composition replaces an earlier one. A tuple that it
    returns gets the names that the op's has (`values`, `indices`)."""

    def register(function: F) -> F:
        for op in ops:
            _compositions[op] = _named(function, op)
        return function

    return register


def _named(function: Callable[..., Any], op: Any) -> Callable[..., Any]:
    kind = getattr(torch.return_types, getattr(op, "__name__", ""), None)
    if kind is None:
        return function

    @functools.wraps(function)
    def named(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return kind(result) if isinstance(result, tuple) else result

    return named


def composition_of(op: Any) -> Callable[..., Any] | None:
    return _compositions.get(op) or _compositions.get(operator_name(op)) or _in_place(op)


def _in_place(op: Any) -> Callable[..., Any] | None:
    """Of `Tensor.index_reduce_`, what is known of `Tensor.index_reduce`."""
    name = getattr(op, "__name__", "")
    if not name.endswith("_") or name.endswith("__") or getattr(torch.Tensor, name, None) is not op:
        return None
    function = _compositions.get(getattr(torch.Tensor, name[:-1], None))
    if function is None:
        return None
    return lambda self, *args, **kwargs: self.copy_(function(self, *args, **kwargs))


def all_compositions() -> dict[Any, Callable[..., Any]]:
    return dict(_compositions)
