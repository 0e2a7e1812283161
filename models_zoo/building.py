"""Torchvision's models, built for a catalogue entry: with random weights, or with the trained ones."""

from typing import Any

from torch import nn

from models_zoo.catalogue import Entry
from models_zoo.errors import ModelError
from models_zoo.torchvision_mend import import_torchvision
from models_zoo.wrappers import DetectionNetwork, LastFlow


def build(entry: Entry, trained: bool, size: int | None = None) -> nn.Module:
    """The part of a torchvision model that is converted, in evaluation mode.

    Args:
        entry: The model.
        trained: Whether it gets torchvision's trained weights, which are downloaded; else those that it starts with.
        size: Height and width of its input; None: the entry's own.

    Raises:
        ModelError: The weights cannot be downloaded.
        ValueError, RuntimeError, AssertionError: What torchvision says of a size that the model cannot have.
    """
    models = import_torchvision().models
    options = _options(entry, size)
    if not trained:
        return _part(models.get_model(entry.name, weights=None, **options), entry).eval()
    url = models.get_model_weights(entry.name).DEFAULT.url
    try:
        module = models.get_model(entry.name, weights="DEFAULT")
    # urllib's errors are OSErrors, a wrong hash is a RuntimeError.
    except (OSError, RuntimeError) as error:
        raise ModelError(
            f"{entry.name}: its trained weights could not be downloaded from {url}: {error}. "
            "Use weights 'random', or put the file into torch's hub folder (TORCH_HOME) under hub/checkpoints"
        ) from error
    # Trained weights come with the auxiliary heads of training; a random model has none, and both must be the same graph.
    for name in ("aux_classifier", "AuxLogits", "aux1", "aux2"):
        if getattr(module, name, None) is not None:
            setattr(module, name, None)
    return _part(module, entry).eval()


def _options(entry: Entry, size: int | None) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if entry.group in ("segmentation", "detection"):
        options["weights_backbone"] = None  # else the backbone's trained weights are fetched
    if entry.name in ("inception_v3", "googlenet"):
        options |= {"init_weights": True, "aux_logits": False}
    if size is not None and entry.name.startswith("vit_"):
        options["image_size"] = size
    if size is not None and entry.name.startswith("maxvit_"):
        options["input_size"] = (size, size)
    return options


def _part(module: nn.Module, entry: Entry) -> nn.Module:
    if entry.group == "detection":
        return DetectionNetwork(module)
    return LastFlow(module) if entry.group == "optical_flow" else module
