"""Python's own rounding of a traced size, followed: `math.ceil(h / 2)` is a tensor where `h` is one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    """Gives tensors the methods that `math.ceil`, `math.floor`, `math.trunc` and `round` ask for, which PyTorch leaves out:
    they would read the value. `int` has no such way: Python insists on a number."""
    before = {name: torch.Tensor.__dict__.get(name) for name in _ROUNDINGS}
    for name, (on_tensors, on_numbers) in _ROUNDINGS.items():
        setattr(torch.Tensor, name, _rounding(on_tensors, on_numbers))
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
