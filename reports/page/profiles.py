"""The part of the page that shows where the time of a cell goes."""

from collections.abc import Callable
from typing import Any

from reports import figures
from reports.modules import by_kind, by_module, module_name, names_modules, ran_with, remarks
from reports.page import specs
from reports.summary import Group, Row

SMALLEST_SHARE = 0.001
"""What costs less has no row: it would only be scrolled over."""


def profiles(
    group: Group, row: Row, add_chart: Callable[[specs.Spec | None], int | None]
) -> list[dict[str, Any]]:
    """The profiles of a cell: each a chart, a table by module and one by kind of op, and what must be known of it."""
    found = []
    for record in row.profiles:
        modules = by_module(record.profile) if names_modules(record.profile) else []
        shown = [module for module in modules if module.share >= SMALLEST_SHARE]
        found.append(
            {
                "title": f"{row.cell.converter}, {ran_with(record)}",
                "group": group.title,
                "unit": group.short_unit,
                "log": record.log,
                "remarks": remarks(record, group.short_unit),
                "chart": add_chart(specs.icicle(record.profile, group.short_unit)),
                "modules": [
                    {
                        "path": module_name(module.path),
                        "depth": len(module.path.split(".")) if module.path else int(module.path is None),
                        "total": module.total,
                        "text": figures.number(module.total),
                        "share": f"{module.share:.1%}",
                        "own": module.own,
                        "own_text": figures.number(module.own) if module.own else "",
                        "ops": module.ops,
                        "sources": ", ".join(module.sources),
                    }
                    for module in shown
                ],
                "left_out": len(modules) - len(shown),
                "kinds": [
                    {
                        "kind": kind.kind,
                        "ops": kind.ops,
                        "total": kind.total,
                        "text": figures.number(kind.total),
                        "share": f"{kind.share:.1%}",
                        "by": row.cell.delegate if kind.delegated else "the runtime",
                    }
                    for kind in by_kind(record.profile)
                ],
            }
        )
    return found
