"""The converters that can be compared, by name."""

import difflib

from bench.converters.base import Converter
from bench.converters.litert_torch_adapter import LitertTorch
from bench.converters.nobuco_adapter import OPTIMIZE, TARGETS, Nobuco, shipped_costs
from bench.converters.nobuco_upstream_adapter import NobucoUpstream
from bench.converters.onnx2tf_adapter import Onnx2Tf
from bench.converters.onnx_tf_adapter import OnnxTf
from bench.errors import BenchError
from reports.record import FLOAT

_PEERS = {kind.name: kind for kind in (OnnxTf, Onnx2Tf, LitertTorch, NobucoUpstream)}
NAMES = (Nobuco().name, *_PEERS)
KNOWN = (
    f"{', '.join(NAMES)}; {', '.join(f'nobuco:{word}' for word in (*TARGETS, *OPTIMIZE))}, both as nobuco:arm-speed, "
    f"{', '.join(f'nobuco:{name}' for name in shipped_costs())}, nobuco:COSTS.json for files made for that"
)
"""What may be asked for, in words."""
BASELINE = "onnx-tf"
"""The converter that others are compared with, unless another is chosen."""


def get_converter(name: str, precision: str = FLOAT) -> Converter:
    """The converter of this name, for files of one of `precisions_of` it.

    Raises BenchError, with the nearest names, when there is none.
    """
    if name in _PEERS:
        return _PEERS[name](precision)
    converter = Nobuco.named(name, precision)
    if converter is not None:
        return converter
    if name.startswith(f"{Nobuco().name}:"):
        raise BenchError(
            f"unknown converter {name!r}; behind nobuco: stands what its files are made for, one of "
            f"{', '.join(TARGETS)}, one of {', '.join(OPTIMIZE)}, or both: nobuco:arm-speed; a processor, one of "
            f"{', '.join(shipped_costs())}; or a cost file that `bench tune` wrote"
        )
    near = difflib.get_close_matches(name.lower(), NAMES, n=2, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"converters: {', '.join(NAMES)}"
    raise BenchError(f"unknown converter {name!r}; {hint}")


def precisions_of(name: str) -> tuple[str, ...]:
    """Those in which a converter makes files, as its authors describe it. Raises BenchError as `get_converter`."""
    get_converter(name)
    return _PEERS[name].precisions if name in _PEERS else Nobuco.precisions
