"""From a resolved model to a module in evaluation mode and the arguments it is measured with."""

from dataclasses import dataclass
from typing import get_args

from torch import Tensor, nn

from models_zoo.catalogue import ENTRIES, Entry
from models_zoo.errors import ModelError
from models_zoo.random_weights import calibrate_batch_norm, reproducible, seeded_images
from models_zoo.readme_models import MODULES
from models_zoo.spec import ModelSpec, Weights
from models_zoo.torchvision_mend import import_torchvision
from models_zoo.user_file import default_shape, load_user_model, run_once


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be converted and run.

    Attributes:
        name: As `ModelSpec.name`.
        module: In evaluation mode.
        args: Its inputs, from the seed, unless the user's file gives them. A model may change them in place:
            clone them before each run.
        weights: "random" (from the seed), "default" (torchvision's trained weights), "own" (whatever the user's
            file made) or "none" (the model has no parameters).
        seed: Of weights and arguments.
    """

    name: str
    module: nn.Module
    args: tuple[Tensor, ...]
    weights: str
    seed: int


def load(spec: ModelSpec, weights: Weights = "random", seed: int = 0) -> LoadedModel:
    """Make a model.

    The same seed gives the same weights and arguments, bit for bit, in every process of a machine. torch's global
    generator is left as it was.

    Args:
        spec: The model, from `resolve`.
        weights: Random from the seed, or trained (downloaded); a user's own model keeps its own.
        seed: Of weights and arguments.

    Raises:
        ModelError: The weights are unknown or cannot be downloaded, or the user's file does not make a model.
    """
    if weights not in get_args(Weights):
        raise ModelError(f"weights {weights!r} are unknown; choose one of {', '.join(get_args(Weights))}")
    with reproducible(seed):
        if spec.file is not None:
            return _from_file(spec, seed)
        entry = ENTRIES[spec.name]
        if entry.source == "readme":
            return LoadedModel(spec.name, MODULES[spec.name]().eval(), _image(entry, seed), "none", seed)
        module = _trained(entry) if weights == "default" else _random(entry, seed)
        return LoadedModel(spec.name, module, _image(entry, seed), weights, seed)


def _image(entry: Entry, seed: int) -> tuple[Tensor, ...]:
    return (seeded_images(entry.input_shape, seed),)


def _from_file(spec: ModelSpec, seed: int) -> LoadedModel:
    assert spec.file is not None and spec.factory is not None
    module, args = load_user_model(spec.file, spec.factory)
    args = (seeded_images(default_shape(), seed),) if args is None else args
    run_once(module, args, spec.file, spec.factory)
    return LoadedModel(spec.name, module, args, "own", seed)


def _random(entry: Entry, seed: int) -> nn.Module:
    # Without weights_backbone=None, a segmentation model fetches its backbone's trained weights.
    options = {"weights_backbone": None} if "segmentation" in entry.groups else {}
    module = import_torchvision().models.get_model(entry.name, weights=None, **options).eval()
    # Not the seed of the example arguments: the model would be normalised for the one image it is measured on.
    calibrate_batch_norm(module, entry.input_shape, seed + 1)
    return module


def _trained(entry: Entry) -> nn.Module:
    models = import_torchvision().models
    url = models.get_model_weights(entry.name).DEFAULT.url
    try:
        module = models.get_model(entry.name, weights="DEFAULT")
    # urllib's errors are OSErrors, a wrong hash is a RuntimeError.
    except (OSError, RuntimeError) as error:
        raise ModelError(
            f"{entry.name}: its trained weights could not be downloaded from {url}: {error}. "
            "Use weights 'random', or put the file into torch's hub folder (TORCH_HOME) under hub/checkpoints"
        ) from error
    # Trained segmentation weights come with the auxiliary head of training; the random model has none, and
    # both must be the same graph.
    if getattr(module, "aux_classifier", None) is not None:
        module.aux_classifier = None
    return module.eval()
