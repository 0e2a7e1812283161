"""The converters that can be compared, by name."""

import difflib
from importlib import import_module

from bench.converters.base import Converter
from bench.errors import BenchError


def _make(name: str) -> Converter:
    module, class_name = _HOMES[name]
    return getattr(import_module(module), class_name)()


_HOMES = {
    "nobuco": ("bench.converters.nobuco_adapter", "Nobuco"),
    "onnx-tf": ("bench.converters.onnx_tf_adapter", "OnnxTf"),
    "onnx2tf": ("bench.converters.onnx2tf_adapter", "Onnx2Tf"),
    "litert-torch": ("bench.converters.litert_torch_adapter", "LitertTorch"),
}
NAMES = tuple(_HOMES)


def get_converter(name: str) -> Converter:
    """Raises BenchError, with the nearest names, when there is none of this name."""
    if name in NAMES:
        return _make(name)
    near = difflib.get_close_matches(name.lower(), NAMES, n=2, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"converters: {', '.join(NAMES)}"
    raise BenchError(f"unknown converter {name!r}; {hint}")
