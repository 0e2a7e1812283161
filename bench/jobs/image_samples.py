"""A user's images as a model takes them: scaled, cut and normalised as its torchvision weights ask. Imports torch."""

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from bench.jobs.entry import JobFailed
from models_zoo import LoadedModel, import_torchvision
from nobuco.tflite.precision.image_reading import UnreadableImageError, read_image

# Of ImageNet, by which most models take their images.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_ROOM = 256 / 224  # of the shorter side, before the middle is cut out


def image_samples(loaded: LoadedModel, files: list[Path]) -> list[tuple[Tensor, ...]]:
    """The inputs that the images make, one for each. Grey images, and those of other colours, become those that the model
    takes. Raises JobFailed."""
    shape = tuple(loaded.args[0].shape)
    if len(loaded.args) != 1 or len(shape) != 4 or shape[0] != 1 or shape[1] not in (1, 3):
        shapes = ", ".join(str(tuple(arg.shape)) for arg in loaded.args)
        raise JobFailed(
            f"samples are images, and the model takes {shapes}, which is not one image: leave --samples out"
        )
    made = _transform(loaded.name, shape[2], shape[3], shape[1])
    return [(made(_opened(file, shape[1]))[None],) for file in files]


def _opened(file: Path, channels: int) -> Image.Image:
    try:
        return read_image(file, channels)
    except UnreadableImageError as error:
        raise JobFailed(f"samples: {error}") from error


def _transform(name: str, height: int, width: int, channels: int) -> Any:
    """What torchvision does to an image for the weights of this name, at the size that the model is measured with."""
    import_torchvision()
    from torchvision import models
    from torchvision.transforms import functional as F
    from torchvision.transforms._presets import ImageClassification

    mean, std, room, mode = _MEAN, _STD, _ROOM, F.InterpolationMode.BILINEAR
    if name in models.list_models():
        preset = models.get_model_weights(name).DEFAULT.transforms()  # pyright: ignore[reportAttributeAccessIssue]
        mean, std = getattr(preset, "mean", mean), getattr(preset, "std", std)
        mode = getattr(preset, "interpolation", mode)
        if isinstance(preset, ImageClassification):
            room = preset.resize_size[0] / preset.crop_size[0]
    if channels == 1:
        mean, std = (sum(mean) / len(mean),), (sum(std) / len(std),)

    def transform(image: Image.Image) -> Tensor:
        # the shorter side, where the model takes squares
        scale = room * max(height / image.height, width / image.width)
        size = (
            [round(room * height)]
            if height == width
            else [round(s * scale) for s in (image.height, image.width)]
        )
        resized: Any = F.resize(image, size, interpolation=mode, antialias=True)  # type: ignore[arg-type]
        pixels = F.pil_to_tensor(F.center_crop(resized, [height, width]))
        return F.normalize(F.convert_image_dtype(pixels, torch.float32), list(mean), list(std))

    return transform
