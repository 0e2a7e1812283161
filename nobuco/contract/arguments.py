"""One spelling of a call's arguments: PyTorch takes `x.sum(1)`, `torch.sum(input=x, axis=1)` and `out=` alike."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras

from nobuco.contract.results import LayerChain

_FIRST = ("input", "self", "x", "x1", "a", "tensor", "tensors")

# What an argument is called by NumPy, by another op that the same converter serves, or by another form of the op, and what
# a converter may call it.
_SYNONYMS = {
    "axis": ("dim",),
    "keepdims": ("keepdim",),
    "x2": ("other",),
    "other": ("src",),
    "mat2": ("other", "b"),
    "vec": ("other", "b"),
    "tensor": ("other",),
    "mat1": ("a",),
    "mat": ("a",),
    "vec1": ("a",),
    "vec2": ("b",),
    "batch1": ("a",),
    "batch2": ("b",),
    "indices": ("indices_or_sections",),
    "sections": ("indices_or_sections",),
    "tensor_indices_or_sections": ("indices_or_sections",),
}


def uniform(function: Callable[..., Any]) -> Callable[..., Any]:
    """The converter `function`, called with its arguments by place as far as they go and by its own names.

    The function that it returns is called in the same way. `out=` is left out: where a result is written to is the
    tracer's business."""
    arrange = _arrangement(inspect.signature(function))

    @functools.wraps(function)
    def converter(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = arrange(args, kwargs)
        result = function(*args, **kwargs)
        if isinstance(result, LayerChain | keras.layers.Layer) or not callable(result):
            return result
        return functools.partial(_called, arrange, result)

    return converter


def uniform_layout(output_layout: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """`output_layout`, called with the arguments as the converter `function` is."""
    arrange = _arrangement(inspect.signature(function))

    @functools.wraps(output_layout)
    def called(layout: Any, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = arrange(args, kwargs)
        return output_layout(layout, *args, **kwargs)

    return called


def by_name(
    accepts: Callable[[Any], str | None], function: Callable[..., Any], arranged: bool = False
) -> Callable[..., str | None]:
    """`accepts`, called with one object that has each argument under the name that the converter `function` gives it,
    defaults filled in. `arranged`: the function is called by way of `uniform`."""
    signature = inspect.signature(function)
    arrange = _arrangement(signature) if arranged else lambda args, kwargs: (args, kwargs)

    def asked(*args: Any, **kwargs: Any) -> str | None:
        args, kwargs = arrange(args, kwargs)
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:  # the converter itself will say what does not fit
            return None
        bound.apply_defaults()
        return accepts(SimpleNamespace(**bound.arguments))

    return asked


def _called(arrange: Callable[..., Any], function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    args, kwargs = arrange(args, kwargs)
    return function(*args, **kwargs)


def _arrangement(
    signature: inspect.Signature,
) -> Callable[[tuple[Any, ...], dict[str, Any]], tuple[Any, Any]]:
    parameters = signature.parameters.values()
    by_place = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    open_ended = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    named = set(signature.parameters)

    def arrange(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        kwargs = {_own_name(name, named): value for name, value in kwargs.items() if name != "out"}
        placed = list(args)
        if not placed:
            first = next((name for name in (*by_place[:1], *_FIRST) if name in kwargs), None)
            if first is not None:
                placed.append(kwargs.pop(first))
        if not open_ended or len(placed) < len(by_place):
            for name in by_place[len(placed) :]:
                if name not in kwargs:
                    break
                placed.append(kwargs.pop(name))
        return tuple(placed), kwargs

    return arrange


def _own_name(name: str, named: set[str]) -> str:
    if name in named:
        return name
    return next((each for each in _SYNONYMS.get(name, ()) if each in named), name)
