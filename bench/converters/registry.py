"""The converters that can be compared, by name."""

import difflib

from bench.converters.base import Converter
from bench.converters.litert_torch_adapter import LitertTorch
from bench.converters.nobuco_adapter import OPTIMIZE, TARGETS, Nobuco
from bench.converters.nobuco_upstream_adapter import NobucoUpstream
from bench.converters.onnx2tf_adapter import Onnx2Tf
from bench.converters.onnx_tf_adapter import OnnxTf
from bench.errors import BenchError

_ALL: tuple[Converter, ...] = (Nobuco(), OnnxTf(), Onnx2Tf(), LitertTorch(), NobucoUpstream())
_BY_NAME = {converter.name: converter for converter in _ALL}
NAMES = tuple(_BY_NAME)
KNOWN = f"{', '.join(NAMES)}; nobuco:arm, nobuco:speed, nobuco:arm-speed for files made for that"
"""What may be asked for, in words."""
BASELINE = "onnx-tf"
"""The converter that others are compared with, unless another is chosen."""


def get_converter(name: str) -> Converter:
    """The converter of this name. Raises BenchError, with the nearest names, when there is none."""
    converter = _BY_NAME.get(name) or Nobuco.named(name)
    if converter is not None:
        return converter
    if name.startswith(f"{Nobuco().name}:"):
        raise BenchError(
            f"unknown converter {name!r}; behind nobuco: stands what its files are made for, one of "
            f"{', '.join(TARGETS)}, one of {', '.join(OPTIMIZE)}, or both: nobuco:arm-speed"
        )
    near = difflib.get_close_matches(name.lower(), NAMES, n=2, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"converters: {', '.join(NAMES)}"
    raise BenchError(f"unknown converter {name!r}; {hint}")
