"""What the caller says of the model's inputs: names, unknown dims, channel order."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from nobuco.contract.channel_order import ChannelOrder, Layout, layout_for
from nobuco.contract.names import check_names


@dataclass(frozen=True)
class InputSpec:
    """One input of the Keras model: the example `tensor`, its `shape` in PyTorch's order with None for sizes that are
    unknown, and the `layout` in which the Keras model takes it."""

    tensor: torch.Tensor
    name: str
    shape: tuple[int | None, ...]
    layout: Layout


def own_arguments(
    args: Any, kwargs: Any
) -> tuple[tuple[Any, ...], dict[str, Any], dict[torch.Tensor, torch.Tensor]]:
    """The arguments with every tensor in a place of its own, and for each copy that this took, what it is a copy of.

    One tensor given twice is two inputs, which only happen to be equal in the example."""
    if args is not None and (isinstance(args, torch.Tensor) or not isinstance(args, Sequence)):
        raise TypeError(f"args is a {type(args).__name__}: give a list of arguments, as in args=[x]")
    seen: set[int] = set()
    copies: dict[torch.Tensor, torch.Tensor] = {}

    def own(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        if leaf.is_meta:
            raise ValueError("an example input is on the meta device, so it has no values: give one that has")
        if id(leaf) not in seen:
            seen.add(id(leaf))
            return leaf
        copy = leaf.detach().clone()
        copies[copy] = leaf
        return copy

    found_args, found_kwargs = pytree.tree_map(own, (tuple(args or ()), dict(kwargs or {})))
    return found_args, found_kwargs, copies


def input_specs(
    model: nn.Module | Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    shapes: Mapping[torch.Tensor, Sequence[int | None]] | None,
    orders: ChannelOrder | Mapping[torch.Tensor, ChannelOrder],
    names: Sequence[str] | Mapping[torch.Tensor, str] | None,
    copies: Mapping[torch.Tensor, torch.Tensor],
) -> list[InputSpec]:
    """One for each tensor among the arguments, in their order. What the caller says of a tensor that was given twice
    is said of its copies, too."""
    if not isinstance(orders, ChannelOrder | Mapping):
        raise TypeError(
            f"inputs_channel_order is {orders!r}: give ChannelOrder.PYTORCH, ChannelOrder.TENSORFLOW, or a dict by tensor"
        )
    found: dict[int, tuple[torch.Tensor, str]] = {}
    for parameter, argument in _named_arguments(model, args, kwargs):
        for path, leaf in pytree.tree_flatten_with_path(argument)[0]:
            if isinstance(leaf, torch.Tensor):
                found.setdefault(id(leaf), (leaf, "_".join([parameter, *map(_key_name, path)])))
    if not found:
        raise ValueError("args and kwargs hold no tensor: a Keras model needs at least one input")
    if names is not None:
        check_names("input_names", names.values() if isinstance(names, Mapping) else names)
    for what, mapping in (("input_shapes", shapes), ("inputs_channel_order", orders), ("input_names", names)):
        for tensor in mapping if isinstance(mapping, Mapping) else ():
            if id(tensor) not in found:
                raise ValueError(
                    f"{what} names a tensor that is not among args and kwargs: use the very same object"
                )
    if isinstance(names, Sequence) and len(names) != len(found):
        raise ValueError(f"input_names has {len(names)} names for {len(found)} inputs")
    specs = []
    for index, (tensor, default) in enumerate(found.values()):
        given = copies.get(tensor, tensor)
        name = default
        if isinstance(names, Mapping):
            name = names.get(tensor, default)
        elif names is not None:
            name = names[index]
        shape = tuple((shapes or {}).get(given, tuple(tensor.shape)))
        if len(shape) != tensor.dim() or any(
            a not in (None, b) for a, b in zip(shape, tensor.shape, strict=True)
        ):
            raise ValueError(
                f"input_shapes gives {shape} for the input {name!r}, whose example has shape {tuple(tensor.shape)}: "
                "give the same sizes, with None for those that may change"
            )
        order = orders if isinstance(orders, ChannelOrder) else orders.get(given, ChannelOrder.TENSORFLOW)
        specs.append(InputSpec(tensor, name, shape, layout_for(order, tensor.dim())))
    duplicates = {spec.name for spec in specs if sum(each.name == spec.name for each in specs) > 1}
    if duplicates:
        raise ValueError(
            f"several inputs are named {', '.join(sorted(duplicates))}: give input_names that differ"
        )
    return specs


def _named_arguments(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[str, Any]]:
    try:
        signature = inspect.signature(model.forward if isinstance(model, nn.Module) else model)
        positional = [
            p.name if p.kind is not p.VAR_POSITIONAL else None for p in signature.parameters.values()
        ]
    except (TypeError, ValueError):  # a builtin without a signature
        positional = []
    if None in positional:
        positional = positional[: positional.index(None)]
    names = [*positional, *(f"arg{i}" for i in range(len(positional), len(args)))]
    return [*zip(names, args, strict=False), *kwargs.items()]


def _key_name(key: Any) -> str:
    for attribute in ("key", "idx", "name"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute)).replace("/", "_")  # which Keras takes in no name
    return str(key)
