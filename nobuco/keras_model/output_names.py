"""What the outputs of a Keras model are called: by the user's names, else by their places in the structure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import keras


def named_leaves(structure: Any) -> list[tuple[str, Any]]:
    """The leaves of nested outputs with the names of their places, in the order in which the structure holds them.

    `boxes.0` is the first item of a list under the key or field `boxes`, `output_1` the second item of a tuple, and
    `output_0` a lone tensor. No two are alike. None has a place, and is a leaf like others."""
    taken: set[str] = set()
    return [(_unlike(name, taken), leaf) for name, leaf in _leaves(structure, ())]


def named_outputs(model: keras.Model) -> dict[str, Any]:
    """The Keras tensors of the model's outputs by name, in the order in which the PyTorch model returns them.

    `model.outputs` goes by the sorted keys of a dict instead."""
    # Only this private attribute holds the structure. Models without it (Sequential) have a single output.
    structure = getattr(model, "_outputs_struct", None)
    if structure is None:
        structure = model.outputs[0] if len(model.outputs) == 1 else list(model.outputs)
    taken: set[str] = set()
    named = {}
    for place, tensor in named_leaves(structure):
        maker = _maker(tensor)
        name = maker.output_name if isinstance(maker, NamedOutput) else place
        named[_unlike(name, taken)] = tensor
    return named


def computed_outputs(model: keras.Model) -> list[Any]:
    """The Keras tensor of each output as a layer computes it, in the order of `named_outputs`."""
    makers = [(tensor, _maker(tensor)) for tensor in named_outputs(model).values()]
    return [maker.input if isinstance(maker, NamedOutput) else tensor for tensor, maker in makers]


def _maker(tensor: Any) -> Any:
    return tensor._keras_history.operation  # only this private attribute tells


def fields_of(item: Any) -> dict[str, Any] | None:
    """The parts of a dataclass or a named tuple by the names that its constructor takes; None for anything else."""
    if isinstance(item, type):
        return None
    if dataclasses.is_dataclass(item):
        return {f.name: getattr(item, f.name) for f in dataclasses.fields(item) if f.init}
    if isinstance(item, tuple) and hasattr(item, "_fields"):
        return dict(zip(item._fields, item, strict=True))  # type: ignore[attr-defined]
    return None


@keras.saving.register_keras_serializable("nobuco")
class NamedOutput(keras.layers.Identity):
    """Hands on an output of the model, and holds the name that the user gave it."""

    def __init__(self, output_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.output_name = output_name

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "output_name": self.output_name}


def _leaves(tree: Any, path: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    fields = fields_of(tree)
    parts = tree if fields is None and isinstance(tree, dict) else fields
    if parts is not None:
        for key, part in parts.items():
            yield from _leaves(part, (*path, key))
    elif isinstance(tree, tuple | list):
        for number, part in enumerate(tree):
            yield from _leaves(part, (*path, number))
    else:
        yield _name(path), tree


def _name(path: tuple[Any, ...]) -> str:
    if not path:
        return "output_0"
    first = path[0]
    start = f"output_{first}" if isinstance(first, int) else str(first)
    return ".".join([start, *map(str, path[1:])]) or "output"


def _unlike(name: str, taken: set[str]) -> str:
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    taken.add(candidate)
    return candidate
