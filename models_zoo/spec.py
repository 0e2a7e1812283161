"""From what a user types (a name, a group, a file and a factory in it) to models, without importing torch."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models_zoo.catalogue import ENTRIES, GROUPS
from models_zoo.errors import ModelError, UnknownModelError

Weights = Literal["random", "default"]
"""Random ones from a seed, or torchvision's trained ones."""


@dataclass(frozen=True)
class ModelSpec:
    """A model that can be loaded.

    Attributes:
        name: Identifies it in tables and records.
        file: The user's own file; None: the model is in the catalogue.
        factory: The function in that file which makes the model.
    """

    name: str
    file: Path | None = None
    factory: str | None = None

    @property
    def slug(self) -> str:
        """The name in a form that is safe as a file name."""
        return re.sub(r"[^A-Za-z0-9_.-]+", "_", self.name)


def names() -> list[str]:
    """Names of all models in the catalogue, in its order."""
    return list(ENTRIES)


def groups() -> dict[str, list[str]]:
    """Group name -> names of its models."""
    return {group: [e.name for e in ENTRIES.values() if group in e.groups] for group in GROUPS}


def resolve(specs: Iterable[str]) -> list[ModelSpec]:
    """Find models by name.

    Args:
        specs: Names of models, names of groups, or `path/to/file.py:factory`.

    Returns:
        The models, in order, each once.

    Raises:
        UnknownModelError: A name is neither a model nor a group.
        ModelError: A file does not exist, or no factory is named.
    """
    if isinstance(specs, str):
        raise TypeError(f"resolve() takes a list of names, not one string; write resolve([{specs!r}])")
    found: dict[ModelSpec, None] = {}
    for text in specs:
        found.update(dict.fromkeys(_resolve_one(text.strip())))
    return list(found)


def _resolve_one(text: str) -> list[ModelSpec]:
    if text in ENTRIES:
        return [ModelSpec(text)]
    if text in GROUPS:
        return [ModelSpec(name) for name in groups()[text]]
    path, colon, factory = text.rpartition(":")
    if colon and path.endswith(".py"):
        return [_file_spec(text, Path(path), factory)]
    if text.endswith(".py"):
        raise ModelError(f"{text}: say which function makes the model, as in {text}:make_model")
    raise UnknownModelError(_unknown(text))


def _file_spec(text: str, file: Path, factory: str) -> ModelSpec:
    if not factory.isidentifier():
        raise ModelError(
            f"{text}: {factory!r} is not the name of a function; write {file}:NAME, "
            "with NAME a function that returns the model"
        )
    if not file.is_file():
        raise ModelError(f"{text}: there is no file {file} (looked from {Path.cwd()})")
    return ModelSpec(text, file, factory)


def _unknown(text: str) -> str:
    candidates = [*ENTRIES, *GROUPS]
    near = difflib.get_close_matches(text.lower(), candidates, n=3, cutoff=0.5)
    near += [name for name in candidates if text and text.lower() in name and name not in near]
    hint = (
        f"did you mean {', '.join(near)}?"
        if near
        else f"models: {', '.join(ENTRIES)}; groups: {', '.join(GROUPS)}."
    )
    return f"unknown model {text!r}; {hint} A model of your own is given as path/to/file.py:factory."
