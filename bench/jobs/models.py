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
        loaded = models_zoo.load(
            spec, weights=model["weights"], seed=model["seed"], teach="reference" not in job
        )
    except ModelError as error:
        raise JobFailed(str(error)) from error
    if reference := job.get("reference"):
        state = torch.load(Path(reference) / STATE, weights_only=True)
        loaded.module.load_state_dict(state)
    return loaded


def fresh_args(loaded: LoadedModel) -> tuple[Tensor, ...]:
    """Copies, because a model may change its arguments in place."""
    return tuple(arg.clone() for arg in loaded.args)


def shuffled(arg: Tensor, seed: int) -> Tensor:
    """The elements in another order, so that the values are of the kind that the model takes; whole numbers as they are."""
    if not arg.is_floating_point():
        return arg
    order = torch.randperm(arg.numel(), generator=torch.Generator().manual_seed(seed))
    return arg.flatten()[order].reshape(arg.shape)


def input_names(loaded: LoadedModel) -> list[str]:
    """What converters call the inputs in the file, so that none is taken for another."""
    return [f"input_{i}" for i in range(len(loaded.args))]


def output_names(job: dict[str, Any]) -> list[str]:
    """The same of the outputs, in the order of `flatten`."""
    return [f"output_{i}" for i in range(int(job["n_outputs"]))]


def flatten(outputs: Any) -> list[Tensor]:
    """All tensors of nested tuples, lists and mappings, in the order in which the model put them there."""
    return [leaf for leaf in pytree.tree_leaves(outputs) if isinstance(leaf, Tensor)]


class FlatOutputs(nn.Module):
    """A model whose outputs are one tuple: frameworks disagree on the order of a mapping's."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: Tensor) -> tuple[Tensor, ...]:
        """All output tensors, in the order of `flatten`."""
        return tuple(flatten(self.module(*args)))
