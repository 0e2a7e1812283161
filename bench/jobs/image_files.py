"""Which images of a user's folder are samples, and which of them are for what. Imports neither torch nor Pillow."""

import hashlib
from pathlib import Path

from bench.errors import BenchError
from nobuco.tflite.precision import image_reading
from nobuco.tflite.precision.image_reading import KINDS, images_below

READER = Path(image_reading.__file__)
"""What reads them: samples change with it."""

CALIBRATION, CHECK = 64, 100
"""How many samples scales are found from, and how many others files are judged on."""
FEWEST = 32


def chosen_images(folder: Path) -> list[Path]:
    """The images to take, from all over the folder and those below it, in the order of their names; none is there twice.

    Raises BenchError: it is no folder, or holds too few."""
    if not folder.is_dir():
        raise BenchError(f"samples: {folder} is not a folder")
    found = images_below(folder)
    if not found:
        raise BenchError(f"samples: {folder} holds no image ({', '.join(KINDS)})")
    most = CALIBRATION + CHECK
    # folders are often classes, and their files scenes: a few of each
    spread = [found[i * len(found) // most] for i in range(most)] if len(found) > most else found
    different = {_digest(path): path for path in reversed(spread)}
    chosen = sorted(different.values())
    if len(chosen) < FEWEST:
        alike = f", {len(spread) - len(chosen)} of them twice" if len(spread) > len(chosen) else ""
        raise BenchError(
            f"samples: {folder} holds {len(spread)} images{alike}: give {most}, of which {CALIBRATION} find scales and "
            f"{CHECK} judge the files, or {FEWEST} at least"
        )
    return chosen


def parted(images: list[Path]) -> tuple[list[Path], list[Path]]:
    """Those to find scales from, and those to judge by, both from all over."""
    share = CALIBRATION / (CALIBRATION + CHECK)
    marks = [int((i + 1) * share) > int(i * share) for i in range(len(images))]
    return (
        [image for image, mark in zip(images, marks, strict=True) if mark],
        [image for image, mark in zip(images, marks, strict=True) if not mark],
    )


def images_digest(images: list[Path]) -> str:
    """Changes with what is in them, and with their order."""
    return hashlib.sha256("\n".join(map(_digest, images)).encode()).hexdigest()[:12]


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BenchError(f"samples: {path} cannot be read: {error.strerror}") from error
