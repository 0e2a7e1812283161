"""Runs the body of a PyTorch function that is itself written in Python, so that the calls inside it are seen.

Such a function starts with `if has_torch_function(...): return handle_torch_function(...)`, which under a mode would
only lead back to us. The body is therefore run from a copy of the function whose own guards answer no; the calls that
it makes reach the mode as usual. Nothing of PyTorch's is changed."""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import cache
from typing import Any

# what a function or a method written in C++ is in Python
_NATIVE = (types.BuiltinFunctionType, types.MethodDescriptorType)

_GUARDS = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")


def has_body(op: Any) -> bool:
    """Whether `op` is a Python function of PyTorch's that asks the mode first, and so can be looked into."""
    return (
        isinstance(op, types.FunctionType)
        and (op.__module__ or "").startswith("torch")
        and any(guard in _names(op.__code__) and guard in op.__globals__ for guard in _GUARDS)
    )


@cache
def body_of(op: Callable[..., Any]) -> Callable[..., Any]:
    assert isinstance(op, types.FunctionType)
    unguarded = {**op.__globals__, **{guard: lambda *_: False for guard in _GUARDS}}
    body = types.FunctionType(op.__code__, unguarded, op.__name__, op.__defaults__, op.__closure__)
    body.__kwdefaults__ = op.__kwdefaults__
    return body


def _names(code: types.CodeType) -> set[str]:
    return set(code.co_names)


def is_native(op: Any) -> bool:
    """Whether `op` is one of PyTorch's functions or methods that are written in C++."""
    return isinstance(op, _NATIVE)


def decomposition_of(op: Any) -> Callable[..., Any] | None:
    """What PyTorch knows an operation of the dispatcher, which has no converter, to be made of; in Python."""
    from torch._decomp import decomposition_table  # loaded when there is need: it takes a second

    return decomposition_table.get(op)
