"""The call tree as one HTML page that needs nothing beside it: no server, no network, no other file."""

from __future__ import annotations

import functools
import inspect
import linecache
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import torch

from nobuco.contract.converter import Converter
from nobuco.contract.sites import Site
from nobuco.contract.tree import tree_map
from nobuco.show.console import check_said
from nobuco.show.links import exists, file_link, short, vscode_link
from nobuco.show.rows import LOOKS, MARKS, Remark, Row, counts, figure, rows_of, shape_of, shortened
from nobuco.trace.calls import Call, Kind, Value
from nobuco.validate.report import Report, Status

_HERE = Path(__file__).parent
_AXES = {3: "BCL", 4: "BCHW", 5: "BCDHW"}


def write_page(
    report: Report, path: Path | str, remarks: Mapping[Call, Remark] | None = None, noted: Sequence[str] = ()
) -> None:
    """Writes the page of one conversion to `path`, with what else there is to say of its calls, and of the whole."""
    Path(path).write_text(page_of(report, remarks, noted), encoding="utf-8")


def page_of(report: Report, remarks: Mapping[Call, Remark] | None = None, noted: Sequence[str] = ()) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shape"] = shape_of
    root = rows_of(report, remarks)
    rows = list(root.walk())
    sources: dict[str, str] = {}
    details = [_detail(row, report, sources) for row in rows]
    return environment.get_template("page.html.j2").render(
        css=(_HERE / "page.css").read_text(encoding="utf-8"),
        js=(_HERE / "page.js").read_text(encoding="utf-8"),
        root=root,
        number={row: index for index, row in enumerate(rows)},
        details=details,
        sources=sources,
        looks={status.name.lower(): look for status, look in LOOKS.items()},
        words={s.name.lower(): {"symbol": look.symbol, "word": look.word} for s, look in LOOKS.items()},
        counts={status.name.lower(): count for status, count in counts(root).items()},
        checks=_checks(report),
        noted=[*report.noted, *noted],
        transposes=report.transposes,
        at_outputs=report.transposes - sum(row.found.transposed_inputs for row in rows),
        tolerance=f"{report.tolerance:g}",
        worst=_worst(report, rows),
        marks=MARKS,
        figure=figure,
        error_level=functools.partial(_error_level, tolerance=report.tolerance),
    )


def _checks(report: Report) -> list[dict[str, str]]:
    return [
        {
            "inputs": check.inputs,
            "figure": figure(check.error)
            if check.error is not None
            else "not checked"
            if check.skipped
            else "failed",
            "said": check_said(check, report),
            "verdict": "skipped"
            if check.skipped
            else "wrong"
            if check.message or report.is_off(check)
            else "right",
        }
        for check in report.checks
    ]


def _worst(report: Report, rows: Sequence[Row]) -> dict[str, Any] | None:
    worst = report.worst_call
    if worst is None or not worst.error:
        return None
    index = next(index for index, row in enumerate(rows) if row.found is worst)
    return {"number": index, "name": worst.call.name, "error": figure(worst.error)}


def _error_level(error: float | None, tolerance: float) -> int:
    """How near an error comes to the tolerance, 0 to 100 on a log scale of six decades."""
    if not error:
        return 0
    decades = torch.tensor(error / tolerance).log10().clamp(-6, 0)
    return int((decades + 6) / 6 * 100)


def _detail(row: Row, report: Report, sources: dict[str, str]) -> dict[str, Any]:
    """What the side panel shows of a call; plain data, which the page writes out as text only."""
    converter = None if row.covered else row.found.converter
    return {
        "name": row.name,
        "path": row.call.module_path,
        "status": row.status.name.lower(),
        "error": figure(row.found.error),
        "message": row.found.message,
        "covered": row.covered,
        "kind": row.call.kind.name.lower(),
        "marks": [{"word": word, "meaning": MARKS[mark]} for mark, word in row.marks.items()],
        "arguments": _arguments(row),
        "inputs": _tensors(row, report, inputs=True),
        "outputs": _tensors(row, report, inputs=False),
        "read": repr(row.call.read) if row.call.kind is Kind.READ else "",
        "places": [
            {"what": what, **place}
            for what, site in (
                ("Invoked", row.invoked),
                ("Defined", row.defined),
                ("Converted", row.converted),
            )
            if (place := _place(site)) is not None
        ],
        "strategy": converter.strategy.name if converter and row.status is not Status.CONTAINER else "",
        "source": _source(converter, sources) if converter else "",
    }


def _arguments(row: Row) -> str:
    """The call as one might have written it, tensors by their shapes."""
    shown = tree_map(
        lambda leaf: _Bare(shape_of(leaf)) if isinstance(leaf, Value) else leaf,
        (row.call.args, row.call.kwargs),
    )
    parts = [repr(each) for each in shown[0]] + [f"{name}={value!r}" for name, value in shown[1].items()]
    return shortened(", ".join(parts), 600)


class _Bare(str):
    def __repr__(self) -> str:
        return str(self)


def _tensors(row: Row, report: Report, inputs: bool) -> list[dict[str, str]]:
    values = row.call.inputs if inputs else row.call.outputs
    mode = row.found.mode if not row.covered else None
    layouts = (mode.inputs if inputs else mode.outputs) if mode is not None else ()
    found = []
    for index, value in enumerate(values):
        layout = layouts[index] if index < len(layouts) else None
        moved = next(
            (
                t
                for t in report.transpositions
                if inputs and t.moves and t.value is value and t.target == layout
            ),
            None,
        )
        found.append(
            {
                "shape": shape_of(value),
                "what": value.path or ("constant" if value.constant else ""),
                "constant": "yes" if value.constant else "",
                "layout": axes(layout) if layout else "",
                "transposed": axes(moved.source) if moved else "",
            }
        )
    return found


def axes(layout: Sequence[int]) -> str:
    """A layout in letters: "BHWC"; nothing for tensors that have no channels."""
    names = _AXES.get(len(layout))
    if names is not None:
        return "".join(names[dim] for dim in layout)
    return "".join(str(dim) for dim in layout) if len(layout) > 5 else ""


def _place(site: Site | None) -> dict[str, str] | None:
    if site is None:
        return None
    there = exists(site)
    return {
        "text": short(site),
        "line": linecache.getline(site.file, site.line).strip() if there else "",
        "vscode": vscode_link(site) if there else "",
        "file": file_link(site) if there else "",
    }


def _source(converter: Converter, sources: dict[str, str]) -> str:
    """The key of the converter's source in `sources`, where each stands once."""
    key = str(converter.location or repr(converter.function))
    if key not in sources:
        sources[key] = inspect.cleandoc("\n" + converter.source)
    return key
