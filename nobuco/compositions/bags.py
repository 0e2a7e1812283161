"""Sums over groups of elements: bags of embeddings, histograms."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nobuco.contract.composition import composition


@composition(torch.embedding_bag)
def embedding_bag(
    weight: Tensor, indices: Tensor, offsets: Tensor, scale_grad_by_freq: bool = False, mode: int = 0,
    sparse: bool = False, per_sample_weights: Tensor | None = None, include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """The sum, mean or largest (mode 0, 1, 2) of each bag; the first place of each stands in `offsets`."""
    starts = offsets[:-1] if include_last_offset else offsets
    place = torch.arange(indices.shape[0])
    bag = (place.unsqueeze(-1) >= starts).sum(-1) - 1
    member = torch.arange(starts.shape[0]).unsqueeze(-1) == bag
    if padding_idx is not None:
        member = member & (indices != (padding_idx % weight.shape[0]))
    rows = torch.nn.functional.embedding(indices, weight)
    if mode == 2:
        lowest = torch.full_like(rows, float("-inf"))
        largest = torch.where(member.unsqueeze(-1), rows, lowest).amax(1)
        out = torch.where(member.any(1, keepdim=True), largest, torch.zeros_like(largest))
    else:
        rows = rows if per_sample_weights is None else rows * per_sample_weights.unsqueeze(-1)
        out = member.to(rows.dtype) @ rows
        if mode == 1:
            out = out / member.sum(1, keepdim=True).clamp(min=1).to(rows.dtype)
    return out, bag, member.sum(1), torch.zeros_like(bag)


@composition(torch.histc, torch.Tensor.histc)
def histc(input: Tensor, bins: int = 100, min: Any = 0, max: Any = 0) -> Tensor:
    """How many elements lie in each of the bins of equal width, the last of which has its upper end, too."""
    x = input.flatten()
    low, high = (
        (x.amin(), x.amax()) if min == max == 0 else (torch.tensor(float(min)), torch.tensor(float(max)))
    )
    same = (low == high).to(x.dtype)
    low, high = low - same, high + same
    place = torch.floor((x - low) * (bins / (high - low)))
    place = torch.where(x == high, torch.full_like(place, bins - 1), place)
    counted = (x >= low) & (x <= high)
    return ((place.unsqueeze(-1) == torch.arange(bins)) & counted.unsqueeze(-1)).to(input.dtype).sum(0)


@composition(torch.ops.aten.native_dropout_backward.default, torch.ops.aten.native_dropout_backward)
def native_dropout_backward(grad_output: Tensor, mask: Tensor, scale: float) -> Tensor:
    return grad_output * mask.to(grad_output.dtype) * scale
