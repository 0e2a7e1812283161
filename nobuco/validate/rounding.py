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


class OwnRounding:
    """How far a program's float32 results are from its float64 ones.

    Of no more than what comes of inputs and weights that are off by their last bit: a program may do other things in
    float64, and one that gives something else whenever it is called has no rounding to speak of.

    What it does in float64 is found once: how many nudges its rounding is worth. On further inputs a nudge is enough."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._nudged: Program | None = None
        self._worth: float | None = None  # of its rounding, in nudges

    def on(self, inputs: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> float | None:
        """How far PyTorch's float32 result `expected` is from the float64 one, relative to it; None where that cannot be
        told."""
        try:
            if self._nudged is None:
                if _error(self._program.run(inputs), expected) > _REPEATED:
                    return None
                self._nudged = self._program.nudged()
            off = _error(self._nudged.run([nudged(tensor) for tensor in inputs]), expected)
            if self._worth is None:
                doubles = [t.double() if t.is_floating_point() else t for t in inputs]
                exact = _error(self._program.in_float64().run(doubles), expected)
                rounding = min(exact, _NUDGES * off)
                if 0 < off < math.inf and math.isfinite(rounding):
                    self._worth = rounding / off
            else:
                rounding = self._worth * off
        except Exception:
            # a model that cannot be run again, copied, or run in float64 has no such figure, and none is claimed
            return None
        # infinite: other shapes, or NaN where there was none, which would excuse whatever the conversion gave
        return rounding if math.isfinite(rounding) else None


def _error(found: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> float:
    if len(found) != len(expected):
        return float("inf")
    pairs = zip(found, expected, strict=True)
    return max((relative_error(to_numpy(one), to_numpy(other)) for one, other in pairs), default=0.0)
