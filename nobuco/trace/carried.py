"""Which of the state that a model writes makes a difference to its later calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from nobuco.contract.tree import tree_leaves
from nobuco.trace.patience import Effort
from nobuco.trace.reach import same_state, snapshot
from nobuco.trace.run import with_tensors
from nobuco.trace.state import ModelState, random_state_kept, state_of
from nobuco.trace.unannounced import compiled_as_written


def carried_state(
    model: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    given: list[torch.Tensor],
    later: list[torch.Tensor],
    paths: set[str],
    branches: bool = False,
    effort: Effort | None = None,
) -> set[str]:
    """The `paths` whose state a later call depends on, or adds to.

    A call on `later` is made twice, from the state as it is and after a call on `given`. What comes out the same both times,
    state included, is written anew at each call, or a cache. `branches`: the program has branches of which the example may
    not take those that write; it is then called on other inputs as well, and what no call has written counts as carried.
    `effort`: what the program took on the example; a call that takes far more tells nothing."""
    effort = effort or Effort()

    def after(*calls: list[torch.Tensor]) -> tuple[Any, dict[str, Any]]:
        return _after(model, args, kwargs, given, list(calls), paths, effort)

    try:
        clean, dirty = after(later), after(given, later)
    except Exception:  # a model that cannot be called twice depends on its state
        return paths
    if not branches:
        return _differing(clean, dirty, paths)
    before = state_of(model, paths)
    found: set[str] = set()
    written: set[str] = set()
    others = [given, *scaled(given)]
    for one in [later, *others]:
        try:
            clean = after(one)
            # of what a call leaves as it was, only what it returns can tell whether it has read it
            writes = {path for path in paths if not same_state(clean[1].get(path), before.get(path))}
            written |= writes
            for first in others:
                if found != paths:
                    found |= _differing(clean, after(first, one), paths, writes)
        except Exception:  # the program does not take these inputs
            continue
    return found | (paths - written)


def _differing(
    clean: tuple[Any, dict[str, Any]],
    dirty: tuple[Any, dict[str, Any]],
    paths: set[str],
    writes: set[str] | None = None,
) -> set[str]:
    """The paths that a difference between two calls speaks of; `writes`: those whose state is to be compared."""
    if not same_state(clean[0], dirty[0]):
        return paths
    compared = paths if writes is None else writes
    return {path for path in compared if not same_state(clean[1].get(path), dirty[1].get(path))}


SCALES = (-1.0, 0.1, 5.0)


def scaled(tensors: list[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Inputs turned round, shrunk and grown, by which what a branch looks at comes out otherwise."""
    for factor in SCALES:
        yield [each * factor if each.is_floating_point() else each for each in tensors]


def _after(
    model: Any,
    args: Any,
    kwargs: Any,
    given: list[torch.Tensor],
    calls: list[list[torch.Tensor]],
    paths: set[str],
    effort: Effort,
) -> tuple[Any, dict[str, Any]]:
    """The last call's tensors, and the state after it."""
    results: Any = None
    with ModelState.kept(model, copied=True, written=paths), compiled_as_written(), torch.no_grad():
        for tensors in calls:
            own = [tensor.detach().clone() for tensor in tensors]
            own_args, own_kwargs = with_tensors((args, kwargs), given, own)
            with random_state_kept(), effort.limits():
                results = model(*own_args, **own_kwargs)
        leaves = [leaf for leaf in tree_leaves(results) if isinstance(leaf, torch.Tensor)]
        return snapshot(leaves), state_of(model, paths)
