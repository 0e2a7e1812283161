"""Sizes that remember being sizes: whole numbers that note what Python compares them with.

A branch on a size goes one way in the traced run. At which size it would go the other way, the comparison tells; a plain
number would not."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from nobuco.contract.sites import Site, invocation_site
from nobuco.contract.tree import tree_map


@dataclass(frozen=True)
class Comparison:
    """`margin` is by how much the left side was larger; `exact`: only equality was asked for."""

    site: Site | None
    margin: float
    outcome: bool
    exact: bool


Log = list[Comparison]

_QUERIES = {
    torch.Tensor.shape,
    torch.Tensor.size,
    torch.Tensor.numel,
    torch.Tensor.nelement,
    torch.numel,
    torch.Tensor.stride,
}


def asks_for_sizes(op: Any) -> bool:
    return op in _QUERIES


def noting(result: Any, log: Log) -> Any:
    """`result` of a question for sizes, its numbers noting in `log` what they are compared with."""
    if type(result) is int:
        return Size.noting(result, log)
    if isinstance(result, torch.Size):
        return torch.Size([Size.noting(size, log) for size in result])
    return tuple(Size.noting(size, log) for size in result) if type(result) is tuple else result


def plain(tree: Any) -> Any:
    """`tree` with plain numbers in place of such sizes."""

    def number(leaf: Any) -> Any:
        return (
            int.__int__(leaf)
            if isinstance(leaf, Size)
            else float.__float__(leaf)
            if isinstance(leaf, Ratio)
            else leaf
        )

    return tree_map(number, tree)


class _Noting:
    """What `Size` and `Ratio` have in common. `_log` is set by `noting`."""

    _log: Log

    @classmethod
    def noting(cls, number: Any, log: Log) -> Any:
        self = cls(number)  # type: ignore[call-arg]
        self._log = log
        return self

    def __hash__(self) -> int:
        return self._base.__hash__(self)  # type: ignore[attr-defined]

    def __bool__(self) -> bool:
        return self._noted(self._value() != 0, 0, exact=True)

    def _value(self) -> Any:
        return self._base(self._base.__pos__(self))  # type: ignore[attr-defined]

    def _noted(self, outcome: bool, other: Any, exact: bool) -> bool:
        margin = float(self._value()) - float(other)
        self._log.append(Comparison(invocation_site(), margin, outcome, exact))
        return outcome


def _compared(compare: Callable[[Any, Any], bool]) -> Any:
    exact = compare in (operator.eq, operator.ne)

    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, int | float):
            return NotImplemented
        right = other._value() if isinstance(other, _Noting) else other
        return self._noted(compare(self._value(), right), right, exact)

    return method


def _computed(compute: Callable[..., Any], reverse: bool = False) -> Any:
    def method(self: Any, *others: Any) -> Any:
        if not all(isinstance(other, int | float) for other in others):
            return NotImplemented
        rights = [other._value() if isinstance(other, _Noting) else other for other in others]
        operands = (*rights, self._value()) if reverse else (self._value(), *rights)
        return _again(compute(*operands), self._log)

    return method


def _again(result: Any, log: Log) -> Any:
    if type(result) is int:
        return Size.noting(result, log)
    if type(result) is float:
        return Ratio.noting(result, log)
    return tuple(_again(each, log) for each in result) if isinstance(result, tuple) else result


class Size(_Noting, int):
    _base = int


class Ratio(_Noting, float):
    _base = float


for _class in (Size, Ratio):
    for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
        setattr(_class, f"__{_name}__", _compared(getattr(operator, _name)))
    for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
        setattr(_class, f"__{_name}__", _computed(getattr(operator, _name)))
        setattr(_class, f"__r{_name}__", _computed(getattr(operator, _name), reverse=True))
    for _name, _function in (
        ("divmod", divmod), ("round", round), ("ceil", math.ceil), ("floor", math.floor), ("trunc", math.trunc),
        ("neg", operator.neg), ("abs", abs),
    ):  # fmt: skip
        setattr(_class, f"__{_name}__", _computed(_function))
