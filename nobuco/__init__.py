"""PyTorch models into TensorFlow/Keras graphs and TFLite files.

Names are loaded on first use: to look into a `.tflite` file takes neither PyTorch nor TensorFlow."""

import importlib
import os
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from nobuco.errors import ConversionError, NobucoError
from nobuco.keras_registration import register_layers
from nobuco.native_libraries import load_triton_before_tensorflow
from nobuco.native_log import without_native_noise

if TYPE_CHECKING:
    from nobuco.carrying import StateError
    from nobuco.contract.channel_order import (
        ChannelOrder,
        ChannelOrderingStrategy,
        get_channel_order,
        permute_keras2pytorch,
        permute_pytorch2keras,
        set_channel_order,
        t_keras2pytorch,
        t_pytorch2keras,
    )
    from nobuco.contract.composition import composition
    from nobuco.contract.converter import Impossible
    from nobuco.contract.registry import converter, converters, locate_converter
    from nobuco.contract.traceable import force_pytorch_order, force_tensorflow_order, shape, traceable
    from nobuco.convert import pytorch_to_keras
    from nobuco.delegates import DelegateCheck, check_delegates
    from nobuco.per_layer.accuracy import Accuracy, accuracy
    from nobuco.tflite import (
        CalibrationError,
        CalibrationWarning,
        ExportedTFLite,
        PrecisionWarning,
        Recipe,
        TFLiteError,
        TFLiteExportError,
        TFLiteFileError,
        TFLiteInfo,
        TFLiteMismatchError,
        export_tflite,
        inspect_tflite,
    )
    from nobuco.trace.errors import TraceError
    from nobuco.validate.findings import BakedValueError, DiscrepancyError, MissingConverterError
    from nobuco.validate.report import BakedValueWarning, DiscrepancyWarning, Report, Status

load_triton_before_tensorflow()
register_layers()

_HOMES = {
    "nobuco.contract.channel_order": (
        "ChannelOrder",
        "ChannelOrderingStrategy",
        "get_channel_order",
        "permute_keras2pytorch",
        "permute_pytorch2keras",
        "set_channel_order",
        "t_keras2pytorch",
        "t_pytorch2keras",
    ),
    "nobuco.contract.composition": ("composition",),
    "nobuco.contract.converter": ("Impossible",),
    "nobuco.contract.registry": ("converter", "converters", "locate_converter"),
    "nobuco.contract.traceable": ("force_pytorch_order", "force_tensorflow_order", "shape", "traceable"),
    "nobuco.convert": ("pytorch_to_keras",),
    "nobuco.delegates": ("DelegateCheck", "check_delegates"),
    "nobuco.per_layer.accuracy": ("Accuracy", "accuracy"),
    "nobuco.tflite": (
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
        "export_tflite",
        "inspect_tflite",
    ),
    "nobuco.carrying": ("StateError",),
    "nobuco.trace.errors": ("TraceError",),
    "nobuco.validate.findings": ("BakedValueError", "DiscrepancyError", "MissingConverterError"),
    "nobuco.validate.report": ("BakedValueWarning", "DiscrepancyWarning", "Report", "Status"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Accuracy",
    "BakedValueError",
    "BakedValueWarning",
    "CalibrationError",
    "CalibrationWarning",
    "ChannelOrder",
    "ChannelOrderingStrategy",
    "ConversionError",
    "DelegateCheck",
    "DiscrepancyError",
    "DiscrepancyWarning",
    "ExportedTFLite",
    "Impossible",
    "MissingConverterError",
    "NobucoError",
    "PrecisionWarning",
    "Recipe",
    "Report",
    "StateError",
    "Status",
    "TFLiteError",
    "TFLiteExportError",
    "TFLiteFileError",
    "TFLiteInfo",
    "TFLiteMismatchError",
    "TraceError",
    "accuracy",
    "check_delegates",
    "composition",
    "converter",
    "converters",
    "export_tflite",
    "force_pytorch_order",
    "force_tensorflow_order",
    "get_channel_order",
    "inspect_tflite",
    "locate_converter",
    "permute_keras2pytorch",
    "permute_pytorch2keras",
    "pytorch_to_keras",
    "set_channel_order",
    "shape",
    "t_keras2pytorch",
    "t_pytorch2keras",
    "traceable",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'nobuco' has no attribute {name!r}")
    # TensorFlow's start-up lines are held back where it is loaded now, unless the user has asked for its log.
    quiet = "tensorflow" not in sys.modules and "TF_CPP_MIN_LOG_LEVEL" not in os.environ
    with without_native_noise() if quiet else nullcontext():
        if home not in ("nobuco.tflite", "nobuco.delegates"):
            importlib.import_module("nobuco.node_converters")  # registers our own converters
        globals()[name] = value = getattr(importlib.import_module(home), name)
        if quiet and "tensorflow" in sys.modules:
            # where it looks for GPUs, and complains of their absence: else at the first conversion
            sys.modules["tensorflow"].config.list_physical_devices()
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
