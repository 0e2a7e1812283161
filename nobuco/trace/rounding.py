"""What Python and PyTorch's own checks do with a traced size, which is a tensor: `math.ceil(h / 2)` is one where `h` is,
and a check of PyTorch's holds or fails as for the number."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

_ROUNDINGS: dict[str, tuple[Callable[[Any], torch.Tensor], Callable[..., Any]]] = {
    "__ceil__": (torch.ceil, math.ceil),
    "__floor__": (torch.floor, math.floor),
    "__trunc__": (torch.trunc, math.trunc),
    "__round__": (torch.round, round),  # both to the even one
}


@contextmanager
def rounded_as_tensors() -> Iterator[None]:
    """Gives tensors the methods that `math.ceil`, `math.floor`, `math.trunc`, `round` and `divmod` ask for, which PyTorch
    leaves out: they would read the value, or refuse it. `int` has no such way: Python insists on a number. The methods that
    only a Python integer has read the value, too, which is told as every such read is."""
    methods = {name: _rounding(*both) for name, both in _ROUNDINGS.items()} | _DIVISIONS | _INTEGERS
    before = {name: torch.Tensor.__dict__.get(name) for name in methods}
    for name, method in methods.items():
        setattr(torch.Tensor, name, method)
    try:
        yield
    finally:
        for name, method in before.items():
            if method is None:
                delattr(torch.Tensor, name)
            else:
                setattr(torch.Tensor, name, method)


def _rounding(on_tensors: Callable[[Any], torch.Tensor], on_numbers: Callable[..., Any]) -> Any:
    def method(self: torch.Tensor, *digits: Any) -> Any:
        if self.dim() != 0 or digits:
            return on_numbers(self.item(), *digits)
        return on_tensors(self).to(torch.int32) if self.is_floating_point() else self

    return method


def _divided(by: Any, of: Any) -> Any:
    if any(isinstance(each, torch.Tensor) and each.dim() for each in (by, of)):
        return NotImplemented
    return of // by, of % by


_DIVISIONS: dict[str, Any] = {
    "__divmod__": lambda self, other: _divided(other, self),
    "__rdivmod__": lambda self, other: _divided(self, other),
}


def _of_integer(name: str) -> Any:
    return lambda self, *args, **kwargs: getattr(self.item(), name)(*args, **kwargs)


_INTEGERS: dict[str, Any] = {
    name: _of_integer(name) for name in ("bit_length", "bit_count", "to_bytes", "as_integer_ratio")
}


@contextmanager
def checked_as_numbers(unrecorded: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """`torch._check` and its kin, by which PyTorch's own functions compare sizes, take no tensor. What runs inside
    `unrecorded()` is no call of the program's: a check that holds changes nothing."""
    check: Any = torch._check_with  # type: ignore[attr-defined]

    def checked(error_type: Any, cond: Any, message: Any) -> None:
        if isinstance(cond, torch.Tensor) and cond.dim() == 0:
            with unrecorded():
                cond = bool(cond)
        check(error_type, cond, message)

    torch._check_with = checked  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch._check_with = check  # type: ignore[attr-defined]
