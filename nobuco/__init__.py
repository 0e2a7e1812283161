"""PyTorch models into TensorFlow/Keras graphs and TFLite files."""

from nobuco import node_converters as node_converters
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
from nobuco.contract.registry import converter, locate_converter
from nobuco.contract.traceable import force_pytorch_order, force_tensorflow_order, shape, traceable
from nobuco.convert import pytorch_to_keras
from nobuco.errors import NobucoError
from nobuco.keras_model.nodes import ConversionError
from nobuco.tflite import ExportedTFLite, TFLiteError, TFLiteInfo, export_tflite, inspect_tflite
from nobuco.trace.errors import TraceError
from nobuco.validate.findings import BakedValueError, DiscrepancyError, MissingConverterError
from nobuco.validate.report import BakedValueWarning, DiscrepancyWarning

__all__ = [
    "BakedValueError",
    "BakedValueWarning",
    "ChannelOrder",
    "ChannelOrderingStrategy",
    "ConversionError",
    "DiscrepancyError",
    "DiscrepancyWarning",
    "ExportedTFLite",
    "MissingConverterError",
    "NobucoError",
    "TFLiteError",
    "TFLiteInfo",
    "TraceError",
    "converter",
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
