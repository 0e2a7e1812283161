"""Which calls may share one converted layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from nobuco.contract.sites import name_of
from nobuco.layout.planner import Mode
from nobuco.trace.calls import Call, Value

# What is equal only where it is the same.
_PLAIN = (type(None), bool, int, str, bytes, torch.dtype, torch.device, torch.memory_format, torch.layout)


class _Unsure(Exception):
    """An argument of which nobody can say whether two are the same."""


def sharing_key(
    call: Call,
    mode: Mode,
    static_shape: Callable[[Value], tuple[int | None, ...]] = lambda value: value.shape,
) -> Any:
    """Equal for calls of one module, or on one weight, with equal arguments; None where that cannot be told."""
    if not isinstance(call.op, nn.Module) and not any(v.constant and v.path for v in call.inputs):
        return None  # nothing to share
    try:
        arguments = _key((call.args, call.kwargs), static_shape)
    except _Unsure:
        return None
    return id(call.op) if isinstance(call.op, nn.Module) else name_of(call.op), mode.inputs, arguments


def _key(item: Any, static_shape: Callable[[Value], tuple[int | None, ...]]) -> Any:
    """Hashable, and equal for equal arguments; the type is part of it, since 1, 1.0 and True are equal in Python."""
    if isinstance(item, Value):
        if item.constant:
            return "constant", id(item.tensor)
        return "graph", item.shape, static_shape(item), item.tensor.dtype
    if item is Ellipsis or isinstance(item, type):
        return item
    if type(item) in _PLAIN:
        return type(item), item
    if type(item) in (float, complex):
        return type(item), repr(item)  # NaN is equal to itself, and -0.0 is not 0.0
    if isinstance(item, slice):
        return slice, _key((item.start, item.stop, item.step), static_shape)
    if isinstance(item, list | tuple):
        return type(item), *(_key(each, static_shape) for each in item)
    if isinstance(item, dict):
        return type(item), *(_key(pair, static_shape) for pair in item.items())
    if isinstance(item, np.ndarray) and not item.dtype.hasobject:
        return np.ndarray, item.dtype.str, item.shape, item.tobytes()
    raise _Unsure
