"""The outputs of the Keras model in the structure that the PyTorch model returns them in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from torch.utils import _pytree as pytree

from nobuco.trace.graph import Value


def restore_structure(
    inputs: Sequence[Any], outputs: Sequence[Any], structure: Any, names: Sequence[str] | None, name: str
) -> keras.Model:
    """A Functional model whose outputs, `outputs` in order, are nested as the values in `structure` are."""
    if names is not None:
        if len(names) != len(outputs):
            raise ValueError(f"output_names has {len(names)} names for {len(outputs)} outputs")
        outputs = [keras.layers.Identity(name=n, dtype=o.dtype)(o) for n, o in zip(names, outputs, strict=True)]
    left = iter(outputs)
    nested = _nested(structure, left)
    return keras.Model(inputs[0] if len(inputs) == 1 else list(inputs), nested, name=_valid_name(name))


def _nested(structure: Any, left: Any) -> Any:
    leaves, spec = pytree.tree_flatten(structure)
    filled = [next(left) if isinstance(leaf, Value) else None for leaf in leaves]
    tree = pytree.tree_unflatten(filled, spec)
    return _plain(tree)


def _plain(tree: Any) -> Any:
    """Dicts and tuples as such; Keras knows no others."""
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        return type(tree)(_plain(each) for each in tree) if type(tree) in (tuple, list) else tuple(map(_plain, tree))
    return tree


def _valid_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_.-" else "_" for c in name) or "model"
