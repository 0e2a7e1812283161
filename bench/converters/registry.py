"""The converters that can be compared, by name."""

import difflib

from bench.converters.base import Converter
from bench.errors import BenchError


def _make(name: str) -> Converter:
    if name == "nobuco":
        from bench.converters.nobuco_adapter import Nobuco

        return Nobuco()
    if name == "onnx-tf":
        from bench.converters.onnx_tf_adapter import OnnxTf

        return OnnxTf()
    from bench.converters.litert_torch_adapter import LitertTorch

    return LitertTorch()


NAMES = ("nobuco", "onnx-tf", "litert-torch")


def get_converter(name: str) -> Converter:
    """Raises BenchError, with the nearest names, when there is none of this name."""
    if name in NAMES:
        return _make(name)
    near = difflib.get_close_matches(name.lower(), NAMES, n=2, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"converters: {', '.join(NAMES)}"
    raise BenchError(f"unknown converter {name!r}; {hint}")
