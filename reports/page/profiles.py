"""The part of the page that shows where the time of a cell goes."""

from collections.abc import Callable
from typing import Any

from reports import figures
from reports.modules import by_kind, by_module, module_name, names_modules, ran_with, remarks
from reports.page.icicle import icicle
from reports.page.specs import Spec
from reports.record import LaunchRecord
from reports.summary import Group, Row

MOST_PROFILES = 20
"""On a page: one of a large model takes a hundred kilobytes. `report.md` has them all."""
MOST_MODULES = 150
"""In a table: those that cost most."""


def profile_part(
    group: Group, row: Row, record: LaunchRecord, add_chart: Callable[[Spec | None], int | None]
) -> dict[str, Any]:
    """One profile of a cell: a chart, a table by module and one by kind of op, and what must be known of it."""
    modules = by_module(record.profile) if names_modules(record.profile) else []
    dearest = sorted(modules, key=lambda module: -module.total)[:MOST_MODULES]
    kept = {module.path for module in dearest}
    return {
        "title": f"{row.cell.label}, {ran_with(record)}",
        "group": group.title + (", emulated: instructions, not time" if group.emulated else ""),
        "unit": group.short_unit,
        "log": record.log,
        "remarks": remarks(record, group.short_unit),
        "chart": add_chart(icicle(record.profile, group.short_unit)),
        "modules": [
            {
                "path": module_name(module.path),
                "depth": len(module.path.split(".")) if module.path else 0,
                "total": round(module.total, 6),
                "text": figures.number(module.total),
                "share": f"{module.share:.1%}",
                "own": round(module.own, 6),
                "own_text": figures.number(module.own) if module.own else "",
                "ops": module.ops,
                "sources": ", ".join(module.sources),
            }
            for module in modules
            if module.path in kept
        ],
        "left_out": len(modules) - len(kept),
        "kinds": [
            {
                "kind": kind.kind,
                "ops": kind.ops,
                "total": round(kind.total, 6),
                "text": figures.number(kind.total),
                "share": f"{kind.share:.1%}",
                "by": row.cell.delegate if kind.delegated else "the runtime",
            }
            for kind in by_kind(record.profile)
        ],
    }
