"""The images of a folder, read in one way for all that take samples from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

KINDS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_OF_8_BITS = {"1", "CMYK", "HSV", "L", "LA", "LAB", "P", "PA", "RGB", "RGBA", "RGBX", "YCbCr"}
_OF_16_BITS = {"I;16", "I;16B", "I;16L"}


class UnreadableImageError(Exception):
    """A file is no image, or one of pixels that have no meaning here. The message names it and the way out."""


def images_below(folder: Path) -> list[Path]:
    """The files whose names are those of images, in the order of their names."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in KINDS and path.is_file())


def read_image(file: Path, channels: int) -> Image:
    """The first picture of a file, of 8 bits, grey or of three colours, whatever it has itself.

    Raises UnreadableImageError."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            if image.mode not in _OF_8_BITS | _OF_16_BITS:
                raise UnreadableImageError(
                    f"{file} has pixels of mode {image.mode}: give images of 8 bits a channel"
                )
            whole = _of_8_bits(image) if image.mode in _OF_16_BITS else image
            return whole.convert("RGB" if channels == 3 else "L")
    # What Pillow raises on damaged files, and on those that are no images.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise UnreadableImageError(
            f"{file} is no image that can be read: take it out of the folder"
        ) from error


def _of_8_bits(image: Image) -> Image:
    """Of 16 bits the upper ones, where Pillow would cut off what is above 255."""
    import numpy as np
    from PIL import Image

    return Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
