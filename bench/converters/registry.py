"""The converters that can be compared, by name."""

import difflib

from bench.converters.base import Converter
from bench.converters.litert_torch_adapter import LitertTorch
from bench.converters.nobuco_adapter import Nobuco
from bench.converters.nobuco_upstream_adapter import NobucoUpstream
from bench.converters.onnx2tf_adapter import Onnx2Tf
from bench.converters.onnx_tf_adapter import OnnxTf
from bench.errors import BenchError

_ALL: tuple[Converter, ...] = (Nobuco(), OnnxTf(), Onnx2Tf(), LitertTorch(), NobucoUpstream())
_BY_NAME = {converter.name: converter for converter in _ALL}
NAMES = tuple(_BY_NAME)
BASELINE = "onnx-tf"
"""The converter that others are compared with, unless another is chosen."""


def get_converter(name: str) -> Converter:
    """The converter of this name. Raises BenchError, with the nearest names, when there is none."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    near = difflib.get_close_matches(name.lower(), NAMES, n=2, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"converters: {', '.join(NAMES)}"
    raise BenchError(f"unknown converter {name!r}; {hint}")
