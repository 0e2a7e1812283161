"""What an output may differ by where integers stand for numbers: what rounding in another order makes of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nobuco.tflite.cutting import Cut, Cutter, Operation

_STEPS = 2
"""For each op that rounds: two kernels may end up on either side of a half, and what they get may be a step apart.
Independent roundings add up as the root of their number."""
_HYBRID_STEP = 1 / 127
"""Of the largest number: ops with integer weights and float inputs make 8 bits of those, each kernel in its own way."""
_HYBRIDS = (
    "BATCH_MATMUL", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "UNIDIRECTIONAL_SEQUENCE_LSTM",
)  # fmt: skip
# Their results change by no more than their inputs do, so a step of an input counts where it is larger than their own.
_NO_AMPLIFIERS = (
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "DEPTH_TO_SPACE", "DEQUANTIZE", "EXPAND_DIMS", "GATHER", "LEAKY_RELU",
    "LOGISTIC", "MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM", "PACK", "PAD", "PADV2", "QUANTIZE", "RELU", "RELU6", "RESHAPE",
    "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SELECT_V2", "SLICE", "SOFTMAX", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V",
    "SQUEEZE", "STRIDED_SLICE", "SUB", "TANH", "TRANSPOSE", "UNPACK",
)  # fmt: skip


@dataclass(frozen=True)
class Rounded:
    """What rounding a tensor has behind it.

    Attributes:
        step: of its integers, or of those that it is made of, in its own unit; 0 where there were none.
        ops: how many ops have rounded, one after the other.
    """

    step: float = 0.0
    ops: int = 0

    @property
    def steps(self) -> float:
        """How many of them it may be off by."""
        return _STEPS * math.sqrt(self.ops)


def roundings(cutter: Cutter, cut: Cut, recorded: Mapping[int, np.ndarray]) -> dict[int, Rounded]:
    """Of each tensor that the part computes. What comes in is the same for both sides."""
    found: dict[int, Rounded] = {}

    def largest(index: int) -> float:
        return _largest(cutter.numbers(index, recorded[index])) if index in recorded else 0.0

    for number in cut.nodes:
        operation = cutter.operation(number)
        known = {index: found[index] for index in operation.inputs if index in found}
        for index in operation.outputs:
            own = _own_step(cutter, operation, index, largest(index))
            if operation.op in _NO_AMPLIFIERS:
                carried = max((each.step for each in known.values()), default=0.0)
            elif own:
                carried = 0.0  # a gain is in the scale that the op's result has got
            else:
                shares = (each.step / (largest(given) or 1.0) for given, each in known.items())
                carried = max(shares, default=0.0) * (largest(index) or 1.0)
            ops = max((each.ops for each in known.values()), default=0) + bool(own)
            found[index] = Rounded(max(own, carried), ops)
    return found


def allowed_for(rounded: Rounded, expected: np.ndarray) -> float:
    """The error that rounding explains, as `relative_error` counts it; `expected`: as numbers."""
    return rounded.steps * rounded.step / (_largest(expected) or 1.0)


def _own_step(cutter: Cutter, operation: Operation, index: int, largest: float) -> float:
    scale = cutter.scale(index)
    if scale is not None:
        return scale
    quantised_weights = any(
        cutter.is_constant(each) and cutter.scale(each) is not None for each in operation.inputs
    )
    return largest * _HYBRID_STEP if operation.op in _HYBRIDS and quantised_weights else 0.0


def _largest(numbers: np.ndarray) -> float:
    if numbers.dtype.kind not in "fiu":
        return 0.0
    finite = np.abs(numbers[np.isfinite(numbers)].astype(np.float64))
    return float(finite.max()) if finite.size else 0.0
