"""Functions of a user's own that are traced, and converted, as one node."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
from torch.overrides import handle_torch_function, is_tensor_like

from nobuco.contract.tree import tree_leaves

F = TypeVar("F", bound=Callable[..., Any])

BODY = "__nobuco_body__"  # the attribute of a traceable function that holds the plain one


def traceable(function: F) -> F:
    """Makes a Python function a node of its own in the traced program, to be given a converter with `converter`.

    Outside of a conversion the function behaves as before."""

    @functools.wraps(function)
    def traced(*args: Any, **kwargs: Any) -> Any:
        if torch._C._len_torch_function_stack() == 0:
            return function(*args, **kwargs)
        tensors = tuple(leaf for leaf in tree_leaves((args, kwargs)) if is_tensor_like(leaf))
        return handle_torch_function(traced, tensors, *args, **kwargs)

    setattr(traced, BODY, function)
    return cast(F, traced)


@traceable
def shape(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The shape of `x`, one scalar int32 tensor per dim: what is computed from it stays dynamic after conversion."""
    return tuple(torch.tensor(size, dtype=torch.int32) for size in x.shape)


@traceable
def force_tensorflow_order(inputs: torch.Tensor) -> torch.Tensor:
    """Returns `inputs`; in the converted model they are in TensorFlow's channel order from here on."""
    return inputs


@traceable
def force_pytorch_order(inputs: torch.Tensor) -> torch.Tensor:
    """Returns `inputs`; in the converted model they are in PyTorch's channel order from here on."""
    return inputs
