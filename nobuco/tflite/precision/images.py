"""A folder of images as samples."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from nobuco.tflite.errors import CalibrationError
from nobuco.tflite.inspection import TFLiteTensor
from nobuco.tflite.precision.image_reading import KINDS, UnreadableImageError, images_below, read_image

# Of ImageNet, by which the weights of torchvision and of most of its kin take their images.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def image_folder(folder: str | os.PathLike[str], inputs: Sequence[TFLiteTensor]) -> Iterator[np.ndarray]:
    """Each image below `folder`, in the order of their names, cut and scaled to the file's one input.

    The middle square, resized; of grey or of three channels; from 0 to 1, less ImageNet's mean, divided by its deviation. A
    model that takes its images otherwise needs samples made as it takes them. Raises CalibrationError."""
    folder = Path(folder)
    if not folder.is_dir():
        raise CalibrationError(f"calibration: {folder} is not a folder")
    files = images_below(folder)
    if not files:
        raise CalibrationError(f"calibration: {folder} holds no image ({', '.join(KINDS)})")
    shape = inputs[0].shape_signature
    if len(inputs) != 1 or len(shape) != 4 or inputs[0].dtype != "float32":
        raise CalibrationError(
            "calibration is a folder of images, and the model does not take one float image: give samples"
        )
    first = shape[1] in (1, 3) and shape[3] not in (1, 3)  # channels
    height, width, channels = shape[2:] + shape[1:2] if first else shape[1:]
    if channels not in (1, 3) or height < 0 or width < 0:
        raise CalibrationError(
            f"calibration is a folder of images, and the model takes {inputs[0]}: give samples of its size and channels"
        )
    for file in files:
        pixels = _pixels(file, height, width, channels)
        yield pixels.transpose(2, 0, 1)[None] if first else pixels[None]


def _pixels(file: Path, height: int, width: int, channels: int) -> np.ndarray:
    import tensorflow as tf

    try:
        read = np.asarray(read_image(file, channels))
    except UnreadableImageError as error:
        raise CalibrationError(f"calibration: {error}") from error
    image = read.reshape(*read.shape[:2], channels)
    side = min(image.shape[0], image.shape[1])
    square = tf.image.resize_with_crop_or_pad(image, side, side)
    pixels = tf.image.resize(square, (height, width), antialias=True).numpy() / 255
    mean, std = (np.asarray(each, np.float32) for each in (MEAN, STD))
    if channels == 1:
        mean, std = mean.mean(), std.mean()
    return ((pixels - mean) / std).astype(np.float32)
