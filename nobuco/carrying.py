"""State that a model keeps from call to call, made inputs and outputs of it: what one call gives, the next one takes."""

from __future__ import annotations

import functools
import inspect
import re
import types
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from nobuco.contract.channel_order import ChannelOrder, layout_for
from nobuco.contract.dtypes import to_numpy
from nobuco.errors import NobucoError
from nobuco.inputs import InputSpec
from nobuco.program import Program
from nobuco.trace.carried import carried_state
from nobuco.trace.reach import Place, places_of

_STATE = "state"


class StateError(NobucoError):
    """State that cannot be carried as tensors of fixed shape."""


def with_state(program: Program, order: ChannelOrder) -> Program:
    """The same program with the state that its later calls depend on as further inputs, the last ones, and outputs.

    It takes a dict of tensors by path as its argument `state`, and returns `{"output": ..., "state": {...}}`. The program
    itself where there is no such state. `order`: of the state's tensors, going in and coming out.

    Raises StateError where the state is not tensors that keep their shape."""
    traced = program.trace()
    paths = {change.path for change in traced.changes}
    branches = any(call.blocks for call in traced.root.walk())
    carried = carried_state(
        program.model,
        program.args,
        program.kwargs,
        program.tensors,
        program.tensors,
        paths,
        branches,
        program.effort,
    )
    if not carried:
        return program
    held = _held(places_of(program.model)[0])
    names = _names([path for each in sorted(carried) for path in _paths_in(each, held.get(each))])
    before = {name: _tensor(path, held.get(path)).detach().clone() for name, path in names.items()}
    argument = _free_name(program)
    specs = [
        InputSpec(tensor, f"{_STATE}.{name}", tuple(tensor.shape), layout_for(order, tensor.dim()))
        for name, tensor in before.items()
    ]
    return replace(
        program,
        model=_carrying(program.model, names, argument),
        kwargs={**program.kwargs, argument: before},
        inputs=[*program.inputs, *specs],
        state=tuple(spec.name for spec in specs),
    )


def orders_with_state(
    orders: ChannelOrder | Mapping[int, ChannelOrder] | None, program: Program, outputs: int
) -> ChannelOrder | Mapping[int, ChannelOrder] | None:
    """What is asked of the channel order of `outputs` outputs, of which those of the state go out as they come in."""
    if not program.state:
        return orders
    own = outputs - len(program.state)
    if isinstance(orders, ChannelOrder):
        orders = dict.fromkeys(range(own), orders)
    of_state = {
        own + number: ChannelOrder.PYTORCH
        if spec.layout == layout_for(ChannelOrder.PYTORCH, spec.tensor.dim())
        else ChannelOrder.TENSORFLOW
        for number, spec in enumerate(program.inputs[-len(program.state) :])
    }
    return {**(orders or {}), **of_state}


def initial_state(program: Program) -> dict[str, np.ndarray]:
    """The state that the model has now, by the names of the inputs that take it, in their channel order."""
    specs = program.inputs[len(program.inputs) - len(program.state) :]
    return {spec.name: to_numpy(spec.tensor).transpose(spec.layout) for spec in specs}


def _carrying(model: Any, names: Mapping[str, str], argument: str) -> Any:
    """The model as a program of the state, too, under the same paths."""
    if not isinstance(model, nn.Module):

        @functools.wraps(model)
        def program(*args: Any, **kwargs: Any) -> Any:
            return _called(model, model, names, args, kwargs, kwargs.pop(argument))

        return program
    if "forward" in vars(model):
        raise StateError("the model has a forward of its own beside its class's: its state cannot be carried")
    kind = type(model)

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        state = kwargs.pop(argument)
        return _called(functools.partial(kind.forward, self), self, names, args, kwargs, state)

    forward.__signature__ = inspect.signature(kind.forward)  # type: ignore[attr-defined]
    named = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    made = object.__new__(
        types.new_class(kind.__name__, (kind,), {}, lambda body: body.update(named, forward=forward))
    )
    made.__dict__ = model.__dict__
    return made


def _called(
    function: Callable[..., Any],
    model: Any,
    names: Mapping[str, str],
    args: Any,
    kwargs: Any,
    state: Mapping[str, torch.Tensor],
) -> Any:
    """One call from `state`; the model's own is afterwards as it was."""
    places, _ = places_of(model)
    held = _held(places)
    lengths = _lengths(held, names.values())
    try:
        for place in places:
            for name, path in names.items():
                place.replace(held[path], state[name])
        output = function(*args, **kwargs)
        after = _held(places_of(model)[0])
        _check_lengths(lengths, _lengths(after, names.values()))
        return {
            "output": output,
            _STATE: {name: _kept(path, state[name], after.get(path)) for name, path in names.items()},
        }
    finally:
        for place in places:
            place.restore()


def _held(places: Iterable[Place]) -> dict[str, Any]:
    """Everything that a model holds, by path."""
    return {path: value for place in places for path, value in place.items()}


def _paths_in(path: str, value: Any) -> list[str]:
    """The paths of what a list or deque holds; other values stand for themselves."""
    if not isinstance(value, list | deque) or not value:
        return [path]
    inside = (_paths_in(f"{path}[{number}]", each) for number, each in enumerate(value))
    return [each for paths in inside for each in paths]


def _lengths(held: Mapping[str, Any], paths: Iterable[str]) -> dict[str, int]:
    """How much is held by the lists and deques that the paths lead through."""
    return {
        path: len(value)
        for path, value in held.items()
        if isinstance(value, list | deque) and any(each.startswith(f"{path}[") for each in paths)
    }


def _check_lengths(before: Mapping[str, int], after: Mapping[str, int]) -> None:
    for path, length in before.items():
        if after.get(path) != length:
            raise StateError(
                f"{path} holds {length} before the call, and {after.get(path)} after it: only tensors of fixed shape, and "
                "as many of them, can be carried from call to call"
            )


def _tensor(path: str, value: Any) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value
    found = "None or not there" if value is None else f"a {type(value).__name__}"
    raise StateError(
        f"{path} is {found} before the call: only tensors of fixed shape can be carried from call to call. Let the model "
        "begin with a tensor there, such as one of zeros, or of one number for a count"
    )


def _kept(path: str, before: torch.Tensor, after: Any) -> torch.Tensor:
    with torch._C.DisableTorchFunction():  # the program itself does not ask for these
        if isinstance(after, torch.Tensor) and after.shape == before.shape and after.dtype == before.dtype:
            return after
        became = f"{tuple(after.shape)} of {after.dtype}" if isinstance(after, torch.Tensor) else repr(after)
        was = f"{tuple(before.shape)} of {before.dtype}"
    raise StateError(
        f"{path} is a tensor of shape {was} before the call, and {became} after it: only "
        "tensors of fixed shape can be carried from call to call"
    )


def _names(paths: Iterable[str]) -> dict[str, str]:
    """The paths by names that inputs can have: "cache['k'][0]" is "cache.k.0"."""
    names: dict[str, str] = {}
    for path in paths:
        other = names.setdefault(re.sub(r"\W+", ".", path).strip("."), path)
        if other != path:
            raise StateError(f"{other} and {path} would have the same name as inputs: rename one of them")
    return names


def _free_name(program: Program) -> str:
    taken = {*program.kwargs}
    name = _STATE
    while name in taken:
        name = f"model_{name}"
    return name
