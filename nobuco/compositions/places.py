"""Reading and writing at places that are counted in another way."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nobuco.contract.composition import composition


@composition(torch.as_strided_scatter, torch.Tensor.as_strided_scatter)
def as_strided_scatter(
    input: Tensor, src: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    places = torch.zeros([], dtype=torch.int64) + (storage_offset or 0)
    for count, step in zip(size, stride, strict=True):
        places = places.unsqueeze(-1) + torch.arange(count) * step
    return input.flatten().scatter(0, places.flatten(), src.flatten()).reshape(input.shape)


@composition(torch.where)
def where(condition: Tensor) -> tuple[Tensor, ...]:
    return torch.nonzero(condition, as_tuple=True)


@composition(torch._unsafe_masked_index)  # type: ignore[attr-defined]
def masked_index(x: Tensor, mask: Tensor, indices: Sequence[Tensor | None], fill: float) -> Tensor:
    """x[indices] where the mask is true; where it is not, an index may be out of bounds."""
    inside = tuple(
        slice(None) if each is None else each.clamp(0, size - 1)
        for each, size in zip(indices, x.shape, strict=False)
    )
    return torch.where(mask, x[inside], fill)
