"""Normalisations that also return what they normalised by."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nobuco.contract.composition import composition


@composition(torch.native_layer_norm)
def native_layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    dims = list(range(-len(normalized_shape), 0))
    mean = input.mean(dims, keepdim=True)
    scale = torch.rsqrt(((input - mean) ** 2).mean(dims, keepdim=True) + eps)
    out = (input - mean) * scale
    out = out if weight is None else out * weight
    return out if bias is None else out + bias, mean, scale


@composition(torch.native_group_norm)
def native_group_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    N: int,
    C: int,
    HxW: int,
    group: int,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    x = input.reshape(N, group, -1)
    mean = x.mean(-1, keepdim=True)
    scale = torch.rsqrt(((x - mean) ** 2).mean(-1, keepdim=True) + eps)
    out = ((x - mean) * scale).reshape(input.shape)
    shape = (1, C, *(1,) * (input.dim() - 2))
    out = out if weight is None else out * weight.reshape(shape)
    out = out if bias is None else out + bias.reshape(shape)
    return out, mean.squeeze(-1), scale.squeeze(-1)
