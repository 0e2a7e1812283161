"""From a resolved model to a module in evaluation mode and the arguments it is measured with."""

from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor, nn

from models_zoo.building import build
from models_zoo.catalogue import Entry
from models_zoo.errors import ModelError
from models_zoo.random_weights import give_outputs, reproducible, seeded_images, seeded_inputs
from models_zoo.readme_models import MODULES
from models_zoo.small import MODELS as SMALL
from models_zoo.spec import ModelSpec, Weights
from models_zoo.taught import taught_view
from models_zoo.taught import teach as teach_scenes
from models_zoo.user_file import default_shape, load_user_model, run_once

_FURTHER = 1000  # seeds of a model's further inputs begin so far above its own: batch norms are measured on the next one


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be converted and run.

    Attributes:
        name: As `ModelSpec.name`.
        module: In evaluation mode.
        args: Its inputs, from the seed, unless the user's file gives them. A model may change them in place:
            clone them before each run.
        weights: "random" (from the seed), "taught" (the same, but for the last layer, see `taught.teach`), "default"
            (torchvision's trained weights), "own" (whatever the user's file made) or "none" (the model has no parameters).
        seed: Of weights and arguments.
    """

    name: str
    module: nn.Module
    args: tuple[Tensor, ...]
    weights: str
    seed: int

    def further_args(self, number: int) -> tuple[Tensor, ...] | None:
        """Other inputs of the kind that `args` are, the same for the same number; None where only a user knows the kind."""
        if self.weights == "own":
            return None
        shapes = [tuple(arg.shape) for arg in self.args]
        if self.weights == "taught":
            return (taught_view(shapes[0], number, self.seed),)
        return seeded_inputs(shapes, self.seed + _FURTHER + number)


def load(spec: ModelSpec, weights: Weights = "random", seed: int = 0, teach: bool = True) -> LoadedModel:
    """Make a model.

    The same seed gives the same weights and arguments, bit for bit, in every process of a machine. torch's global
    generator is left as it was.

    Args:
        spec: The model, from `resolve`.
        weights: Random from the seed, or trained (downloaded); a user's own model keeps its own.
        seed: Of weights and arguments.
        teach: Whether "taught" weights are taught; False for a caller that puts others in their place anyway.

    Raises:
        ModelError: The weights are unknown or cannot be downloaded, or the user's file does not make a model.
    """
    if weights not in get_args(Weights):
        raise ModelError(f"weights {weights!r} are unknown; choose one of {', '.join(get_args(Weights))}")
    with reproducible(seed):
        entry = spec.entry
        if entry is None:
            return _from_file(spec, seed)
        try:
            return _from_catalogue(spec, entry, weights, seed, teach)
        # What torchvision says of a size that a model cannot have.
        except (ValueError, RuntimeError, AssertionError) as error:
            if spec.size is None:
                raise
            reason = f"cannot take images of {spec.size}x{spec.size}: {error}"
            raise ModelError(f"{spec.name}: {reason}") from error


def _from_catalogue(spec: ModelSpec, entry: Entry, weights: Weights, seed: int, teach: bool) -> LoadedModel:
    if entry.group == "small" and weights != "random":
        raise ModelError(
            f"{spec.name}: there are no trained weights of it, and it is taught none; use weights 'random'"
        )
    module = _module(entry, weights == "default", spec.size)
    # A model of one size alone may have trained weights for another one than the catalogue's.
    shapes = entry.input_shapes(spec.size or getattr(module, "image_size", None))
    made = "none" if entry.group == "module" else weights
    if made in ("random", "taught"):
        give_outputs(module, shapes, seed)
    args = seeded_inputs(shapes, seed)
    if made == "taught":
        args = (taught_view(shapes[0], 0, seed),)
        if teach:
            teach_scenes(module, shapes[0], seed)
    if spec.size is not None:
        with torch.no_grad():
            module(*(arg.clone() for arg in args))
    return LoadedModel(spec.name, module, args, made, seed)


def _module(entry: Entry, trained: bool, size: int | None) -> nn.Module:
    if entry.group == "module":
        return MODULES[entry.name]().eval()
    return SMALL[entry.name]().eval() if entry.group == "small" else build(entry, trained, size)


def _from_file(spec: ModelSpec, seed: int) -> LoadedModel:
    assert spec.file is not None and spec.factory is not None
    module, args = load_user_model(spec.file, spec.factory)
    args = (seeded_images(default_shape(), seed),) if args is None else args
    run_once(module, args, spec.file, spec.factory)
    return LoadedModel(spec.name, module, args, "own", seed)
