"""Tables of vectors of which a lookup changes the rows."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from nobuco.contract.composition import composition


@composition(F.embedding)
def embedding(
    input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """With `max_norm`: PyTorch scales the rows that it looks up down, and keeps them so; to do it at each call comes to the
    same. Of a table that is constant it is done once."""
    if max_norm is None:
        return torch.embedding(weight, input)
    norm = weight.detach().norm(norm_type, dim=1, keepdim=True)
    scale = torch.where(norm > max_norm, max_norm / (norm + 1e-7), torch.ones_like(norm))
    return F.embedding(input, weight * scale)
