"""Parts of a file, each launched once with a delegate and compared with the CPU."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from bench.bisect.rounding import Rounded, allowed_for, roundings
from bench.measure.delegates import in_half_precision
from bench.measure.workload import HALF_TOLERANCE, TOLERANCE
from devices import Device, LaunchRequest, LaunchResult, launch
from nobuco.tflite.cutting import Cut, Cutter, NotCut
from nobuco.validate.compare import relative_error

_NO_DELEGATES = ("cpu", "cpu-reference")  # the runtime's own kernels run all nodes


class Fault(Enum):
    """What can be wrong; the worst first."""

    FAILS = "fails"
    WRONG = "wrong"
    REFUSED = "refused"


@dataclass(frozen=True)
class Outcome:
    """What came of a part.

    Attributes:
        cut: the part.
        result: what the runner says.
        error: the largest error of an output against the CPU's, max|difference| / max|reference|; None where there are no
            outputs.
        tensor: the output that has it, by its number in the whole file's graph.
        tolerance: what the error may be.
        rounded: what rounding to integers the output has behind it; None where that does not count.
    """

    cut: Cut
    result: LaunchResult
    error: float | None
    tensor: int | None
    tolerance: float
    rounded: Rounded | None = None

    @property
    def faults(self) -> tuple[Fault, ...]:
        taken, total = self.result.delegated_nodes, self.result.total_nodes
        left = taken is not None and total is not None and taken < total
        left = left and self.result.delegate_asked not in _NO_DELEGATES
        if not self.result.ok:
            return (Fault.REFUSED,) if left and taken == 0 else (Fault.FAILS,)
        wrong = self.error is not None and not self.error <= self.tolerance
        return (*([Fault.WRONG] if wrong else []), *([Fault.REFUSED] if left else []))

    @property
    def complaint(self) -> str:
        """What it fails with, without numbers, which differ from part to part."""
        return re.sub(r"\d+", "#", (self.result.error or "").partition(";")[0])


class Trials:
    """Launches parts of one file.

    Args:
        cutter: The file.
        recorded: What the CPU computes, tensor by tensor.
        device: Where to.
        delegate: With what.
        tolerance: Largest error that is not wrong; None: that of `bench zoo` for float files, and where integers stand for
            numbers besides it what rounding in another order explains.
        timeout: Seconds for a launch.
        tell: Is told of each launch.
    """

    def __init__(
        self,
        cutter: Cutter,
        recorded: dict[int, np.ndarray],
        device: Device,
        delegate: str,
        tolerance: float | None = None,
        timeout: float = 300.0,
        tell: Callable[[str], None] = lambda words: None,
    ) -> None:
        self.cutter, self.recorded = cutter, recorded
        self.device, self.delegate, self.timeout = device, delegate, timeout
        usual = HALF_TOLERANCE if in_half_precision(delegate) else TOLERANCE
        self.tolerance = usual if tolerance is None else tolerance
        self._with_rounding = tolerance is None
        self._tell = tell
        self._known: dict[tuple[int, ...], Outcome | None] = {}

    def of(self, nodes: Iterable[int]) -> Outcome | None:
        """What comes of these nodes of the main graph; None where they cannot stand by themselves.

        Raises DeviceError."""
        nodes = tuple(sorted(nodes))
        if nodes not in self._known:
            try:
                cut = self.cutter.cut(nodes, self.recorded)
            except NotCut:
                self._known[nodes] = None
            else:
                outcome = self._known[nodes] = self._launched(cut)
                faults = ", ".join(fault.value for fault in outcome.faults) or "nothing wrong"
                self._tell(f"{len(nodes)} of {len(self.cutter)} nodes: {faults}")
        return self._known[nodes]

    def _launched(self, cut: Cut) -> Outcome:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "part.tflite").write_bytes(cut.data)
            inputs = tuple(folder / f"{number}.bin" for number in range(len(cut.inputs)))
            for path, index in zip(inputs, cut.inputs, strict=True):
                path.write_bytes(self.recorded[index].tobytes())
            request = LaunchRequest(
                folder / "part.tflite",
                delegate=self.delegate,
                warmup_runs=0,
                warmup_seconds=0.0,
                num_runs=1,
                min_seconds=0.0,
                inputs=inputs,
                want_outputs=True,
                timeout=self.timeout,
            )
            result = launch(self.device, request)
        if not result.ok:
            return Outcome(cut, result, None, None, self.tolerance)
        return self._compared(cut, result)

    def _compared(self, cut: Cut, result: LaunchResult) -> Outcome:
        """The output that is furthest beyond what it may be off by."""
        known = roundings(self.cutter, cut, self.recorded) if self._with_rounding else {}
        outcomes = []
        for got, index in zip(result.outputs, cut.outputs, strict=True):
            expected = self.cutter.numbers(index, self.recorded[index])
            error = relative_error(self.cutter.numbers(index, got), expected)
            rounded = known.get(index)
            explained = allowed_for(rounded, expected) if rounded else 0.0
            outcomes.append(
                Outcome(cut, result, error, index, self.tolerance + explained, rounded if explained else None)
            )
        return max(outcomes, key=lambda each: (each.error or 0.0) / (each.tolerance or 1e-30))
