"""How much of a difference PyTorch's own float32 result leaves open: a model may amplify rounding, and then no conversion
can be nearer to it than it is to the exact one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from nobuco.contract.dtypes import to_numpy
from nobuco.program import Program, nudged
from nobuco.validate.compare import relative_error

# Each op rounds once more, where the weights are nudged once.
_NUDGES = 10
_REPEATED = 1e-6  # threads may add up in another order when a program is run again


def own_rounding(
    program: Program, inputs: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]
) -> float | None:
    """How far PyTorch's float32 result is from its float64 one, relative to it; None where that cannot be told.

    Of no more than what comes of inputs and weights that are off by their last bit: a program may do other things in
    float64, and one that gives something else whenever it is called has no rounding to speak of."""
    try:
        if _error(program.run(inputs), expected) > _REPEATED:
            return None
        exact = program.in_float64().run([t.double() if t.is_floating_point() else t for t in inputs])
        off = program.nudged().run([nudged(tensor) for tensor in inputs])
    except (
        Exception
    ):  # a model that cannot be run again, copied, or run in float64 has no such figure, and none is claimed
        return None
    rounding = min(_error(exact, expected), _NUDGES * _error(off, expected))
    # infinite: other shapes, or NaN where there was none, which would excuse whatever the conversion gave
    return rounding if math.isfinite(rounding) else None


def _error(found: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> float:
    if len(found) != len(expected):
        return float("inf")
    pairs = zip(found, expected, strict=True)
    return max((relative_error(to_numpy(one), to_numpy(other)) for one, other in pairs), default=0.0)
