"""Write `.tflite` files from Keras models, and read what is in them. PyTorch is not needed."""

from typing import TYPE_CHECKING

from nobuco.tflite.errors import (
    CalibrationError,
    CalibrationWarning,
    PrecisionWarning,
    TFLiteError,
    TFLiteExportError,
    TFLiteFileError,
    TFLiteMismatchError,
)
from nobuco.tflite.inspection import TFLiteInfo, TFLiteOp, TFLiteTensor, inspect_tflite
from nobuco.tflite.precision.recipe import Recipe

if TYPE_CHECKING:
    from nobuco.tflite.export import ExportedTFLite, export_tflite

__all__ = [
    "CalibrationError",
    "CalibrationWarning",
    "ExportedTFLite",
    "PrecisionWarning",
    "Recipe",
    "TFLiteError",
    "TFLiteExportError",
    "TFLiteFileError",
    "TFLiteInfo",
    "TFLiteMismatchError",
    "TFLiteOp",
    "TFLiteTensor",
    "export_tflite",
    "inspect_tflite",
]


def __getattr__(name: str) -> object:
    """Import the exporter on first use: reading a file should not take the seconds that TensorFlow takes."""
    if name not in ("ExportedTFLite", "export_tflite"):
        raise AttributeError(f"module 'nobuco.tflite' has no attribute {name!r}")
    from nobuco.tflite import export

    globals()[name] = value = getattr(export, name)
    return value
