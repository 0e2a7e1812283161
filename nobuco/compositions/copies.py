"""What PyTorch has besides its views: the same as copies."""

from __future__ import annotations

from typing import Any

import torch

from nobuco.contract.composition import composition

_VIEWS = (
    "detach", "expand", "permute", "select", "slice", "split", "split_with_sizes", "t", "transpose", "unbind", "view",
    "view_as_complex", "view_as_real",
)  # fmt: skip


def _copy_of(view: Any) -> Any:
    def copied(*args: Any, **kwargs: Any) -> Any:
        made = view(*args, **kwargs)
        return made.clone() if isinstance(made, torch.Tensor) else tuple(each.clone() for each in made)

    return copied


for _name in _VIEWS:
    _view = getattr(torch, _name, None) or getattr(torch.Tensor, _name, None)
    _copy = getattr(torch, f"{_name}_copy", None)
    if _view is not None and _copy is not None:
        composition(_copy)(_copy_of(_view))
