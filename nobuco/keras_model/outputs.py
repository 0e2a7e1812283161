"""The outputs of the Keras model in the structure that the PyTorch model returns them in."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from nobuco.contract.tree import tree_map
from nobuco.errors import NobucoError
from nobuco.keras_model.depth import room_for
from nobuco.keras_model.output_names import NamedOutput, fields_of, named_leaves
from nobuco.trace.calls import Value


def model_with_structure(
    inputs: Sequence[Any], outputs: Sequence[Any], structure: Any, names: Sequence[str] | None, name: str
) -> keras.Model:
    """A Functional model whose outputs, `outputs` in order, are nested as the values in `structure` are.

    Dicts, tuples and lists of tensors Keras knows itself; a model that returns more is a `StructuredModel`."""
    given = inputs[0] if len(inputs) == 1 else list(inputs)
    name = _valid_name(name)
    if names is not None:
        if len(names) != len(outputs):
            raise ValueError(f"output_names has {len(names)} names for {len(outputs)} outputs")
        outputs = _named(given, outputs, names)
    left = iter(outputs)
    nested = tree_map(lambda leaf: next(left) if isinstance(leaf, Value) else leaf, structure)
    if not _is_beyond_keras(nested):
        return keras.Model(given, _plain(nested), name=name)
    tensors = [(place, leaf) for place, leaf in named_leaves(nested) if keras.backend.is_keras_tensor(leaf)]
    by_name = {
        given_name: tensor
        for given_name, (_, tensor) in zip(names or [place for place, _ in tensors], tensors, strict=True)
    }
    described = _described(nested, iter(by_name), f"{name}'s output")
    return StructuredModel(given, by_name, name=name, structure=described)


def _named(given: Any, outputs: Sequence[Any], names: Sequence[str]) -> list[Any]:
    """Each output with its name, which its layer has, too, unless it cannot have it."""
    taken = {layer.name for layer in keras.Model(given, list(outputs)).layers}

    def layer_name(name: str) -> str | None:
        return name if name == _valid_name(name) and name not in taken else None

    return [
        NamedOutput(name, name=layer_name(name), dtype=output.dtype)(output)
        for name, output in zip(names, outputs, strict=True)
    ]


def _is_beyond_keras(tree: Any) -> bool:
    """Whether only a `StructuredModel` gives this back: it holds a dataclass, a named tuple, what is no tensor, or keys
    that are no text, which saved models have."""
    if fields_of(tree) is not None or (isinstance(tree, dict) and not all(isinstance(k, str) for k in tree)):
        return True
    if isinstance(tree, dict | tuple | list):
        parts = list(tree.values() if isinstance(tree, dict) else tree)
        return not parts or any(map(_is_beyond_keras, parts))
    return not keras.backend.is_keras_tensor(tree)


def _plain(tree: Any) -> Any:
    """A tuple for PyTorch's own kinds of tuples."""
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        kept = [_plain(each) for each in tree]
        return kept if isinstance(tree, list) else tuple(kept)
    return tree


@keras.saving.register_keras_serializable("nobuco")
class StructuredModel(keras.Model):
    """A model whose outputs come back in the dataclasses and named tuples that the PyTorch model returns them in, and
    beside the values that are no tensors: None, numbers, text. Those are what they were in the traced run.

    Calls, `predict`, and calls in another Functional model give that structure. In a `tf.function`, and so in exported
    models, the tensors are a dict by name: TensorFlow's graphs return nothing else. So they are in a model from
    `keras.models.clone_model`."""

    def __init__(self, *args: Any, structure: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._structure = structure

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if any(map(keras.backend.is_keras_tensor, keras.tree.flatten((args, kwargs)))):
            # another model is being built: it shall hold a layer whose outputs Keras can take apart
            return _restored(self._structure, self._tensors_alone()(*args, **kwargs))
        tensors = super().__call__(*args, **kwargs)
        return _restored(self._structure, tensors) if tf.executing_eagerly() else tensors

    def predict_step(self, data: Any) -> Any:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return super().__call__(x, training=False)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        return _restored(self._structure, super().predict(*args, **kwargs))

    def predict_on_batch(self, x: Any) -> Any:
        return _restored(self._structure, super().predict_on_batch(x))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "structure": self._structure}

    def _tensors_alone(self) -> keras.Model:
        """The same layers as a Functional model that returns the dict by name."""
        held = self.__dict__  # past Keras, which would take it for a layer of this model
        if "_alone" not in held:
            with room_for(2 * len(self.layers)):
                held["_alone"] = keras.Model(self._inputs_struct, self._outputs_struct, name=self.name)
        return held["_alone"]


_CONSTANTS = (type(None), bool, int, float, str)
_classes: dict[str, Any] = {}  # those of models made in this process, which need not be importable


def _described(tree: Any, names: Any, place: str) -> Any:
    """The structure as JSON, its tensors by name, of which `names` gives the next; `place` says where it stands."""
    if keras.backend.is_keras_tensor(tree):
        return {"tensor": next(names)}
    fields = fields_of(tree)
    if fields is not None:
        kind = f"{type(tree).__module__}:{type(tree).__qualname__}"
        _classes[kind] = type(tree)
        described = {key: _described(value, names, f"{place}.{key}") for key, value in fields.items()}
        return {"class": kind, "fields": described}
    if isinstance(tree, dict) and all(isinstance(key, _CONSTANTS) for key in tree):
        parts = [[key, _described(value, names, f"{place}[{key!r}]")] for key, value in tree.items()]
        return {"dict": parts}  # as pairs: the keys of JSON are text
    if isinstance(tree, tuple | list):
        items = [_described(each, names, f"{place}[{number}]") for number, each in enumerate(tree)]
        return {"items": items, "list": isinstance(tree, list)}
    if isinstance(tree, _CONSTANTS):
        return {"constant": tree}
    raise NobucoError(
        f"{place} is a {type(tree).__name__}, which a Keras model cannot give back: return tensors, in dicts, tuples, lists "
        "or dataclasses, with None, numbers and text beside them"
    )


def _restored(structure: Any, tensors: dict[str, Any]) -> Any:
    match structure:
        case None:  # of a clone, which Keras does not tell it
            return tensors
        case {"tensor": name}:
            return tensors[name]
        case {"constant": value}:
            return value
        case {"class": path, "fields": fields}:
            return _class_at(path)(**{key: _restored(each, tensors) for key, each in fields.items()})
        case {"dict": pairs}:
            return {key: _restored(each, tensors) for key, each in pairs}
        case {"items": items, "list": is_list}:
            parts = [_restored(each, tensors) for each in items]
            return parts if is_list else tuple(parts)
    raise AssertionError(f"no structure: {structure}")


def _class_at(path: str) -> Callable[..., Any]:
    if path not in _classes:
        module, name = path.split(":")
        try:
            kind: Any = importlib.import_module(module)
            for part in name.split("."):
                kind = getattr(kind, part)
        except (ImportError, AttributeError) as error:
            raise NobucoError(
                f"the saved model returns a {name}, which cannot be imported from {module!r} here ({error}): define the "
                "class at the top level of a module that can be imported where the model is loaded"
            ) from error
        _classes[path] = kind
    return _classes[path]


def _valid_name(name: str) -> str:
    """TensorFlow takes ASCII alone, with a letter, a digit or a dot in front."""
    return (
        "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "_" for c in name).lstrip("_-")
        or "model"
    )
