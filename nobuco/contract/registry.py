"""Which converters there are for which PyTorch function, method or module.

A node converter is a callable that takes the arguments of the PyTorch call (the real tensors of the traced run) and
returns a callable that takes the same arguments with TensorFlow tensors in place of PyTorch's. An op may have several:
users' before nobuco's own, the latest first; the first that accepts a call converts it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import nn

from nobuco.contract.arguments import by_name, uniform, uniform_layout
from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.converter import Accepts, Aligned, Converter, Impossible, OutputLayout, unwrapped
from nobuco.contract.sites import definition_site, name_of, operator_name
from nobuco.errors import NobucoError

C = TypeVar("C", bound=Callable[..., Any])

# In the order in which they are asked. Tuples, so that a shallow copy is a snapshot.
_converters: dict[Any, tuple[Converter, ...]] = {}
_by_name: dict[str, Any] = {}


def converter(
    *ops: Any,
    channel_ordering_strategy: ChannelOrderingStrategy,
    reusable: bool = True,
    any_layout: bool = False,
    output_layout: OutputLayout | None = None,
    accepts: Accepts | None = None,
    nonnegative: bool = False,
    output_varies: bool = False,
) -> Callable[[C], C]:
    """Registers the decorated function as the node converter of PyTorch functions, methods or module classes.

    It is asked before those that are registered already. A function of the same module and name replaces the earlier one,
    so that a cell of a notebook can be run again.

    Args:
        ops: what is converted: `F.relu`, `torch.Tensor.add`, `nn.LSTM`, a function marked `@traceable`, or a custom
            operator, also by its name (`"torchvision::nms"`), under which it need not be loaded yet.
        channel_ordering_strategy: what the converter demands of the channel order of its inputs.
        reusable: whether a module that is called several times is converted once, and its weights are shared.
        any_layout: with MINIMUM_TRANSPOSITIONS, for an op that works element by element: every layout will do.
        output_layout: for an op that needs no transpose although it moves dims: called with the layout of the inputs
            (axis i of the TensorFlow tensor holds PyTorch dim `layout[i]`) and the arguments of the call, it returns
            the layout of the output (a list of them for several outputs), or None where this layout will not do.
        accepts: called with an object that holds the arguments of the call, each under the name that the decorated
            function gives it, it returns None when the converter takes them, else the reason why not. Then the next
            converter is asked, and after the last one the op's own body is looked into; `nobuco.Impossible(reason)`
            ends the search.
        nonnegative: no element of the outcome is below zero, whatever the input.
        output_varies: how many elements an output has depends on the values of the inputs, as in `torch.nonzero`. What
            Python makes of such a size is told as for inputs of unknown size.
    """

    def register(function: C) -> C:
        _add(
            Converter(
                function,
                channel_ordering_strategy,
                ops,
                reusable=reusable,
                any_layout=any_layout,
                output_layout=output_layout,
                accepts=accepts and by_name(accepts, function),
                nonnegative=nonnegative,
                output_varies=output_varies,
                location=definition_site(unwrapped(function)),
            )
        )
        return function

    return register


def builtin(
    *ops: Any,
    strategy: ChannelOrderingStrategy = ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS,
    any_layout: bool = False,
    output_layout: OutputLayout | None = None,
    inner_transposes: Callable[..., int] | None = None,
    accepts: Accepts | None = None,
    nonnegative: bool = False,
    aligned: Aligned | None = None,
    output_varies: bool = False,
) -> Callable[[C], C]:
    """Registers one of nobuco's own converters; two for one op are a mistake of ours, and raise.

    The arguments mean what they mean to `converter`, `inner_transposes` and `aligned` what they mean to `Converter`;
    besides, the function, `output_layout`, `inner_transposes` and `accepts` are called with the call's arguments in one
    spelling, whichever the program used."""

    ops = tuple(dict.fromkeys(ops))  # some of PyTorch's names are one object

    def register(function: C) -> C:
        for op in ops:
            if taken := [entry for entry in _converters.get(op, ()) if entry.builtin]:
                raise ValueError(f"{name_of(op)} has a converter already: {taken[0].location}")
        _add(
            Converter(
                uniform(function),
                strategy,
                ops,
                any_layout=any_layout,
                output_layout=output_layout and uniform_layout(output_layout, function),
                inner_transposes=inner_transposes and uniform_layout(inner_transposes, function),
                accepts=accepts and by_name(accepts, function, arranged=True),
                nonnegative=nonnegative,
                aligned=aligned,
                output_varies=output_varies,
                builtin=True,
                location=definition_site(unwrapped(function)),
            )
        )
        return function

    return register


def impossible(*ops: Any, because: str) -> None:
    """Registers ops that no graph can hold, so that they are refused with the reason and not looked into."""

    def refused(*args: Any, **kwargs: Any) -> Any:
        raise NobucoError(because)

    builtin(*ops, accepts=lambda call: Impossible(because))(refused)


@contextmanager
def converters() -> Iterator[None]:
    """Takes back, at the end of the block, every converter that was registered inside it."""
    before = dict(_converters), dict(_by_name)
    try:
        yield
    finally:
        for now, then in zip((_converters, _by_name), before, strict=True):
            now.clear()
            now.update(then)


def _add(entry: Converter) -> None:
    if not entry.ops:
        raise ValueError("a converter needs at least one PyTorch function, method or module class to convert")
    for op in entry.ops:
        if isinstance(op, nn.Module):
            raise TypeError(f"register the class {type(op).__name__}, not an instance of it")
        if isinstance(op, str) and "::" not in op:
            raise TypeError(f"{op!r} is no PyTorch function: give the function or class itself, as in F.relu")
        there = _converters.get(op, ())
        others = [each for each in there if not each.builtin and not _same_function(each, entry)]
        own = [each for each in there if each.builtin]
        _converters[op] = (*others, *own, entry) if entry.builtin else (entry, *others, *own)
        _by_name[saved_name(op)] = op


def _same_function(one: Converter, other: Converter) -> bool:
    """Whether a cell of a notebook was run again: a function of the earlier one's module and name."""
    first, second = unwrapped(one.function), unwrapped(other.function)
    name = getattr(first, "__qualname__", "<unnamed>")
    return (
        "<" not in name  # lambdas, and functions made inside others, may share a name and differ
        and name == getattr(second, "__qualname__", None)
        and getattr(first, "__module__", None) == getattr(second, "__module__", None)
        and one.ops == other.ops
    )


