"""The model as every converter gets it: the same weights and the same inputs. Imports torch."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

import models_zoo
from bench.jobs.entry import JobFailed
from models_zoo import LoadedModel, ModelError, ModelSpec

STATE = "state.pt"


def load_model(job: dict[str, Any]) -> LoadedModel:
    """The model of a job.

    Args:
        job: Its `model` says which; its `reference`, if it has one, is a folder whose weights the model gets.

    Raises:
        JobFailed: The model cannot be made.
    """
    model = job["model"]
    file = Path(model["file"]) if model["file"] else None
    spec = ModelSpec(model["name"], file, model["factory"])
    try:
        loaded = models_zoo.load(spec, weights=model["weights"], seed=model["seed"])
    except ModelError as error:
        raise JobFailed(str(error)) from error
    if reference := job.get("reference"):
        state = torch.load(Path(reference) / STATE, weights_only=True)
        loaded.module.load_state_dict(state)
    return loaded


def fresh_args(loaded: LoadedModel) -> tuple[Tensor, ...]:
    """Copies, because a model may change its arguments in place."""
    return tuple(arg.clone() for arg in loaded.args)


def run(module: nn.Module, args: tuple[Tensor, ...]) -> list[tuple[str | None, Tensor]]:
    """Every output tensor with its name: the key, where the model returns a mapping."""
    with torch.no_grad():
        leaves, _ = pytree.tree_flatten_with_path(module(*args))
    return [(_key(path), leaf) for path, leaf in leaves if isinstance(leaf, Tensor)]


def _key(path: tuple[Any, ...]) -> str | None:
    key = getattr(path[-1], "key", None) if path else None
    return key if isinstance(key, str) else None


def flatten(outputs: Any) -> list[Tensor]:
    """All tensors of nested tuples, lists and mappings, in the order of `run`."""
    return [leaf for leaf in pytree.tree_leaves(outputs) if isinstance(leaf, Tensor)]


class FlatOutputs(nn.Module):
    """A model whose outputs are a tuple, for formats without mappings."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: Tensor) -> tuple[Tensor, ...]:
        """All output tensors, in the order of `run`."""
        return tuple(flatten(self.module(*args)))
