"""What PyTorch has besides its views: the same as copies."""

from __future__ import annotations

from typing import Any

import torch

from nobuco.contract.composition import composition


def _copy_of(view: Any) -> Any:
    def copied(*args: Any, **kwargs: Any) -> Any:
        made = view(*args, **kwargs)
        return made.clone() if isinstance(made, torch.Tensor) else tuple(each.clone() for each in made)

    return copied


for _name in dir(torch):
    _view = getattr(torch, _name.removesuffix("_copy"), None) or getattr(
        torch.Tensor, _name.removesuffix("_copy"), None
    )
    if _name.endswith("_copy") and not _name.startswith("_") and callable(_view):
        composition(getattr(torch, _name))(_copy_of(_view))
