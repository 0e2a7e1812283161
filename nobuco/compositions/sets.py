"""Membership, combinations, most frequent values, ranks among those that are numbers."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor

from nobuco.contract.composition import composition


@composition(torch.isin)
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    tensors = [torch.as_tensor(each) for each in (elements, test_elements)]
    found = (tensors[0].unsqueeze(-1) == tensors[1].flatten()).any(-1)
    return ~found if invert else found


@composition(torch.combinations)
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = torch.tensor(list(choose(range(input.shape[0]), r)), dtype=torch.int64).reshape(-1, r)
    return input[places]


@composition(torch.mode, torch.Tensor.mode)
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The smallest of the most frequent values, where it stands last."""
    if not input.dim():
        return input.clone(), torch.zeros_like(input, dtype=torch.int64)
    x = input.movedim(dim, -1)
    same = x.unsqueeze(-1) == x.unsqueeze(-2)
    count = same.sum(-1)
    often = count == count.amax(-1, keepdim=True)
    smallest = torch.where(often, x, torch.full_like(x, float("inf") if x.is_floating_point() else 2**31 - 1))
    value = smallest.amin(-1, keepdim=True)
    places = torch.arange(x.shape[-1])
    index = torch.where(x == value, places, torch.zeros_like(places)).amax(-1, keepdim=True)
    value, index = value.movedim(-1, dim), index.movedim(-1, dim)
    return (value, index) if keepdim else (value.squeeze(dim), index.squeeze(dim))


@composition(torch.nanmedian, torch.Tensor.nanmedian)
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    x = input.flatten() if dim is None else input.movedim(dim, -1) if input.dim() else input.reshape(1)
    missing = torch.isnan(x)
    ordered, order = torch.sort(torch.where(missing, torch.full_like(x, float("inf")), x), dim=-1)
    count = (~missing).sum(-1, keepdim=True)
    place = torch.clamp((count - 1) // 2, min=0)
    value, index = ordered.gather(-1, place), order.gather(-1, place)
    value = torch.where(count == 0, torch.full_like(value, float("nan")), value)
    if dim is None:
        return value.reshape(())
    if not input.dim():
        return value.reshape(()), index.reshape(())
    value, index = value.movedim(-1, dim), index.movedim(-1, dim)
    return (value, index) if keepdim else (value.squeeze(dim), index.squeeze(dim))


@composition(torch.nanquantile, torch.Tensor.nanquantile)
def nanquantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """By a sort without NaN, which stands anywhere when TFLite sorts."""
    x = input.flatten() if dim is None else input.movedim(dim, -1) if input.dim() else input.reshape(1)
    missing = torch.isnan(x)
    filled = torch.where(missing, torch.full_like(x, float("inf")), x)
    ordered = torch.sort(filled, dim=-1, stable=True)[0]
    count = (~missing).sum(-1, keepdim=True)
    shares = torch.as_tensor(q, dtype=x.dtype)
    rank = shares.reshape(-1) * torch.clamp(count - 1, min=0).to(x.dtype)
    rounded = {"lower": torch.floor, "higher": torch.ceil, "nearest": torch.round}.get(interpolation)
    if rounded is not None:
        value = ordered.gather(-1, rounded(rank).long())
    else:
        below, above = (ordered.gather(-1, each(rank).long()) for each in (torch.floor, torch.ceil))
        weight = torch.full_like(rank, 0.5) if interpolation == "midpoint" else rank - torch.floor(rank)
        value = torch.lerp(below, above, weight)
    value = torch.where(count == 0, torch.full_like(value, float("nan")), value).movedim(-1, 0)
    if keepdim and dim is None:
        value = value.reshape(-1, *[1] * input.dim())
    elif keepdim and dim is not None and input.dim():
        value = value.unsqueeze(dim if dim < 0 else dim + 1)
    return value if shares.dim() else value.squeeze(0)


@composition(torch.scatter_reduce, torch.Tensor.scatter_reduce)
def scatter_product(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """With reduce="prod": each place takes the product of what is sent to it."""
    if not input.dim():
        return input * src if include_self else src.clone()
    places = index.movedim(dim, -1).unsqueeze(-1) == torch.arange(input.shape[dim])
    sent = src[tuple(slice(size) for size in index.shape)].movedim(dim, -1).unsqueeze(-1)
    factors = torch.where(places, sent, torch.ones_like(sent)).prod(-2)
    hit = places.any(-2)
    room = [each for size, own in zip(reversed(_others(input, dim)), reversed(_others(index, dim)), strict=True)
            for each in (0, size - own)]  # fmt: skip
    factors = torch.nn.functional.pad(factors, [0, 0, *room], value=1.0).movedim(-1, dim)
    hit = torch.nn.functional.pad(hit.to(input.dtype), [0, 0, *room]).movedim(-1, dim) > 0
    return factors * (input if include_self else torch.where(hit, torch.ones_like(input), input))


def _others(x: Tensor, dim: int) -> list[int]:
    return [size for axis, size in enumerate(x.shape) if axis != dim % x.dim()]


@composition(torch.index_reduce, torch.Tensor.index_reduce)
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    if not input.dim():
        found = index_reduce(
            input.reshape(1), 0, index.reshape(-1), source.reshape(-1), reduce, include_self=include_self
        )
        return found.reshape(())
    if not source.dim():
        source = source.reshape([1] * input.dim())
    shape = [1] * source.dim()
    shape[dim] = -1
    spread = index.reshape(shape).expand(source.shape)
    return torch.scatter_reduce(input, dim, spread, source, reduce, include_self=include_self)
