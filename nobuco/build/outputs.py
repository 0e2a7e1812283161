"""The outputs of the Keras model in the structure that the PyTorch model returns them in."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from nobuco.trace.graph import Value
from nobuco.trace.tree import tree_map


def model_with_structure(
    inputs: Sequence[Any], outputs: Sequence[Any], structure: Any, names: Sequence[str] | None, name: str
) -> keras.Model:
    """A Functional model whose outputs, `outputs` in order, are nested as the values in `structure` are.

    Dicts, tuples and lists Keras knows itself; a model with a dataclass among its outputs is a `StructuredModel`."""
    if names is not None:
        if len(names) != len(outputs):
            raise ValueError(f"output_names has {len(names)} names for {len(outputs)} outputs")
        outputs = [
            keras.layers.Identity(name=n, dtype=o.dtype)(o) for n, o in zip(names, outputs, strict=True)
        ]
    left = iter(outputs)
    nested = tree_map(lambda leaf: next(left) if isinstance(leaf, Value) else None, structure)
    given = inputs[0] if len(inputs) == 1 else list(inputs)
    if _holds(structure, lambda part: dataclasses.is_dataclass(part) and not isinstance(part, Value)):
        return StructuredModel(given, _plain(nested), name=_valid_name(name), structure=_described(structure))
    return keras.Model(given, _plain(nested), name=_valid_name(name))


@keras.saving.register_keras_serializable("nobuco")
class StructuredModel(keras.Model):
    """A model whose outputs come back as the dataclasses that the PyTorch model returns."""

    def __init__(self, *args: Any, structure: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._output_structure = structure

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = super().__call__(*args, **kwargs)
        return _restored(self._output_structure, result) if _holds(result, tf.is_tensor) else result

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "structure": self._output_structure}


def _holds(tree: Any, test: Callable[[Any], bool]) -> bool:
    if test(tree):
        return True
    parts = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, tuple | list) else ()
    return any(_holds(part, test) for part in parts)


def _fields(item: Any) -> dict[str, Any]:
    return {f.name: getattr(item, f.name) for f in dataclasses.fields(item) if f.init}


def _plain(tree: Any) -> Any:
    """What Keras can hold: a dict for a dataclass."""
    if dataclasses.is_dataclass(tree):
        tree = _fields(tree)
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        return [_plain(each) for each in tree] if isinstance(tree, list) else tuple(map(_plain, tree))
    return tree


def _described(tree: Any) -> Any:
    """The structure as JSON."""
    if dataclasses.is_dataclass(tree) and not isinstance(tree, Value):
        kind = type(tree)
        fields = {name: _described(value) for name, value in _fields(tree).items()}
        return {"dataclass": f"{kind.__module__}:{kind.__qualname__}", "fields": fields}
    if isinstance(tree, dict):
        return {"dict": {key: _described(value) for key, value in tree.items()}}
    if isinstance(tree, tuple | list):
        return {"items": [_described(each) for each in tree]}
    return None


def _restored(structure: Any, result: Any) -> Any:
    match structure:
        case {"dataclass": path, "fields": fields}:
            module, name = path.split(":")
            kind: Any = importlib.import_module(module)
            for part in name.split("."):
                kind = getattr(kind, part)
            return kind(**{key: _restored(each, result[key]) for key, each in fields.items()})
        case {"dict": items}:
            return {key: _restored(each, result[key]) for key, each in items.items()}
        case {"items": items}:
            return type(result)(_restored(each, part) for each, part in zip(items, result, strict=True))
    return result


def _valid_name(name: str) -> str:
    """TensorFlow wants a letter, a digit or a dot in front."""
    return "".join(c if c.isalnum() or c in "_.-" else "_" for c in name).lstrip("_-") or "model"
