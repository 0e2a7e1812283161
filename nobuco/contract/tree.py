"""Nested arguments and outputs, walked: PyTorch's pytrees, and besides them slices and dataclasses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from torch.utils import _pytree as pytree


def tree_map(function: Callable[[Any], Any], tree: Any) -> Any:
    """A copy of `tree` with `function` applied to each leaf."""

    def apply(leaf: Any) -> Any:
        if isinstance(leaf, slice):
            return slice(*(tree_map(function, part) for part in (leaf.start, leaf.stop, leaf.step)))
        if _is_data(leaf):
            changes = {
                f.name: tree_map(function, getattr(leaf, f.name)) for f in dataclasses.fields(leaf) if f.init
            }
            return dataclasses.replace(leaf, **changes)
        return function(leaf)

    return pytree.tree_map(apply, tree)


def tree_leaves(tree: Any) -> list[Any]:
    """The leaves of `tree`, in the order in which `tree_map` meets them."""
    found: list[Any] = []
    for leaf in pytree.tree_leaves(tree):
        if isinstance(leaf, slice):
            found += tree_leaves((leaf.start, leaf.stop, leaf.step))
        elif _is_data(leaf):
            found += tree_leaves([getattr(leaf, f.name) for f in dataclasses.fields(leaf) if f.init])
        else:
            found.append(leaf)
    return found


def _is_data(leaf: Any) -> bool:
    """A dataclass that holds data, not one of nobuco's own marks, which are leaves."""
    return (
        dataclasses.is_dataclass(leaf)
        and not isinstance(leaf, type)
        and not type(leaf).__module__.startswith("nobuco.")
    )
