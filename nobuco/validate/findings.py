"""From what was found to what is said: the first report of every call, the errors and the warnings."""

from __future__ import annotations

import reprlib
import warnings
from collections.abc import Mapping, Sequence

from nobuco.contract.registry import find_converter
from nobuco.errors import ConversionError, NobucoError
from nobuco.graph.graph import Graph
from nobuco.trace.calls import Call, Kind, is_of_sizes
from nobuco.validate.report import (
    BakedDiscrepancyWarning,
    BakedValueWarning,
    CallReport,
    DiscrepancyWarning,
    Report,
    Status,
)
from nobuco.validate.stub import stubs_for


class MissingConverterError(NobucoError):
    """Some calls have no converter. `calls` holds all of them."""

    def __init__(self, calls: Sequence[Call], refused: Mapping[Call, Sequence[str]] | None = None) -> None:
        self.calls = list(calls)
        by_op: dict[str, list[Call]] = {}
        for call in calls:
            by_op.setdefault(call.name, []).append(call)
        lines = [f"no converter for {len(by_op)} PyTorch function(s):"]
        for name, group in by_op.items():
            lines.append(f"\n  {name}, called {len(group)} time(s)")
            lines += [
                f"    {call.user_line}" + (f", in {call.module_path}" if call.module_path else "")
                for call in group[:5]
            ]
        if refused:
            lines += ["", refusals_said(refused)]
        lines.append("\nPaste and fill in, or register a converter for a module around them:\n")
        lines.append(stubs_for([group[0] for group in by_op.values()]))
        super().__init__("\n".join(lines))


def refusals_said(refused: Mapping[Call, Sequence[str]]) -> str:
    """Every call that its converters do not take, with its line and their reasons."""
    lines = [f"{len(refused)} call(s) whose converters do not take them:"]
    for call, reasons in refused.items():
        where = f", in {call.module_path}" if call.module_path else ""
        lines.append(f"  {call}{where}: {'; '.join(reasons)}")
    return "\n".join(lines)


def raise_unconverted(graph: Graph) -> None:
    """Raises MissingConverterError or ConversionError, naming all calls that stand in the way of a conversion."""
    packed = [call for call in graph.missing if str(call.op).startswith(_PACKED)]
    if packed:
        raise ConversionError(_integers_already(packed[0]))
    if graph.missing:
        raise MissingConverterError(graph.missing, graph.refused)
    if graph.refused:
        raise ConversionError(refusals_said(graph.refused))


# PyTorch's own kernels for integers, and what finds scales as a model runs.
_PACKED = ("quantized.", "quantized_decomposed.choose_qparams")


def _integers_already(call: Call) -> str:
    if "dynamic" in call.name or "choose_qparams" in call.name:
        way_out = 'convert the float model, and export it with precision="int8-dynamic"'
    else:
        way_out = (
            "convert the model as it was before torch.ao.quantization.convert or convert_fx, with its observers off, "
            "or what convert_to_reference_fx makes of it"
        )
    where = f", in {call.module_path}" if call.module_path else ""
    return f"the model is quantised for PyTorch's own kernels ({call}{where}), which have no counterpart: {way_out}"


class DiscrepancyError(NobucoError):
    """What `DiscrepancyWarning` says, raised under `strict=True`."""


class BakedValueError(NobucoError):
    """What `BakedValueWarning` says, raised under `strict=True`."""


def report_calls(graph: Graph, tolerance: float) -> Report:
    """Every recorded call and what is known of it before any is converted."""
    report = Report(graph.root, tolerance)
    known = {
        node.call: CallReport(node.call, Status.UNCHECKED, converter=node.converter)
        for node in graph.all_nodes()
    }
    known |= {
        call: CallReport(call, Status.UNUSED, converter=find_converter(call.op)) for call in graph.unused
    }
    known |= {call: CallReport(call, Status.MISSING) for call in graph.missing}
    known |= {
        call: CallReport(call, Status.FAILED, message="; ".join(reasons), converter=find_converter(call.op))
        for call, reasons in graph.refused.items()
    }
    for call in graph.root.walk():
        report.calls[call] = known.get(call) or CallReport(
            call, _other_status(call), converter=find_converter(call.op)
        )
    return report


def _other_status(call: Call) -> Status:
    if call.kind is Kind.READ:
        return Status.READ
    return Status.FOLDED if call.folded else Status.CONTAINER


def warn_of(report: Report, graph: Graph, strict: bool) -> None:
    """Says aloud what a user must know; with `strict`, raises instead."""
    baked = [_baked(call) for call in graph.reads]
    if report.carried:
        names = ", ".join(report.carried)
        baked.append(
            f"the model changes {names} from call to call; the converted model starts from the same values at every call. "
            "Convert with carry_state=True to have it as inputs and outputs, where it is tensors of fixed shape."
        )
    wrong = discrepancies(report)
    if strict and (baked or report.fixed):
        raise BakedValueError("\n".join([*baked, *report.fixed]))
    if strict and wrong:
        raise DiscrepancyError("\n".join(wrong))
    if (baked or report.fixed) and wrong:
        _warn([*baked, *report.fixed, *wrong], BakedDiscrepancyWarning)
    else:
        _warn([*baked, *report.fixed], BakedValueWarning)
        _warn(wrong, DiscrepancyWarning)


def _warn(lines: Sequence[str], category: type[Warning]) -> None:
    if lines:
        warnings.warn("\n".join(lines), category, stacklevel=4)


def _baked(call: Call) -> str:
    gave = f"{call.name} gave {reprlib.repr(call.read)}"
    if call.inputs and all(map(is_of_sizes, call.inputs)):
        return (
            f"{call.user_line}: Python makes a number of a size that is traced ({gave}), which is fixed in the converted "
            "model. Stay with tensors: h // 2 or math.floor(h / 2) for int(h / 2), torch.maximum(h, w) for max(h, w), "
            "h ** 0.5 for math.sqrt(h), torch.arange(h) for range(h), x.shape[0] for len(x)"
        )
    why = f"; as part of the graph it cannot be taken, since {call.why}" if call.why else ""
    return (
        f"{call.user_line}: Python reads a value that depends on the model's inputs ({gave}); "
        f"the converted model always does what the traced run did{why}. Give a converter to the module around it."
    )


_HINTS = {
    "other sizes": ". Sizes that Python read from `tensor.shape` stay as they were in the traced run: convert with "
    "trace_shape=True, or read them with nobuco.shape"
}


def discrepancies(report: Report) -> list[str]:
    lines = []
    for each in report.calls.values():
        if each.status is Status.INEXACT:
            found = each.message or f"relative error {each.error:.3g}, tolerance {report.tolerance:g}"
            lines.append(
                f"{each.call}: {found} (converter: {each.converter.location if each.converter else None})"
            )
    for check in report.checks:
        if check.message:
            lines.append(f"the finished model on {check.inputs}: {check.message}")
        elif report.is_off(check):
            found = f"relative error {check.error:.3g}, tolerance {report.tolerance:g}"
            lines.append(f"the finished model on {check.inputs}: {found}{_HINTS.get(check.inputs, '')}")
    return lines
