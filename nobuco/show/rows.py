"""What there is to show of each call. The console and the page draw the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from nobuco.contract.sites import Site, definition_site
from nobuco.trace.calls import Call, Kind, Value
from nobuco.validate.report import CallReport, Report, Status


@dataclass(frozen=True)
class Look:
    """How a status looks. Colour never speaks alone: each has a symbol of its own."""

    symbol: str
    ascii: str
    word: str
    style: str  # for rich


LOOKS = {
    Status.RIGHT: Look("✓", "+", "right", "green"),
    Status.INEXACT: Look("≈", "~", "inexact", "yellow"),
    Status.FAILED: Look("✗", "x", "failed", "bold red"),
    Status.MISSING: Look("?", "?", "missing", "bold white on red"),
    Status.READ: Look("⚑", "!", "fixed by Python", "magenta"),
    Status.UNUSED: Look("○", "o", "unused", "bright_black"),
    Status.FOLDED: Look("■", "=", "constant", "dim"),
    Status.UNCHECKED: Look("·", ".", "not checked", "default"),
    Status.CONTAINER: Look("", "", "container", "default"),
}
PROBLEMS = (Status.INEXACT, Status.FAILED, Status.MISSING)

# Words for what else there is to know about a call, each with what it means.
MARKS = {
    "in-place": "changes its argument in place",
    "alias": "not in the program: carries an in-place change over to the tensors that share its memory",
    "shared": "one converted layer serves several calls",
    "transposed": "inputs that are transposed for this call",
}


@dataclass(frozen=True)
class Remark:
    """Something else to say of a call, and whether it is "good", "poor" or "bad"."""

    text: str
    level: str


@dataclass(eq=False)
class Row:
    call: Call
    found: CallReport
    status: Status
    marks: dict[str, str] = field(default_factory=dict)  # mark -> the word as shown
    children: list[Row] = field(default_factory=list)
    covered: bool = False  # inside a call that is converted as a whole
    defined: Site | None = None
    remark: Remark | None = None

    @property
    def name(self) -> str:
        return self.call.name

    @property
    def path(self) -> str:
        """Of a module, in the model."""
        path = self.call.module_path if self.call.kind is Kind.MODULE else ""
        # one that is registered nowhere is called by its class, which the name says already
        return "" if path.rsplit(".", 1)[-1] == self.name else path

    @property
    def invoked(self) -> Site | None:
        return self.call.invoked

    @property
    def converted(self) -> Site | None:
        return self.found.converter.location if self.found.converter and not self.covered else None

    @property
    def result(self) -> str:
        if self.call.kind is Kind.READ:
            return shortened(repr(self.call.read))
        return ", ".join(shape_of(value) for value in self.call.outputs)

    def constant_name(self, value: Value) -> str:
        """Of a constant input: its path in the model, less that of the module the call stands in."""
        if not value.path:
            return "constant"
        return value.path.removeprefix(f"{self.call.module_path}.") if self.call.module_path else value.path

    def walk(self) -> Iterator[Row]:
        yield self
        for child in self.children:
            yield from child.walk()


def rows_of(report: Report, remarks: Mapping[Call, Remark] | None = None) -> Row:
    """The tree of calls, from the root, with what else there is to say of some."""
    definitions: dict[Any, Site | None] = {}

    def defined(op: Any) -> Site | None:
        key = type(op) if isinstance(op, torch.nn.Module) else id(op)
        if key not in definitions:
            definitions[key] = definition_site(op)
        return definitions[key]

    def row(call: Call, covered: bool) -> Row:
        found = report.of(call) or CallReport(call, Status.CONTAINER)
        status = Status.CONTAINER if covered else found.status
        made = Row(call, found, status, _marks(found, covered), covered=covered, defined=defined(call.op))
        made.remark = (remarks or {}).get(call)
        inside = covered or (status is not Status.CONTAINER and not call.blocks)
        made.children = [row(child, inside) for child in call.children]
        if not inside and made.children and all(child.status is Status.UNUSED for child in made.children):
            made.status = Status.UNUSED  # a module of which nothing is used
        return made

    return row(report.root, covered=False)


def counts(root: Row) -> dict[Status, int]:
    """How many calls stand in each status, containers and what lies inside converted calls left out."""
    found = [row.found.status for row in root.walk() if not row.covered]
    return {
        status: found.count(status) for status in LOOKS if status is not Status.CONTAINER and status in found
    }


def _marks(found: CallReport, covered: bool) -> dict[str, str]:
    marks = {}
    if found.call.inplace:
        marks["in-place"] = "in-place"
    if found.call.kind is Kind.ALIAS:
        marks["alias"] = "alias"
    if found.reused and not covered:
        marks["shared"] = "shared"
    if found.transposed_inputs:
        count = found.transposed_inputs
        marks["transposed"] = f"{count} transpose" + ("s" if count > 1 else "")
    return marks


def shape_of(value: Value) -> str:
    """ "(1, 3, 8, 8)"; with the dtype where it is not the usual one."""
    shape = "(" + ", ".join(str(size) for size in value.shape) + ")"
    return (
        shape
        if value.tensor.dtype == torch.float32
        else str(value.tensor.dtype).removeprefix("torch.") + shape
    )


def shortened(text: str, width: int = 60) -> str:
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"


def figure(error: float | None) -> str:
    return "" if error is None else f"{error:.1e}" if error else "0"
