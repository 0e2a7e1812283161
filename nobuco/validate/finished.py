"""The finished model against PyTorch: on the traced inputs, on fresh ones, and on other sizes where sizes are unknown.

PyTorch's program is traced again on the other inputs, too: where it does not do then what it did in the traced run, the
converted model is wrong, whether or not the outputs show it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch

from nobuco.contract.dtypes import to_numpy
from nobuco.errors import NobucoError
from nobuco.graph.choose import Choice
from nobuco.inputs import InputSpec, is_dynamic_model
from nobuco.trace.calls import Trace
from nobuco.trace.carried import carried_state
from nobuco.trace.errors import TraceError
from nobuco.trace.rerun import Difference, differences, is_stray
from nobuco.trace.tracer import run_untraced
from nobuco.validate.model import as_graph, check_model, with_rounding
from nobuco.validate.other_sizes import OtherSizes, tell
from nobuco.validate.report import Check, Report
from nobuco.validate.samples import Sample, fresh_samples

Again = Callable[[list[torch.Tensor]], tuple[Trace, Choice]]


class FinishedModel:
    """Validates a Keras model. `again` traces PyTorch's model on other inputs."""

    def __init__(
        self,
        model: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        traced: Trace,
        choice: Choice,
        specs: Sequence[InputSpec],
        again: Again,
    ) -> None:
        self._model, self._args, self._kwargs = model, args, kwargs
        self.traced, self._choice, self.specs, self._again = traced, choice, specs, again
        self._given = [spec.tensor for spec in specs]

    def validate(
        self, keras_model: Any, output_layouts: Sequence[Any], dynamic: bool, report: Report
    ) -> None:
        layouts = [spec.layout for spec in self.specs]
        graph = as_graph(keras_model)

        def check(
            what: str, inputs: list[torch.Tensor], expected: list[torch.Tensor], drawn: str = ""
        ) -> Check:
            found = check_model(graph, inputs, layouts, expected, output_layouts, what)
            found = with_rounding(
                found, report, self._model, self._args, self._kwargs, self._given, inputs, expected
            )
            return replace(found, drawn=drawn)

        def keep(inputs: list[torch.Tensor]) -> None:
            report.samples.append(
                [to_numpy(tensor).transpose(layout) for tensor, layout in zip(inputs, layouts, strict=True)]
            )

        keep(self._given)
        report.checks.append(
            check("traced inputs", self._given, [value.tensor for value in self.traced.outputs])
        )
        sample, expected, refusal = self.first_that_runs(fresh_samples(self.specs, self.traced))
        if sample is None:
            report.checks.append(Check("fresh inputs", None, skipped=refusal))
        else:
            keep(sample.tensors)
            report.checks.append(check("fresh inputs", sample.tensors, expected, sample.said))
            if dynamic or self._has_strays():
                self._compare_values(sample, report)
        self._tell_state(sample, report)
        if is_dynamic_model(self.specs):
            OtherSizes(self, check, keep, report).validate()

    def _tell_state(self, sample: Sample | None, report: Report) -> None:
        changes = self.traced.changes
        if not changes:
            return
        paths = {change.path for change in changes}
        later = self._given if sample is None else sample.tensors
        carried = carried_state(self._model, self._args, self._kwargs, self._given, later, paths)
        report.carried = [str(change) for change in changes if change.path in carried]
        report.rewritten = [str(change) for change in changes if change.path not in carried]

    def first_that_runs(self, samples: Iterable[Sample]) -> tuple[Sample | None, list[torch.Tensor], str]:
        """The first sample that PyTorch's model takes and has finite answers to, if it had any to the example."""
        ran: tuple[Sample, list[torch.Tensor]] | None = None
        refusal = ""
        for sample in samples:
            try:
                results = run_untraced(self._model, self._args, self._kwargs, self._given, sample.tensors)
            except (
                Exception
            ) as error:  # values that the model does not take are no finding about the conversion
                refusal = (
                    refusal or f"not checked: PyTorch's own model raised {type(error).__name__}: {error}"
                )
                continue
            ran = ran or (sample, results)
            if _finite(results) or not _finite([value.tensor for value in self.traced.outputs]):
                return sample, results, ""
        return (*ran, "") if ran is not None else (None, [], refusal)

    # -- what PyTorch's program does differently

    def traced_again(self, tensors: list[torch.Tensor]) -> tuple[list[Difference], Trace | None]:
        """What the program does differently on other inputs, and its trace if it can be followed there."""
        try:
            trace, choice = self._again(tensors)
        except NobucoError as error:
            return [Difference(None, f"the program can be followed, but not ({error})")], None
        return differences(self.traced, self._choice, trace, choice), trace

    def _compare_values(self, sample: Sample, report: Report) -> None:
        found, _ = self.traced_again(sample.tensors)
        if self._choice.reads:  # they are reported as such, and explain what is different
            return
        hidden = next((each for each in found if each.stray), None)
        if hidden is not None:
            raise TraceError(
                f"{hidden.site}: {hidden.what}. It depends on the model's inputs, and how it was made could not be seen: "
                "in another thread, through the memory of another library, or by compiled code. Use functions of PyTorch, "
                "or mark the Python function around it with nobuco.traceable and give it a converter"
            )
        tell(report, found, "for inputs with other values")

    def _has_strays(self) -> bool:
        """Whether a constant has been used that neither the model nor a recorded call has made."""
        used = [value for call in self._choice.nodes for value in call.inputs]
        return any(is_stray(value) for value in (*used, *self.traced.outputs))


def _finite(tensors: Sequence[torch.Tensor]) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors if not tensor.is_quantized)
