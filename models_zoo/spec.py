"""From what a user types (a name, a group, a file and a factory in it) to models, without importing torch."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models_zoo.catalogue import ENTRIES, GROUPS, Entry
from models_zoo.errors import ModelError, UnknownModelError

Weights = Literal["random", "taught", "default"]
"""Random ones from a seed; the same with a last layer that has learnt to tell scenes apart; torchvision's trained ones."""


@dataclass(frozen=True)
class ModelSpec:
    """A model that can be loaded.

    Attributes:
        name: Identifies it in tables and records. `resnet18@320` is a model of the catalogue for images of 320x320.
        file: The user's own file; None: the model is in the catalogue.
        factory: The function in that file which makes the model.
    """

    name: str
    file: Path | None = None
    factory: str | None = None

    @property
    def entry(self) -> Entry | None:
        """The model's entry in the catalogue; None for one of the user's own."""
        return None if self.file else ENTRIES[self.name.partition("@")[0]]

    @property
    def size(self) -> int | None:
        """Height and width of its images, where they are not the catalogue's."""
        size = "" if self.file else self.name.partition("@")[2]
        return int(size) if size else None

    @property
    def slug(self) -> str:
        """The name in a form that is safe as a file name."""
        return re.sub(r"[^A-Za-z0-9_.-]+", "_", self.name)


def names() -> list[str]:
    """Names of all models in the catalogue, in its order."""
    return list(ENTRIES)


def groups() -> dict[str, list[str]]:
    """Group name -> names of its models."""
    return {group: list(members) for group, members in GROUPS.items()}


def resolve(specs: Iterable[str], size: int | None = None) -> list[ModelSpec]:
    """Find models by name.

    Args:
        specs: Names of models, names of groups, either with `@SIZE`, or `path/to/file.py:factory`.
        size: Height and width of the images of those models of the catalogue for which `specs` names none.

    Returns:
        The models, in order, each once.

    Raises:
        UnknownModelError: A name is neither a model nor a group.
        ModelError: A file does not exist, no factory is named, or a size is no number.
    """
    if isinstance(specs, str):
        raise TypeError(f"resolve() takes a list of names, not one string; write resolve([{specs!r}])")
    found: dict[ModelSpec, None] = {}
    for text in specs:
        found.update(dict.fromkeys(_resolve_one(text.strip(), size)))
    return list(found)


def _resolve_one(text: str, size: int | None) -> list[ModelSpec]:
    path, colon, factory = text.rpartition(":")
    if colon and path.endswith(".py"):
        return [_file_spec(text, Path(path), factory)]
    if text.endswith(".py"):
        raise ModelError(f"{text}: say which function makes the model, as in {text}:make_model")
    name, at, own_size = text.partition("@")
    names = GROUPS.get(name, [name])
    if names[0] not in ENTRIES:
        raise UnknownModelError(_unknown(name))
    if at and not (own_size.isdecimal() and int(own_size) > 0):
        raise ModelError(f"{text}: the size after @ must be a number of pixels, as in {name}@224")
    chosen = int(own_size) if at else size
    if at and (entry := ENTRIES.get(name)) and not entry.size:
        raise ModelError(
            f"{text}: {name} has one size alone, an input of {'x'.join(map(str, entry.shape or ()))}"
        )
    return [ModelSpec(each + _asked(ENTRIES[each], chosen)) for each in names]


def _asked(entry: Entry, size: int | None) -> str:
    """What follows the name of a model for images of this size; what takes no images of any size stays as it is."""
    return f"@{size}" if size is not None and entry.size not in (0, size) else ""


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
        else f"groups of models: {', '.join(GROUPS)}; `bench models` lists the models."
    )
    return f"unknown model {text!r}; {hint} A model of your own is given as path/to/file.py:factory."
