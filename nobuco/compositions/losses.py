"""Margin losses over classes."""

from __future__ import annotations

import torch
from torch import Tensor

from nobuco.contract.composition import composition


def _reduced(loss: Tensor, reduction: int) -> Tensor:
    """`reduction` as C++ has it: none, mean, sum."""
    return loss.mean() if reduction == 1 else loss.sum() if reduction == 2 else loss


@composition(torch._C._nn.multi_margin_loss)  # type: ignore[attr-defined]
def multi_margin_loss(
    input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None,
    reduction: int = 1,
) -> Tensor:  # fmt: skip
    single = input.dim() < 2
    x = input.reshape(1, -1) if single else input
    y = target.reshape(-1, 1)
    gap = torch.clamp(margin - x.gather(1, y) + x, min=0) ** p
    if weight is not None:
        gap = gap * weight[y]
    others = torch.arange(x.shape[1]) != y
    loss = (gap * others.to(gap.dtype)).sum(1) / x.shape[1]
    return _reduced(loss[0] if single and reduction == 0 else loss, reduction)


@composition(torch._C._nn.multilabel_margin_loss)  # type: ignore[attr-defined]
def multilabel_margin_loss(input: Tensor, target: Tensor, reduction: int = 1) -> Tensor:
    """Of the labels up to the first -1."""
    single = input.dim() < 2
    x, y = (each.reshape(1, -1) if single else each for each in (input, target))
    given = torch.cumsum((y < 0).to(torch.int32), 1) == 0
    labels = torch.where(given, y, torch.zeros_like(y))
    classes = torch.arange(x.shape[1])
    is_label = ((labels.unsqueeze(-1) == classes) & given.unsqueeze(-1)).any(1)
    gap = torch.clamp(1 - x.gather(1, labels).unsqueeze(-1) + x.unsqueeze(1), min=0)
    counted = given.unsqueeze(-1) & ~is_label.unsqueeze(1)
    loss = (gap * counted.to(gap.dtype)).sum((1, 2)) / x.shape[1]
    return _reduced(loss[0] if single and reduction == 0 else loss, reduction)
