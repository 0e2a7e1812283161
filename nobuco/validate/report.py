"""What a conversion has found out about itself: every call with its error, the finished model, what to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import numpy as np

from nobuco.contract.channel_order import ChannelOrder, Layout
from nobuco.contract.converter import Converter
from nobuco.keras_model.answers import Answers
from nobuco.keras_model.model import Transposition
from nobuco.keras_model.origins import Origin
from nobuco.layout.planner import Mode
from nobuco.trace.calls import Call


class DiscrepancyWarning(UserWarning):
    """A converted call or model does not compute what PyTorch computes."""


class BakedValueWarning(UserWarning):
    """A Python branch, loop or number that depends on a tensor has been fixed to what it was in the traced run."""


class BakedDiscrepancyWarning(BakedValueWarning, DiscrepancyWarning):
    """Python has read a value or a size that is not always the same, and the converted model is seen to be wrong by it."""


class Status(Enum):
    """What became of a recorded call."""

    RIGHT = "right"
    INEXACT = "inexact"  # beyond the tolerance
    FAILED = "failed"  # the converter, or what it returned, raised
    MISSING = "missing"  # nothing converts it
    UNUSED = "unused"  # no output needs it
    FOLDED = "constant"  # depends on no input
    CONTAINER = "container"  # a module or function whose inner calls are converted
    READ = "read"  # a value read by Python, fixed in the converted model
    UNCHECKED = "unchecked"


@dataclass
class CallReport:
    """What is known of one recorded call.

    Attributes:
        error: ``max|diff| / max|ref|`` of the call alone, on PyTorch's own inputs; None where it was not checked.
        message: why there is no figure, or what is wrong besides it.
        converter: the converter that takes it.
        mode: the layouts of its inputs and outputs.
        transposed_inputs: how many of its inputs had to be transposed for it.
        reused: another call's converted layers serve this one.
        layers: the names of the Keras layers it became.
        notes: what its converter says of it.
    """

    call: Call
    status: Status
    error: float | None = None
    message: str = ""
    converter: Converter | None = None
    mode: Mode | None = None
    transposed_inputs: int = 0
    reused: bool = False
    layers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class Check:
    """The finished model against PyTorch, on the inputs named."""

    inputs: str
    error: float | None
    message: str = ""  # why there is no error figure: the model failed
    rounding: float | None = (
        None  # PyTorch's own error in float32, against float64; found when `error` is large
    )
    skipped: str = ""  # why it was not done, which says nothing about the model
    drawn: str = ""  # in words, the inputs that were used


@dataclass(repr=False)
class Report:
    """The outcome of one conversion. `keras_model.report` holds it.

    Attributes:
        root: the call of the whole model; the others hang below it.
        tolerance: the largest relative error that counts as right.
        calls: what became of each recorded call.
        checks: the finished model against PyTorch, on several inputs.
        transpositions: the transposes between channel orders in the Keras model.
        origins: where each Keras layer comes from in the PyTorch program, by the layer's name.
        outputs_channel_order: of each output; None where it is neither of the two orders.
        carried: state that the model carries from call to call, with its lines.
        rewritten: state that it writes and that no later call depends on.
        fixed: what Python made of the inputs' sizes and values, so that the converted model always does it, each with
            its line.
        samples: the inputs of `checks`, as the Keras model takes them.
        answers: what the Keras model made of them.
        input_layouts: of each input, the PyTorch dim that stands at each place of the Keras model's.
    """

    root: Call
    tolerance: float
    calls: dict[Call, CallReport] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    transpositions: list[Transposition] = field(default_factory=list)
    origins: dict[str, Origin] = field(default_factory=dict)
    outputs_channel_order: list[ChannelOrder | None] = field(default_factory=list)
    carried: list[str] = field(default_factory=list)
    rewritten: list[str] = field(default_factory=list)
    fixed: list[str] = field(default_factory=list)
    samples: list[list[np.ndarray]] = field(default_factory=list)
    answers: Answers = field(default_factory=Answers)
    input_layouts: list[Layout] = field(default_factory=list)

    def of(self, call: Call) -> CallReport | None:
        return self.calls.get(call)

    @property
    def transposes(self) -> int:
        """The number of transposes in the model that move data."""
        return sum(each.moves for each in self.transpositions)

    @property
    def max_error(self) -> float:
        """The worst error of the finished model against PyTorch."""
        return max((check.error for check in self.checks if check.error is not None), default=float("nan"))

    @property
    def worst_call(self) -> CallReport | None:
        """Where the largest error is born."""
        checked = [each for each in self.calls.values() if each.error is not None]
        return max(checked, key=lambda each: each.error or 0.0, default=None)

    @property
    def noted(self) -> list[str]:
        """What converters say of calls, each with the lines of those calls."""
        calls: dict[str, dict[str, None]] = {}
        for each in self.calls.values():
            for said in each.notes:
                calls.setdefault(said, {})[str(each.call)] = None
        return [f"{said}: {'; '.join(each)}" for said, each in calls.items()]

    def count(self, status: Status) -> int:
        return Counter(each.status for each in self.calls.values())[status]

    @property
    def ok(self) -> bool:
        bad = {Status.INEXACT, Status.FAILED, Status.MISSING}
        return not any(each.status in bad for each in self.calls.values()) and not any(
            check.message or self.is_off(check) for check in self.checks
        )

    def is_off(self, check: Check) -> bool:
        """Whether a finished model's error is beyond the tolerance, and beyond what float32 itself explains.

        A model may amplify rounding: then PyTorch's own result is no nearer to the exact one, and not to blame the
        conversion for it is the truth."""
        return check.error is not None and not check.error <= max(
            self.tolerance, 10 * (check.rounding or 0.0)
        )

    def worst_of(self, checks: Sequence[Check], what: str) -> Check:
        """The check that stands for all, on several `what`: one that failed, else one that is off, else the one with the
        largest error."""
        worst = max(checks, key=lambda each: (bool(each.message), self.is_off(each), each.error or 0.0))
        if worst.message or self.is_off(worst):
            return worst
        return replace(worst, drawn=f"{len(checks)} {what}, such as {worst.drawn}")

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, ready for `json.dumps`; calls in the order in which they were made."""
        return {
            "ok": self.ok,
            "tolerance": self.tolerance,
            "transposes": self.transposes,
            "outputs_channel_order": [order and order.name for order in self.outputs_channel_order],
            "checks": [
                {
                    "inputs": check.inputs,
                    "error": check.error,
                    "rounding": check.rounding,
                    "message": check.message or check.skipped,
                }
                for check in self.checks
            ],
            "calls": [
                _call_as_dict(call, self.calls[call]) for call in self.root.walk() if call in self.calls
            ],
        }

    def __repr__(self) -> str:
        return f"<report: {self}>"

    def __str__(self) -> str:
        lines = [
            f"{self.count(Status.RIGHT)} calls right, {self.count(Status.INEXACT)} inexact, "
            f"{self.count(Status.FAILED)} failed, {self.transposes} transposes"
        ]
        for check in self.checks:
            found = check.message or check.skipped or f"relative error {check.error:.2g}"
            if check.rounding is not None:
                found += f" (PyTorch's own rounding in float32: {check.rounding:.2g})"
            drawn = f" ({check.drawn})" if check.drawn else ""
            lines.append(f"whole model, {check.inputs}{drawn}: {found}")
        if self.rewritten:
            lines.append(f"the model also writes {', '.join(self.rewritten)}, which no later call depends on")
        lines += self.noted
        return "\n".join(lines)


def _call_as_dict(call: Call, found: CallReport) -> dict[str, Any]:
    site = call.user_line
    return {
        "op": call.name,
        "module": call.module_path,
        "file": site and site.file,
        "line": site and site.line,
        "status": found.status.value,
        "error": found.error,
        "message": found.message,
        "inputs": [list(value.shape) for value in call.inputs],
        "outputs": [list(value.shape) for value in call.outputs],
        "layers": list(found.layers),
        "notes": list(found.notes),
    }
