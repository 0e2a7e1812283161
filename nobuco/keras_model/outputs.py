"""The outputs of the Keras model in the structure that the PyTorch model returns them in."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from nobuco.contract.tree import tree_leaves, tree_map
from nobuco.errors import NobucoError
from nobuco.trace.calls import Value


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
    nested = tree_map(lambda leaf: next(left) if isinstance(leaf, Value) else leaf, structure)
    given = inputs[0] if len(inputs) == 1 else list(inputs)
    if _holds(structure, _is_beyond_keras):
        described = _described(structure, f"{name}'s output")
        return StructuredModel(given, _plain(nested), name=_valid_name(name), structure=described)
    return keras.Model(given, _plain(nested), name=_valid_name(name))


def _is_beyond_keras(part: Any) -> bool:
    """What only a `StructuredModel` gives back: dataclasses, and values that are no tensors."""
    return not isinstance(part, Value) and (
        dataclasses.is_dataclass(part) or not isinstance(part, dict | tuple | list)
    )


@keras.saving.register_keras_serializable("nobuco")
class StructuredModel(keras.Model):
    """A model whose outputs come back in the dataclasses that the PyTorch model returns them in, and beside the values
    that are no tensors: None, numbers, text. Those are what they were in the traced run."""

    def __init__(self, *args: Any, structure: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._output_structure = structure

    def plain_call(self, *args: Any, **kwargs: Any) -> Any:
        """The tensors alone, in what Keras itself can hold."""
        return super().__call__(*args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self.plain_call(*args, **kwargs)
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
    """What Keras can hold: a dict for a dataclass, and tensors alone."""
    if dataclasses.is_dataclass(tree):
        tree = _fields(tree)
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items() if _has_tensor(value)}
    if isinstance(tree, tuple | list):
        kept = [_plain(each) for each in tree if _has_tensor(each)]
        return kept if isinstance(tree, list) else tuple(kept)
    return tree


def _has_tensor(tree: Any) -> bool:
    return any(keras.backend.is_keras_tensor(leaf) for leaf in tree_leaves(tree))


_CONSTANTS = (type(None), bool, int, float, str)


def _described(tree: Any, place: str) -> Any:
    """The structure as JSON; `place` says where in the outputs it stands."""
    if isinstance(tree, Value):
        return None
    if dataclasses.is_dataclass(tree):
        kind = type(tree)
        fields = {name: _described(value, f"{place}.{name}") for name, value in _fields(tree).items()}
        return {"dataclass": f"{kind.__module__}:{kind.__qualname__}", "fields": fields}
    if isinstance(tree, dict):
        return {"dict": {key: _described(value, f"{place}[{key!r}]") for key, value in tree.items()}}
    if isinstance(tree, tuple | list):
        items = [_described(each, f"{place}[{number}]") for number, each in enumerate(tree)]
        return {"items": items, "list": isinstance(tree, list)}
    if isinstance(tree, _CONSTANTS):
        return {"constant": tree}
    raise NobucoError(
        f"{place} is a {type(tree).__name__}, which a Keras model cannot give back: return tensors, in dicts, tuples, lists "
        "or dataclasses, with None, numbers and text beside them"
    )


def _restored(structure: Any, result: Any) -> Any:
    match structure:
        case {"constant": value}:
            return value
        case {"dataclass": path, "fields": fields}:
            module, name = path.split(":")
            kind: Any = importlib.import_module(module)
            for part in name.split("."):
                kind = getattr(kind, part)
            return kind(**{key: _restored(each, _part(result, key)) for key, each in fields.items()})
        case {"dict": items}:
            return {key: _restored(each, _part(result, key)) for key, each in items.items()}
        case {"items": items}:
            left = iter(result if isinstance(result, tuple | list) else [result])  # Keras unpacks a lone one
            parts = [_restored(each, next(left) if _wants_tensor(each) else None) for each in items]
            return parts if structure["list"] else tuple(parts)
    return result


def _part(result: Any, key: str) -> Any:
    """None for a part without a tensor, which Keras does not know of."""
    return result.get(key) if isinstance(result, dict) else None


def _wants_tensor(structure: Any) -> bool:
    match structure:
        case {"constant": _}:
            return False
        case {"fields": parts} | {"dict": parts}:
            return any(map(_wants_tensor, parts.values()))
        case {"items": parts}:
            return any(map(_wants_tensor, parts))
    return True


def _valid_name(name: str) -> str:
    """TensorFlow wants a letter, a digit or a dot in front."""
    return "".join(c if c.isalnum() or c in "_.-" else "_" for c in name).lstrip("_-") or "model"
