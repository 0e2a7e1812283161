"""What is on the page, and the page itself."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from statistics import fmean
from typing import Any

import jinja2

from reports import figures
from reports.captions import caption, doubts, failures, undelegated
from reports.cells import forecast, took
from reports.column import Column, View
from reports.columns import COLUMNS, named
from reports.errors import ReportError
from reports.page import specs
from reports.page.profiles import MOST_PROFILES, profile_part
from reports.summary import Group, Row

_HERE = Path(__file__).parent
_VENDOR = _HERE / "vendor"
MOST_MODELS, MOST_CELLS = 300, 1600
"""More would make a page of more than five megabytes; `report.csv` has them all."""
MOST_LAUNCHES = 24
"""Of a cell, one by one."""
MOST_CHARTED = 40
"""Models in a chart; a longer one is no longer read."""
_EXTRA = ("load", "first", "p90", "peak_mb", "worst_element", "top1")
_MACHINE = ("model", "soc", "abi", "cores", "os", "kernel", "gpu")


@dataclass(frozen=True)
class _Mean:
    """The geometric mean of a converter's speed-ups in a group, without the noisy ones."""

    group: str
    converter: str
    value: str
    models: int
    noisy: int
    emulated: bool


def write_page(groups: Sequence[Group], path: Path, title: str = "Benchmark") -> Path:
    """Write the page of a run.

    Args:
        groups: What it is about.
        path: Where to; raw logs are linked relative to its folder.
        title: Its heading.

    Raises:
        ReportError: It cannot be written.
    """
    try:
        path.write_text(page_of(groups, title), encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{path}: cannot be written: {error.strerror}; give another --out") from error
    return path


def page_of(groups: Sequence[Group], title: str = "Benchmark") -> str:
    """The page as HTML."""
    cells = Counter(row.cell.model for group in groups for row in group.rows)
    models = list(cells)
    upto = list(accumulate(cells.values()))
    kept = [model for model, n in zip(models, upto, strict=True) if n <= max(MOST_CELLS, upto[0])][
        :MOST_MODELS
    ]
    numbers = {model: number for number, model in enumerate(kept)}
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    charts: list[specs.Spec] = []
    return environment.get_template("page.html.j2").render(
        title=title,
        css=(_HERE / "page.css").read_text(encoding="utf-8"),
        scripts=[_inlined(file) for file in (*_vendored(), _HERE / "page.js")],
        means=[mean for mean in _means(groups) if not mean.emulated],
        emulated_means=[mean for mean in _means(groups) if mean.emulated],
        failures=[(group.title, line) for group in groups for line in failures(group)],
        doubts=[(group.title, line) for group in groups for line in doubts(group)],
        figures=sum(row.latency is not None for group in groups for row in group.rows),
        groups=[_group(group, kept, numbers, charts) for group in groups],
        models=[
            _model(number, model, groups, charts, number_of_profiles)
            for (model, number), number_of_profiles in zip(
                numbers.items(), _room(groups, numbers), strict=True
            )
        ],
        left_out=len(models) - len(kept),
        machines=_machines(groups),
        charts=_json(charts),
    )


def _vendored() -> list[Path]:
    return [next(_VENDOR.glob(f"{name}-[0-9]*.min.js")) for name in ("vega", "vega-lite")]


def _inlined(file: Path) -> str:
    # The end of a script tag within a script would end it.
    return file.read_text(encoding="utf-8").replace("</script", "<\\/script")


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _means(groups: Sequence[Group]) -> list[_Mean]:
    found = []
    for group in groups:
        for converter in dict.fromkeys(row.cell.label for row in group.rows):
            rows = [row for row in group.rows if row.cell.label == converter and row.speedup]
            proven = [row.speedup.value for row in rows if row.speedup and row.proven]
            if rows:
                mean = math.exp(fmean(map(math.log, proven))) if proven else None
                value = f"{figures.number(mean)}x" if mean is not None else figures.NONE
                noisy = len(rows) - len(proven)
                words = f"{group.title}, over {group.baseline}"
                found.append(_Mean(words, converter, value, len(proven), noisy, group.emulated))
    return found


def _group(
    group: Group, kept: Sequence[str], numbers: dict[str, int], charts: list[specs.Spec]
) -> dict[str, Any]:
    charted = [model for model in group.models if model in numbers][:MOST_CHARTED]
    columns = [(c, c.page) for c in COLUMNS if c.page and c.page.shown(group)]
    columns += [named(key) for key in _EXTRA]
    notes = [*doubts(group), *undelegated(group), *caption(group, noisy='"noisy"').splitlines()]
    rows = [row for row in group.rows if row.cell.model in numbers]
    has_times = any(row.latency for row in rows) and not group.software_gpu
    return {
        "title": group.title,
        "slug": group.slug,
        "emulated": group.emulated,
        "baseline": group.baseline,
        "heading": f"{group.quantity}, {group.unit}: less is better",
        "latency": _chart(charts, specs.latency(group, charted) if has_times else None),
        "speedup": _chart(charts, specs.speedup(group, charted) if has_times else None),
        "not_charted": len(group.models) - len(charted),
        "headings": [(" ".join(view.title(group).split()), view.left) for _, view in columns],
        "rows": [[_cell(column, view, row, numbers) for column, view in columns] for row in rows],
        "notes": notes,
    }


def _chart(charts: list[specs.Spec], spec: specs.Spec | None) -> int | None:
    if spec is None:
        return None
    charts.append(spec)
    return len(charts) - 1


def _cell(column: Column, view: View, row: Row, numbers: dict[str, int]) -> dict[str, Any]:
    value = column.value(row)
    link = None
    if column.key == "model":
        link = f"#model-{numbers[row.cell.model]}"
    elif column.key == "latency":
        link = row.log
    kind = {"speedup": row.verdict, "latency": "" if row.latency else "failed", "quiet": row.quiet}
    return {
        "text": column.text(view, row).strip("*"),
        "sort": value if isinstance(value, int | float) and math.isfinite(value) else str(value or ""),
        "left": view.left,
        "link": link,
        "kind": kind.get(column.key, "").replace(" ", "-"),
        "title": f"raw log of the newest launch, on {_machine(row)}"
        if column.key == "latency" and link
        else "",
    }


def _launches(medians: Sequence[float]) -> str:
    words = ", ".join(map(figures.number, medians[:MOST_LAUNCHES]))
    left = len(medians) - MOST_LAUNCHES
    return f"{words} and {left} more" if left > 0 else words


def _machine(row: Row) -> str:
    known = [str(row.device_info[key]) for key in _MACHINE[:2] if row.device_info.get(key)]
    return ", ".join([row.cell.device, *known])


def _machines(groups: Sequence[Group]) -> list[dict[str, Any]]:
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for group in groups:
        for row in group.rows:
            facts = {key: row.device_info[key] for key in _MACHINE if row.device_info.get(key)}
            facts["runner"] = row.provenance.runner or figures.NONE
            found.setdefault((row.cell.device, *facts.values()), {"name": row.cell.device, "facts": facts})
    return list(found.values())


def _room(groups: Sequence[Group], models: Iterable[str]) -> list[int]:
    """How many profiles the page shows of each model."""
    counts = Counter(row.cell.model for group in groups for row in group.rows for _ in row.profiles)
    rooms, left = [], MOST_PROFILES
    for model in models:
        rooms.append(min(left, counts[model]))
        left -= rooms[-1]
    return rooms


def _model(
    number: int, model: str, groups: Sequence[Group], charts: list[specs.Spec], most_profiles: int
) -> dict[str, Any]:
    rows = [(group, row) for group in groups for row in group.rows if row.cell.model == model]
    files = {row.cell.label: row for _, row in rows}
    profiled = [(group, row, record) for group, row in rows for record in row.profiles]
    parts = [
        profile_part(group, row, record, partial(_chart, charts))
        for group, row, record in profiled[:most_profiles]
    ]
    return {
        "number": number,
        "name": model,
        "ops": _chart(charts, specs.ops(list(files.values()))),
        "files": [
            {
                "converter": converter,
                "transposes": figures.count(row.conversion.transposes),
                "ops": figures.count(row.conversion.n_ops),
                "size": figures.megabytes(row.conversion.size_bytes),
                "seconds": figures.number(row.conversion.seconds),
            }
            for converter, row in files.items()
        ],
        "cells": [
            {
                "group": group.title,
                "converter": row.cell.label,
                "figure": f"{figures.with_interval(row.latency)} {group.short_unit}"
                if row.latency
                else row.reason,
                "failed": row.latency is None,
                "launches": _launches(row.launches),
                "delegated": f"{took(row.delegation) if row.delegation else figures.NONE}{forecast(row)}",
                "left": "; ".join(dict.fromkeys(row.delegation.left)) if row.delegation else "",
                "worst": row.accuracy.worst_at if row.accuracy else None,
                "log": row.log,
                "machine": _machine(row),
            }
            for group, row in rows
        ],
        "profiles": parts,
        "profiles_left_out": len(profiled) - len(parts),
    }
