"""Which of the state that a model writes makes a difference to its later calls."""

from __future__ import annotations

from typing import Any

import torch

from nobuco.contract.tree import tree_leaves
from nobuco.trace.reach import same_state, snapshot
from nobuco.trace.run import with_tensors
from nobuco.trace.state import ModelState, random_state_kept, state_of


def carried_state(
    model: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    given: list[torch.Tensor],
    later: list[torch.Tensor],
    paths: set[str],
) -> set[str]:
    """The `paths` whose state a later call depends on, or adds to.

    A call on `later` is made twice, from the state as it is and after a call on `given`. What comes out the same both times,
    state included, is written anew at each call, or a cache."""
    try:
        clean, dirty = (
            _after(model, args, kwargs, given, calls, paths) for calls in ([later], [given, later])
        )
    except Exception:  # a model that cannot be called twice depends on its state
        return paths
    if not same_state(clean[0], dirty[0]):
        return paths
    return {path for path in paths if not same_state(clean[1].get(path), dirty[1].get(path))}


def _after(
    model: Any,
    args: Any,
    kwargs: Any,
    given: list[torch.Tensor],
    calls: list[list[torch.Tensor]],
    paths: set[str],
) -> tuple[Any, dict[str, Any]]:
    """The last call's tensors, and the state after it."""
    results: Any = None
    with ModelState.kept(model, copied=True, written=paths), torch.no_grad():
        for tensors in calls:
            own = [tensor.detach().clone() for tensor in tensors]
            own_args, own_kwargs = with_tensors((args, kwargs), given, own)
            with random_state_kept():
                results = model(*own_args, **own_kwargs)
        leaves = [leaf for leaf in tree_leaves(results) if isinstance(leaf, torch.Tensor)]
        return snapshot(leaves), state_of(model, paths)
