"""Where the time of profiled cells goes, as text: on a terminal (rich) and as Markdown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from rich.console import Group as Stack
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from reports import figures
from reports.modules import by_kind, by_module, module_name, names_modules, ran_with, remarks
from reports.record import LaunchRecord
from reports.summary import Group

MOST_LINES = 20
"""Of a profile: what costs most. The page shows everything."""
MOST_ON_TERMINAL = 6
"""Profiles; `report.md` has them all."""
_WIDEST = 36  # characters of a terminal for the name of a module or of a kind of op


@dataclass(frozen=True)
class _Profile:
    """One profile: its heading, the table without what costs least, and what must be known of it."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    remarks: Sequence[str]


def markdown(groups: Sequence[Group], heading: str = "##") -> str:
    """All profiles, each a heading, a table and remarks; empty without one."""
    parts: list[str] = []
    for profile in _profiles(groups):
        parts += [f"{heading} {profile.title}", ""]
        if profile.rows:
            parts += [
                _line(profile.headings),
                _line(["---", *["---:"] * 2, *["---"] * (len(profile.headings) - 3)]),
            ]
            parts += [*map(_line, profile.rows), ""]
        parts += ["\n\n".join(profile.remarks), ""]
    return "\n".join(parts)


def terminal(groups: Sequence[Group]) -> RenderableType | None:
    """The first profiles for a terminal, 80 characters wide; None without one."""
    parts: list[RenderableType] = []
    left = sum(len(row.profiles) for group in groups for row in group.rows) - MOST_ON_TERMINAL
    for profile in islice(_profiles(groups), MOST_ON_TERMINAL):
        parts.append(Text(profile.title, style="bold underline"))
        if profile.rows:
            table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
            for number, words in enumerate(profile.headings):
                justify, width = (
                    ("right", None) if number in (1, 2) else ("left", None if number else _WIDEST)
                )
                table.add_column(words, justify=justify, width=width)
            for row in profile.rows:
                table.add_row(*map(Text, row))
            parts.append(table)
        parts += [*(Text(remark, style="dim") for remark in profile.remarks), Text()]
    if left > 0:
        parts.append(Text(f"{left} more of these are in report.md.", style="dim"))
    return Stack(*parts) if parts else None


def _profiles(groups: Sequence[Group]) -> Iterator[_Profile]:
    for group in groups:
        for row in group.rows:
            for record in row.profiles:
                device = f"{group.device} (emulated)" if group.emulated else group.device
                title = (
                    f"Where the time goes: {row.cell.model}, {row.cell.label}, {device}, {ran_with(record)}"
                )
                headings, rows, costs = _table(record, group.short_unit)
                notes = remarks(record, group.short_unit)
                if left := costs[MOST_LINES:]:
                    notes.insert(
                        0, f"{len(left)} more take {figures.number(sum(left))} {group.short_unit} together."
                    )
                yield _Profile(title, headings, rows, notes)


def _table(record: LaunchRecord, unit: str) -> tuple[list[str], list[list[str]], list[float]]:
    """The headings; the rows of what costs most; and what each module or kind costs, the dearest first."""
    if names_modules(record.profile):
        modules = sorted((m for m in by_module(record.profile) if m.own), key=lambda m: -m.own)
        whole = sum(module.own for module in modules)
        rows = [
            [module_name(m.path), figures.number(m.own), f"{m.own / whole:.1%}", ", ".join(m.sources[:2])]
            for m in modules[:MOST_LINES]
        ]
        return ["module", unit, "share", "line"], rows, [module.own for module in modules]
    kinds = by_kind(record.profile)
    rows = [
        [
            f"{kind.kind} ×{kind.ops}",
            figures.number(kind.total),
            f"{kind.share:.1%}",
            _run_by(record, kind.delegated),
        ]
        for kind in kinds[:MOST_LINES]
    ]
    return ["kind of op", unit, "share", "run by"], rows, [kind.total for kind in kinds]


def _run_by(record: LaunchRecord, delegated: bool) -> str:
    return record.profile_delegate or record.cell.delegate if delegated else "the runtime"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
