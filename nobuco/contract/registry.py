"""Which converter handles which PyTorch function, method or module.

A node converter is a callable that takes the arguments of the PyTorch call (the real tensors of the traced run) and
returns a callable that takes the same arguments with TensorFlow tensors in place of PyTorch's."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import nn

from nobuco.contract.arguments import uniform, uniform_layout
from nobuco.contract.channel_order import ChannelOrderingStrategy, Layout
from nobuco.contract.sites import Site, name_of
from nobuco.errors import NobucoError

C = TypeVar("C", bound=Callable[..., Any])

# (layout of the inputs, *arguments of the PyTorch call) -> the outputs' layout, or None where this layout won't do
OutputLayout = Callable[..., "Layout | list[Layout] | None"]


@dataclass(frozen=True)
class Converter:
    """A registered converter.

    `any_layout`: the op works element by element, so that any layout is as good as another.
    `output_layout`: for an op whose outputs stand in another layout than its inputs, or that can do without a
    transpose in some layouts only."""

    function: Callable[..., Any]
    strategy: ChannelOrderingStrategy
    ops: tuple[Any, ...]
    reusable: bool = True
    any_layout: bool = False
    output_layout: OutputLayout | None = None
    builtin: bool = False
    location: Site | None = field(default=None, compare=False)


_converters: dict[Any, Converter] = {}
_by_name: dict[str, Any] = {}


def converter(
    *ops: Any, channel_ordering_strategy: ChannelOrderingStrategy, reusable: bool = True
) -> Callable[[C], C]:
    """Registers the decorated function as the node converter of PyTorch functions, methods or module classes.

    Args:
        ops: what is converted: `F.relu`, `torch.Tensor.add`, `nn.LSTM`, or a function marked `@traceable`.
        channel_ordering_strategy: what the converter demands of the channel order of its inputs.
        reusable: whether a module that is called several times is converted once, and its weights are shared.

    A later registration of the same op replaces the earlier one."""

    def register(function: C) -> C:
        _add(Converter(function, channel_ordering_strategy, ops, reusable, location=_location(function)))
        return function

    return register


def builtin(
    *ops: Any,
    strategy: ChannelOrderingStrategy = ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS,
    any_layout: bool = False,
    output_layout: OutputLayout | None = None,
) -> Callable[[C], C]:
    """Registers one of nobuco's own converters; two for one op are a mistake of ours, and raise."""

    ops = tuple(dict.fromkeys(ops))  # some of PyTorch's names are one object

    def register(function: C) -> C:
        for op in ops:
            if op in _converters:
                raise ValueError(f"{name_of(op)} has a converter already: {_converters[op].location}")
        _add(
            Converter(
                uniform(function),
                strategy,
                ops,
                any_layout=any_layout,
                output_layout=output_layout and uniform_layout(output_layout, function),
                builtin=True,
                location=_location(function),
            )
        )
        return function

    return register


def _add(entry: Converter) -> None:
    if not entry.ops:
        raise ValueError("a converter needs at least one PyTorch function, method or module class to convert")
    for op in entry.ops:
        if isinstance(op, nn.Module):
            raise TypeError(f"register the class {type(op).__name__}, not an instance of it")
        if isinstance(op, str):
            raise TypeError(f"{op!r} is no PyTorch function: give the function or class itself, as in F.relu")
        _converters[op] = entry
        _by_name[name_of(op)] = op


def _location(function: Callable[..., Any]) -> Site | None:
    function = _unwrapped(function)
    try:
        return Site(inspect.getsourcefile(function) or "?", inspect.getsourcelines(function)[1])
    except (OSError, TypeError):  # defined at an interactive prompt
        return None


def _unwrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    function = inspect.unwrap(function)
    return function.func if isinstance(function, functools.partial) else function


def find_converter(op: Any) -> Converter | None:
    """The converter of a function, a method, a module class or a module; None where there is none.

    A subclass of a module is handled by its parent's converter as long as it keeps the parent's `forward`."""
    if isinstance(op, nn.Module):
        op = type(op)
    if isinstance(op, type) and issubclass(op, nn.Module):
        for cls in op.__mro__:
            if cls in _converters:
                return _converters[cls]
            if "forward" in cls.__dict__:
                return None
        return None
    try:
        return _converters.get(op)
    except TypeError:  # not hashable: nothing that can have been registered
        return None


def op_named(name: str) -> Any:
    """The inverse of `name_of` for registered ops; how a saved model finds its converters again."""
    if name not in _by_name:
        raise NobucoError(
            f'this model was converted with a converter for "{name}", which is not registered here. Import the module '
            "that registers it before you load the model."
        )
    return _by_name[name]


def all_converters() -> list[Converter]:
    return list({id(entry): entry for entry in _converters.values()}.values())


def locate_converter(node: Any) -> tuple[str, str]:
    """Finds the converter of a PyTorch function, method or module.

    Returns:
        A link (`File "...", line N`, which terminals and editors open) and the converter's source code."""
    entry = find_converter(node)
    if isinstance(node, str):
        raise NobucoError(f"{node!r} is no PyTorch function: give the function or class itself, as in F.relu")
    if entry is None:
        raise NobucoError(
            f"{name_of(node) if not isinstance(node, nn.Module) else type(node).__name__} has no converter"
        )
    return str(entry.location or "<unknown>"), source_of(entry)


def source_of(entry: Converter) -> str:
    try:
        return inspect.getsource(_unwrapped(entry.function))
    except (OSError, TypeError):
        return f"<the source of {entry.function!r} is not available>"


def spellings(name: str) -> tuple[Any, ...]:
    """Every way PyTorch has of writing one op: torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, F.relu, F.relu_."""
    homes = (torch, torch.Tensor, nn.functional, torch.special)
    found = (
        getattr(home, each, None)
        for home in homes
        for each in (name, f"{name}_", f"__{name}__", f"__i{name}__")
    )
    return tuple(dict.fromkeys(op for op in found if callable(op)))
