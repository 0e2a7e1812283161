"""Images of every kind become the same pixels, to calibrate on them as to measure on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nobuco.tflite.errors import CalibrationError
from nobuco.tflite.inspection import TFLiteTensor
from nobuco.tflite.precision.image_reading import KINDS, UnreadableImageError, read_image
from nobuco.tflite.precision.images import MEAN, STD, image_folder

_SIDE = 12
_BLOCKS = np.random.default_rng(0).integers(0, 2, (3, 3, 3), np.uint8) * 200 + 20
_PIXELS = _BLOCKS.repeat(4, 0).repeat(4, 1)  # large blocks of few colours, which palettes hold and JPEG keeps


def taking(channels: int) -> Any:
    shape = (1, _SIDE, _SIDE, channels)
    return TFLiteTensor("x", shape, shape, "float32")


def pixels_of(folder: Path, channels: int) -> np.ndarray:
    """From 0 to 255, as the model's one sample has them."""
    (sample,) = image_folder(folder, [taking(channels)])
    mean, std = (np.asarray(each) if channels == 3 else np.mean(each) for each in (MEAN, STD))
    return ((sample[0] * std + mean) * 255).round()


def expected(image: Image.Image, channels: int) -> np.ndarray:
    return np.asarray(image.convert("RGB" if channels == 3 else "L")).reshape(_SIDE, _SIDE, channels)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("bmp", "P"), ("bmp", "RGB"), ("bmp", "L"), ("bmp", "1"), ("gif", "P"), ("gif", "L"), ("png", "P"), ("png", "RGBA"),
        ("png", "1"), ("tif", "RGB"), ("webp", "RGB"), ("jpg", "CMYK"), ("jpg", "L"),
    ],
)  # fmt: skip
def test_pixels(kind: str, mode: str, channels: int, tmp_path: Path) -> None:
    image = Image.fromarray(_PIXELS).convert(mode)
    best: dict[str, Any] = {"lossless": True} if kind == "webp" else {"quality": 100} if kind == "jpg" else {}
    image.save(tmp_path / f"picture.{kind}", **best)
    off = np.abs(pixels_of(tmp_path, channels) - expected(image, channels))
    assert off.max() <= (12 if kind == "jpg" else 1)


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    deep = np.full((_SIDE, _SIDE), 200 * 256, np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert np.asarray(read_image(tmp_path / "deep.png", 1)).max() == 200
    assert pixels_of(tmp_path, 3).max() == 200


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.webp").write_text("no image")
    with pytest.raises(CalibrationError, match=r"text\.webp is no image that can be read: take it out"):
        pixels_of(tmp_path, 3)
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "floats.tif")
    with pytest.raises(UnreadableImageError, match=r"floats\.tif has pixels of mode F"):
        read_image(tmp_path / "floats.tif", 1)


def test_a_folder_without_images_says_which_there_may_be(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"holds no image .*\.webp"):
        list(image_folder(tmp_path, [taking(3)]))
    assert ".gif" in KINDS and ".tif" in KINDS
