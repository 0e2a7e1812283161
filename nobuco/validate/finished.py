"""The finished model against PyTorch: on the traced inputs, on fresh ones, and on other sizes where sizes are unknown.

PyTorch's program is traced again on the other inputs, too: where it does not do then what it did in the traced run, the
converted model is wrong, whether or not the outputs show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import keras
import torch

from nobuco.contract.control_flow import CONTROL_FLOW
from nobuco.contract.dtypes import to_numpy
from nobuco.errors import NobucoError
from nobuco.graph.choose import choose
from nobuco.graph.graph import Graph, output_varies
from nobuco.graph.rerun import Difference, differences, is_stray
from nobuco.layout.planning import Plan
from nobuco.program import Program
from nobuco.trace.carried import carried_state
from nobuco.trace.errors import TraceError
from nobuco.trace.patience import EndlessRunError
from nobuco.trace.state import other_random_state
from nobuco.validate.model import as_graph, check_model
from nobuco.validate.other_sizes import Keep, OtherSizes, Trial, tell
from nobuco.validate.report import Check, Report
from nobuco.validate.rounding import OwnRounding
from nobuco.validate.samples import Sample, fresh_samples, scaled_samples

_MORE_SAMPLES = 8
_RELIABLE = 1e-3  # PyTorch's float32 result, relative to its float64 one


class FinishedModel:
    """Validates the Keras model that `program` has become by way of `graph` and `plan`."""

    def __init__(self, program: Program, graph: Graph, plan: Plan, trace_shape: bool) -> None:
        self.program, self.graph = program, graph
        self._plan, self._trace_shape = plan, trace_shape

    def validate(self, keras_model: keras.Model, report: Report) -> None:
        """Adds to the report what the comparison finds. Raises TraceError where a constant turns out to be none."""
        layouts = self._plan.input_layouts
        run = as_graph(keras_model, report.answers)
        rounding = OwnRounding(self.program)

        def check(
            what: str, inputs: list[torch.Tensor], expected: list[torch.Tensor], drawn: str = ""
        ) -> Check:
            found = check_model(run, inputs, layouts, expected, self._plan.output_layouts, what)
            if report.is_off(found):
                found = replace(found, rounding=rounding.on(inputs, expected))
            return replace(found, drawn=drawn)

        def keep(inputs: list[torch.Tensor]) -> None:
            report.samples.append(
                [to_numpy(tensor).transpose(layout) for tensor, layout in zip(inputs, layouts, strict=True)]
            )

        given = self.program.tensors
        keep(given)
        report.checks.append(check("traced inputs", given, [value.tensor for value in self.graph.outputs]))
        sample, found = self._fresh(check)
        report.checks.append(found)
        if sample is not None:
            keep(sample.tensors)
            if self.graph.dynamic or self._has_strays() or self._counts_elements():
                self._compare_values(sample, report)
        if self.graph.draws or report.is_off(found):
            self._tell_what_is_hidden(report)
        if any(node.call.op in CONTROL_FLOW for node in self.graph.nodes):
            self._check_other_branches(check, keep, report)
        self._tell_state(sample, report)
        if self.program.dynamic:
            OtherSizes(self, check, keep, report).validate()

    def _fresh(self, check: Trial) -> tuple[Sample | None, Check]:
        """The boldest sample on which PyTorch's own result can be relied on: what a model makes of noise may be rounding."""
        offered = fresh_samples(self.program.inputs, self.graph)
        tried: list[tuple[Sample, Check]] = []
        while True:
            sample, expected, refusal = self.first_that_runs(offered)
            if sample is None:
                break
            found = check("fresh inputs", sample.tensors, expected, sample.said)
            tried.append((sample, found))
            if (found.rounding or 0.0) <= _RELIABLE:
                break
        if not tried:
            return None, Check("fresh inputs", None, skipped=refusal)
        return min(tried, key=lambda each: each[1].rounding or 0.0)

    def _check_other_branches(self, check: Trial, keep: Keep, report: Report) -> None:
        checks: list[Check] = []
        for offered in scaled_samples(self.program.inputs):
            sample, expected, refusal = self.first_that_runs([offered])
            if sample is not None:
                keep(sample.tensors)
                checks.append(check("inputs for other branches", sample.tensors, expected, sample.said))
            elif "did not end" in refusal:
                report.checks.append(Check("inputs for other branches", None, skipped=refusal))
        if checks:
            report.checks.append(report.worst_of(checks, "inputs"))

    def _tell_state(self, sample: Sample | None, report: Report) -> None:
        changes = self.graph.changes
        if not changes:
            return
        paths = {change.path for change in changes}
        program = self.program
        later = program.tensors if sample is None else sample.tensors
        branches = any(call.blocks for call in self.graph.root.walk())
        carried = carried_state(
            program.model,
            program.args,
            program.kwargs,
            program.tensors,
            later,
            paths,
            branches,
            program.effort,
        )
        report.carried = [str(change) for change in changes if change.path in carried]
        report.rewritten = [str(change) for change in changes if change.path not in carried]

    def first_that_runs(self, samples: Iterable[Sample]) -> tuple[Sample | None, list[torch.Tensor], str]:
        """The first sample that PyTorch's model takes and has finite answers to, if it had any to the example."""
        ran: tuple[Sample, list[torch.Tensor]] | None = None
        refusal = ""
        for sample in samples:
            try:
                results = self.program.run(sample.tensors)
            except EndlessRunError as error:
                refusal = (
                    refusal or f"not checked: on {sample.said}, PyTorch's own model did not end: {error}"
                )
                continue
            except (
                Exception
            ) as error:  # values that the model does not take are no finding about the conversion
                refusal = (
                    refusal or f"not checked: PyTorch's own model raised {type(error).__name__}: {error}"
                )
                continue
            ran = ran or (sample, results)
            if _finite(results) or not _finite([value.tensor for value in self.graph.outputs]):
                return sample, results, ""
        return (*ran, "") if ran is not None else (None, [], refusal)

    # -- what PyTorch's program does differently

    def traced_again(self, tensors: list[torch.Tensor]) -> tuple[list[Difference], Graph | None]:
        """What the program does differently on other inputs, and its graph if it can be followed there."""
        program = self.program.on(tensors)
        try:
            graph = choose(program.trace(self._trace_shape), program.dynamic)
        except NobucoError as error:
            return [Difference(None, f"the program can be followed, but not ({error})")], None
        return differences(self.graph, graph), graph

    def _compare_values(self, sample: Sample, report: Report) -> None:
        found, _ = self.traced_again(sample.tensors)
        if not found and self._counts_elements():
            found = self._differences_by_count()
        if self.graph.reads:  # they are reported as such, and explain what is different
            return
        hidden = next((each for each in found if each.stray), None)
        if hidden is not None:
            raise TraceError(
                f"{hidden.site}: {hidden.what}. It depends on the model's inputs, and how it was made could not be seen: "
                "in another thread, through the memory of another library, or by compiled code. Use functions of PyTorch, "
                "or mark the Python function around it with nobuco.traceable and give it a converter"
            )
        tell(report, found, "for inputs with other values")

    def _tell_what_is_hidden(self, report: Report) -> None:
        """What is other when the program is called again on the same inputs: it depends on something that is no input."""
        way_out = "Make what it depends on an input"
        if self.graph.draws:
            way_out += f", or draw with torch.rand and its kin instead of {' and '.join(self.graph.draws)}"
        found: list[Difference] = []
        for seed in range(_MORE_SAMPLES if self.graph.draws else 1):
            with other_random_state(seed):
                found = found or self.traced_again(self.program.tensors)[0]
        tell(report, found, "when it is called again on the same inputs", way_out)

    def _counts_elements(self) -> bool:
        """Whether the program chooses elements by their values, if only to ask how many they are."""
        return any(output_varies(call) for call in self.graph.root.walk() if not call.folded)

    def _differences_by_count(self) -> list[Difference]:
        """Other inputs may happen to have as many elements chosen as the example: more are tried."""
        for seed in range(2, 2 + _MORE_SAMPLES):
            samples = fresh_samples(self.program.inputs, self.graph, seed)
            sample, _, _ = self.first_that_runs(samples)
            if sample is not None and (found := self.traced_again(sample.tensors)[0]):
                return found
        return []

    def _has_strays(self) -> bool:
        """Whether a constant has been used that neither the model nor a recorded call has made."""
        used = [value for node in self.graph.all_nodes() for value in node.inputs]
        return any(is_stray(value) for value in (*used, *self.graph.outputs))


def _finite(tensors: Sequence[torch.Tensor]) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors if not tensor.is_quantized)
