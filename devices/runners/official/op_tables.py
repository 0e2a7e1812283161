"""Reading the operator tables of `benchmark_model`: the text form of every build, and CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass

from devices.runners.official.log import clean_line

_REGULAR = "Operator-wise Profiling Info for Regular Benchmark Runs:"
_ANY_SECTION = re.compile(r"Profiling Info for .*:$")
_TITLE = re.compile(r"^=+ (.+?) =+$")
_COLUMN = re.compile(r"\[([^\]]+)\]")
_RUN_ORDER = "Run Order"
# Names in brackets, and the CSV's, to ours. Builds differ in which columns they have, so names count, not places.
_NAMES = {
    "node type": "node_type",
    "first": "first_ms",
    "avg ms": "avg_ms",
    "avg_ms": "avg_ms",
    "%": "percent",
    "mem KB": "mem_kb",
    "times called": "times_called",
    "Name": "name",
    "name": "name",
}


@dataclass(frozen=True)
class OpRow:
    """One operator of the run, in the order of the run."""

    node_type: str
    name: str
    first_ms: float
    avg_ms: float
    percent: float
    mem_kb: float
    times_called: float
    inside_delegate: bool
    """One of the delegate's own nodes."""


def parse_op_table(text: str) -> list[OpRow]:
    """Rows of the regular runs in run order; empty when the log has no such table."""
    lines = [clean_line(line)[1] for line in text.splitlines()]
    if any(line.startswith("node type") and "," in line for line in lines):
        return _parse_csv(lines)
    return _parse_text(lines)


def _parse_text(lines: Iterable[str]) -> list[OpRow]:
    rows: list[OpRow] = []
    in_section = in_table = inside_delegate = False
    columns: list[str] = []
    for line in lines:
        bare = line.strip()
        if _ANY_SECTION.search(bare):
            in_section, in_table = bare == _REGULAR, False
        elif not in_section:
            continue
        elif bare.startswith("Delegate internal"):
            inside_delegate, in_table = True, False
        elif title := _TITLE.match(bare):
            in_table, columns = title[1].strip() == _RUN_ORDER, []
        elif in_table and not columns:
            columns = _COLUMN.findall(line)
        elif in_table:
            if row := _row(columns, [cell.strip() for cell in line.split("\t")], inside_delegate):
                rows.append(row)
            else:
                in_table = False
    return rows


def _parse_csv(lines: list[str]) -> list[OpRow]:
    """The run-order table is the first; the others repeat its rows in another order."""
    rows: list[OpRow] = []
    columns: list[str] = []
    in_section = not any(_REGULAR in line for line in lines)
    for line in lines:
        if _ANY_SECTION.search(line.strip()):
            in_section, columns = _REGULAR in line, []
            continue
        if not in_section or "," not in line:
            if rows and columns:
                break
            continue
        cells = [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True))]
        if cells[0] == "node type":
            if columns:
                break
            columns = cells
        elif columns and (row := _row(columns, cells, False)):
            rows.append(row)
    return rows


def _row(columns: list[str], cells: list[str], inside_delegate: bool) -> OpRow | None:
    if cells and not cells[0]:
        cells = cells[1:]  # text rows begin with a tab
    # A name may hold the separator; it is the last column, so what is left over belongs to it.
    if len(cells) > len(columns) > 0:
        cells = [*cells[: len(columns) - 1], "\t".join(cells[len(columns) - 1 :])]
    if len(cells) != len(columns) or not columns:
        return None
    found = {_NAMES[name]: cell for name, cell in zip(columns, cells, strict=True) if name in _NAMES}
    try:
        return OpRow(
            node_type=found["node_type"],
            name=re.sub(r"^\[(.*)\](:\d+)?$", r"\1", found.get("name", "")),
            first_ms=float(found.get("first_ms", "nan")),
            avg_ms=float(found["avg_ms"]),
            percent=float(found.get("percent", "nan").rstrip("%")),
            mem_kb=float(found.get("mem_kb", "nan")),
            times_called=float(found.get("times_called", "1")),
            inside_delegate=inside_delegate,
        )
    except (KeyError, ValueError):
        return None  # the end of the table, or a line of another thread in its middle