def converters_of(op: Any) -> tuple[Converter, ...]:
    """The converters of a function, a method, a module class or a module, in the order in which they are asked.

    A subclass of a module is handled by its parent's converters as long as it keeps the parent's `forward`."""
    if isinstance(op, nn.Module):
        op = type(op)
    if isinstance(op, type) and issubclass(op, nn.Module):
        found: tuple[Converter, ...] = ()
        for cls in op.__mro__:
            found += _converters.get(cls, ())
            if "forward" in cls.__dict__:
                break
        return found
    try:
        return _converters.get(op, ()) or _converters.get(operator_name(op), ())
    except TypeError:  # not hashable: nothing that can have been registered
        return ()


def find_converter(op: Any) -> Converter | None:
    """The converter of `op` that is asked first; None where there is none."""
    return next(iter(converters_of(op)), None)


@dataclass(frozen=True)
class Match:
    """The converter that takes a call, or why those that there are refuse it."""

    converter: Converter | None
    refusals: tuple[str, ...] = field(default=())

    @property
    def impossible(self) -> bool:
        """Whether the op's own body is no way out."""
        return self.converter is None and any(isinstance(each, Impossible) for each in self.refusals)


def match(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Match:
    """Asks the converters of `op` whether they take a call with these arguments, PyTorch's own tensors among them."""
    if isinstance(op, nn.Module):
        args = (op, *args)
    refusals: list[str] = []
    for entry in converters_of(op):
        reason = entry.refusal(args, kwargs)
        if reason is None:
            return Match(entry, tuple(refusals))
        refusals.append(reason)
        if isinstance(reason, Impossible):
            break
    return Match(None, tuple(refusals))


def is_nonnegative_op(op: Any) -> bool:
    """Whether what `op` yields is known to have no element below zero."""
    return any(entry.nonnegative for entry in converters_of(op))


def is_op_of_varying_output(op: Any) -> bool:
    """Whether how many elements `op` yields depends on the values of its inputs."""
    return any(entry.output_varies for entry in converters_of(op))


def saved_name(op: Any) -> str:
    """Names an op in a saved model: two module classes of one name are two."""
    if isinstance(op, nn.Module):
        op = type(op)
    return f"{op.__module__}.{op.__qualname__}" if isinstance(op, type) else name_of(op)


def op_named(name: str) -> Any:
    """The inverse of `saved_name` for registered ops; how a saved model finds its converters again."""
    if name not in _by_name:
        raise NobucoError(
            f'this model was converted with a converter for "{name}", which is not registered here. Import the module '
            "that registers it before you load the model."
        )
    return _by_name[name]


def all_converters() -> list[Converter]:
    return list({id(entry): entry for entries in _converters.values() for entry in entries}.values())


def locate_converter(node: Any) -> tuple[str, str]:
    """Finds the converter of a PyTorch function, method or module; of several, the one that is asked first.

    Returns:
        A link (`File "...", line N`, which terminals and editors open) and the converter's source code."""
    if isinstance(node, str) and "::" not in node:
        raise NobucoError(f"{node!r} is no PyTorch function: give the function or class itself, as in F.relu")
    entry = find_converter(node)
    if entry is None:
        raise NobucoError(
            f"{name_of(node) if not isinstance(node, nn.Module) else type(node).__name__} has no converter"
        )
    return str(entry.location or "<unknown>"), entry.source


def spellings(name: str) -> tuple[Any, ...]:
    """Every way PyTorch has of writing one op: torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, F.relu, F.relu_."""
    homes = (torch, torch.Tensor, nn.functional, torch.special)
    found = (
        getattr(home, each, None)
        for home in homes
        for each in (name, f"{name}_", f"__{name}__", f"__i{name}__")
    )
    return tuple(dict.fromkeys(op for op in found if callable(op)))
