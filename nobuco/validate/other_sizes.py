"""The finished model at other sizes, where sizes are unknown: at sizes well apart, and at those where a comparison that
Python made would have come out the other way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from nobuco.graph.rerun import Difference
from nobuco.trace.sizes import Comparison
from nobuco.validate.report import Check, Report
from nobuco.validate.samples import CHANGES, Change, Resizer, Sample, shapes_said
from nobuco.validate.thresholds import Key, brackets, by_key, crossings, only_guards, undecided

if TYPE_CHECKING:
    from nobuco.validate.finished import FinishedModel

# (what is tried, the inputs, PyTorch's outputs, the inputs in words) -> how the finished model does
Trial = Callable[[str, list[torch.Tensor], list[torch.Tensor], str], Check]
Keep = Callable[[list[torch.Tensor]], None]  # so that the exported file is tried on these inputs, too

_FACTORS = (2, 3)  # by which sizes are multiplied, to see how comparisons depend on them
_GROUPS: dict[str, Callable[[int], bool]] = {"others": lambda dim: dim > 0, "batch": lambda dim: dim == 0}
_MOST_RUNS = 24  # beyond the sizes well apart


class OtherSizes:
    def __init__(
        self,
        finished: FinishedModel,
        check: Trial,
        keep: Keep,
        report: Report,
    ) -> None:
        self._finished, self._check, self._keep, self._report = finished, check, keep, report
        self._resizer = Resizer(finished.program.inputs, finished.graph)
        self._runs = [by_key(finished.graph.comparisons)]
        self._scales = [1.0]  # of each run, about how much larger its sizes are
        self._by_factor: dict[str, dict[int, dict[Key, Comparison]]] = {}
        self._odd: int | None = None  # the run at twice the sizes and one more
        sizes = [
            size
            for spec in finished.program.inputs
            for size, known in zip(spec.tensor.shape[1:], spec.shape[1:], strict=True)
            if known is None
        ]
        self._odd_factor = 2 + len(sizes) / max(sum(sizes), 1)
        self._checks: list[Check] = []
        self._refusals: list[str] = []

    def validate(self) -> None:
        for change in CHANGES:
            if self._try(self._resizer.offer(change)) and change is CHANGES[-1]:
                self._odd = len(self._runs) - 1
        for group, of_group in _GROUPS.items():
            runs = self._by_factor[group] = {1: self._runs[0]}
            for factor in _FACTORS if group == "others" or undecided(self._runs) else ():
                if self._try(self._resizer.offer(_scaled(lambda size, f=factor: f * size, of_group))):
                    runs[factor] = self._runs[-1]
        runs_left = _MOST_RUNS
        crossed: set[Key] = set()
        while open_keys := [key for key in undecided(self._runs) if key not in crossed]:
            runs_left = self._cross(open_keys[0], runs_left)
            crossed.add(open_keys[0])
        if self._checks:
            self._report.checks.append(self._report.worst_of(self._checks, "sizes"))
        elif self._refusals:
            self._report.checks.append(Check("other sizes", None, skipped=self._refusals[0]))

    def _try(self, samples: Iterable[Sample] | None) -> bool:
        """Compares the models at one size, if PyTorch's takes it."""
        if samples is None:
            return False
        sample, expected, refusal = self._finished.first_that_runs(samples)
        if sample is None:
            self._refusals.append(refusal)
            return False
        if not self._checks:
            self._keep(sample.tensors)
        said = f"{shapes_said(sample.tensors)} ({sample.said})"
        self._checks.append(self._check("other sizes", sample.tensors, expected, said))
        found, graph = self._finished.traced_again(sample.tensors)
        tell(self._report, found, f"for inputs of {shapes_said(sample.tensors)}")
        self._runs.append(by_key(graph.comparisons if graph is not None else ()))
        self._scales.append(self._resizer.scale(sample.tensors))
        if graph is not None:
            self._resizer.learn(graph, sample.tensors)
        return True

    def _cross(self, key: Key, runs_left: int) -> int:
        """Tries sizes at which the comparison comes out the other way; returns how many runs are left."""
        first = next(run[key] for run in self._runs if key in run)
        if any(line.startswith(f"{key[0]}: ") for line in self._report.fixed):
            return runs_left
        refused = too_large = False
        smooth = self._is_smooth(key)
        for change in (*self._beyond(key, first.exact), *(_NEIGHBOURS if first.exact or not smooth else ())):
            if self._resizer.too_large(self._resizer.shapes(change)) or runs_left == 0:
                too_large = True
                continue
            samples = self._resizer.offer(change)
            if samples is None:
                continue
            runs_left -= 1
            if not self._try(samples):
                refused = True  # the comparison belongs to a check of the model's own
            elif key in self._runs[-1] and self._runs[-1][key].outcome != first.outcome:
                return runs_left
        if (too_large or not smooth) and not refused and not only_guards(key[0]):
            what = "Python compares a size here, and at no size that has been tried does that come out the other way"
            tell(self._report, [Difference(key[0], what)], "")
        return runs_left

    def _is_smooth(self, key: Key) -> bool:
        """Whether the margin grows with the sizes as `crossings` takes for granted: not as a remainder does."""
        margins = self._margins(key, "others")
        run = self._runs[self._odd] if self._odd is not None else {}
        if len(margins) < 3 or key not in run:
            return True
        polynomial = np.polyfit(list(margins), list(margins.values()), 2)
        margin = run[key].margin
        return bool(abs(np.polyval(polynomial, self._odd_factor) - margin) <= 2 + 0.1 * abs(margin))

    def _margins(self, key: Key, group: str) -> dict[int, float]:
        return {factor: run[key].margin for factor, run in self._by_factor[group].items() if key in run}

    def _beyond(self, key: Key, exact: bool) -> Iterator[Change]:
        """Sizes on either side of those where the margin of the comparison is zero."""
        beyond = 0 if exact else 1  # a tie may make no difference yet
        for group, of_group in _GROUPS.items():
            factors = crossings(self._margins(key, group))
            if group == "others":
                pairs = zip(self._scales, self._runs, strict=True)
                factors += brackets([(scale, run[key].margin) for scale, run in pairs if key in run])
            for factor in factors:
                yield _scaled(lambda size, f=factor: math.ceil(size * f - 1e-6) + beyond, of_group)
                yield _scaled(lambda size, f=factor: math.floor(size * f + 1e-6) - beyond, of_group)


def tell(
    report: Report,
    found: Sequence[Difference],
    where: str,
    way_out: str = "Where Python computes with a size, "
    "convert with trace_shape=True, or read the size with nobuco.shape",
) -> None:
    """Adds to the report what is fixed in the converted model, one difference a line of the program."""
    told = {line.split(": ", 1)[0] for line in report.fixed}
    for each in found:
        line = str(each.site) if each.site is not None else "the model"
        if line not in told:
            what = f"{line}: {each.what} {where}".rstrip()
            report.fixed.append(f"{what}; the converted model always does what the traced run did. {way_out}")
            told.add(line)


def _scaled(scale: Callable[[int], int], of_group: Callable[[int], bool]) -> Change:
    return lambda size, dim: scale(size) if of_group(dim) else size


_NEIGHBOURS: list[Change] = [
    lambda size, dim, more=more: size if dim == 0 else size + more for more in (*range(2, 10), *range(-9, -1))
]
