"""The tables: on a terminal (rich), as Markdown, as CSV, as plain rows. Their columns are those of `columns`."""

import csv
import io
from collections.abc import Sequence

from rich.console import Group as Stack
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from reports.captions import caption, doubts, failures, undelegated
from reports.column import Column, View
from reports.columns import COLUMNS, named
from reports.summary import Group, Row

WIDTH = 80
"""Characters of a terminal's table without extra columns."""


def terminal(groups: Sequence[Group], extra: Sequence[str] = ()) -> RenderableType:
    """All groups, 80 characters wide: models are headings, and reasons for missing figures follow the table.

    Args:
        groups: The groups.
        extra: Keys of columns to add, which may make the table wider.
    """
    parts: list[RenderableType] = []
    for group in groups:
        emulated = " — emulated: instructions, not time" if group.emulated else ""
        parts += [Text(group.title + emulated, style="bold underline"), Text(), _terminal_table(group, extra)]
        for model in group.models:
            parts.append(Text(model, style="bold"))
            parts.append(
                _terminal_table(group, extra, [row for row in group.rows if row.cell.model == model])
            )
        parts.append(Text())
        parts += [Text(line, style="red") for line in failures(group)]
        parts += [
            Text(line, style="yellow")
            for line in [*doubts(group), *undelegated(group, not group.software_gpu)]
        ]
        parts += [Text(caption(group), style="dim"), Text()]
    return Stack(*parts)


def _terminal_table(group: Group, extra: Sequence[str], rows: Sequence[Row] = ()) -> Table:
    """The headings alone, or the rows of one model alone."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_header=not rows, header_style="bold")
    columns = [(c, c.terminal) for c in COLUMNS if c.terminal and c.terminal.shown(group)]
    # Tables of one model each, with the same columns: what an extra column needs is settled over all of them.
    asked = [named(key) for key in extra]
    widths = [view.width for _, view in columns] + [_width(group, *each) for each in asked]
    columns += asked
    for (_, view), width in zip(columns, widths, strict=True):
        justify = "left" if view.left else "right"
        table.add_column(
            view.title(group), justify=justify, width=width, vertical="bottom", no_wrap=bool(rows)
        )
    for row in rows:
        table.add_row(*(Text(column.text(view, row), style=view.style(row)) for column, view in columns))
    return table


def width(groups: Sequence[Group], extra: Sequence[str]) -> int:
    """Characters that the terminal's tables with these extra columns take."""
    added = [max((_width(group, *named(key)) for group in groups), default=0) + 1 for key in extra]
    return WIDTH + sum(added)


def _width(group: Group, column: Column, view: View) -> int:
    words = [*view.title(group).split("\n"), *(column.text(view, row) for row in group.rows)]
    return max(map(len, words))


def markdown(groups: Sequence[Group], heading: str = "##") -> str:
    """All groups, each a heading, a table and its caption.

    Args:
        groups: The groups.
        heading: What headings begin with.
    """
    parts: list[str] = []
    for group in groups:
        columns = [(c, c.page) for c in COLUMNS if c.page and c.page.shown(group)]
        lines = [f"{heading} {group.title}", ""]
        lines.append(_line([view.title(group) for _, view in columns]))
        lines.append(_line(["---" if view.left else "---:" for _, view in columns]))
        lines += [_line([column.text(view, row) for column, view in columns]) for row in group.rows]
        notes = [*doubts(group), *undelegated(group), *caption(group, noisy='"noisy"').splitlines()]
        parts.append("\n".join([*lines, "", *notes, ""]))
    return "\n".join(parts)


def _line(cells: Sequence[str]) -> str:
    escaped = (" ".join(cell.replace("|", "\\|").split()) for cell in cells)
    return f"| {' | '.join(escaped)} |"


def flat_rows(groups: Sequence[Group]) -> list[dict[str, object]]:
    """One flat mapping for each cell, with the keys of the columns; None where there is no figure."""
    return [{column.key: column.value(row) for column in COLUMNS} for group in groups for row in group.rows]


def as_csv(groups: Sequence[Group]) -> str:
    """The flat rows as CSV, with a header line."""
    out = io.StringIO()
    writer = csv.DictWriter(out, [column.key for column in COLUMNS], lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat_rows(groups))
    return out.getvalue()
