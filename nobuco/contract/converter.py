"""A converter's entry in the registry: the function, and what is known of the op that it converts."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nobuco.contract.channel_order import ChannelOrderingStrategy, Layout
from nobuco.contract.sites import Site

# (layout of the inputs, *arguments of the PyTorch call) -> the outputs' layout, or None where this layout won't do
OutputLayout = Callable[..., "Layout | list[Layout] | None"]
# (arguments of the PyTorch call, by name) -> None where the converter takes them, else the reason why it does not
Accepts = Callable[[Any], "str | None"]
# (outputs of the converted call, PyTorch's) -> the former, as near to the latter as they may be
Aligned = Callable[[list[np.ndarray], list[np.ndarray]], list[np.ndarray]]


class Impossible(str):
    """A reason to refuse a call that holds for every converter, and for the op's own body: what the call does has no
    counterpart in a graph (it draws at random, its shape depends on the values, it changes its weights)."""

    __slots__ = ()


@dataclass(frozen=True)
class Converter:
    """A registered converter.

    Attributes:
        function: takes the arguments of the PyTorch call and returns their TensorFlow equivalent.
        strategy: what it demands of the channel order of its inputs.
        ops: the PyTorch functions, methods and module classes it converts.
        reusable: a module that is called several times is converted once.
        any_layout: the op works element by element, so that any layout is as good as another.
        output_layout: for an op whose outputs stand in another layout than its inputs, or that needs no transpose in
            some layouts only.
        inner_transposes: how many transposes of its input the op's own function takes in a layout, for an op of
            `any_layout` that goes along one dim.
        accepts: which calls it takes; None where it takes all.
        nonnegative: no element of the op's outcome is below zero, whatever its input.
        aligned: of an op whose outcome is only one of several that are as right, such as an eigenvector of either sign:
            given the outputs of the converted call and PyTorch's, the former as the one that is nearest to the latter.
        output_varies: how many elements an output has depends on the values of the inputs, as in `torch.nonzero`.
        builtin: one of nobuco's own.
        location: where it is defined.
    """

    function: Callable[..., Any]
    strategy: ChannelOrderingStrategy
    ops: tuple[Any, ...]
    reusable: bool = True
    any_layout: bool = False
    output_layout: OutputLayout | None = None
    inner_transposes: Callable[..., int] | None = None
    accepts: Callable[..., str | None] | None = None
    nonnegative: bool = False
    aligned: Aligned | None = None
    output_varies: bool = False
    builtin: bool = False
    location: Site | None = field(default=None, compare=False)

    def refusal(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        """Why it does not take a call with these arguments (PyTorch's own tensors); None where it does."""
        return None if self.accepts is None else self.accepts(*args, **kwargs)

    @property
    def source(self) -> str:
        try:
            return inspect.getsource(unwrapped(self.function))
        except (OSError, TypeError):
            return f"<the source of {self.function!r} is not available>"


def unwrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    function = inspect.unwrap(function)
    return function.func if isinstance(function, functools.partial) else function
