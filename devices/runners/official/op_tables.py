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


# Newer builds put the nodes inside a delegate into the main table, under names that begin so; older ones give them a
# section of their own.
_DELEGATE_PREFIX = "Delegate/"
# The node that runs one of a delegate's partitions, by its name in the runtime.
_DELEGATE_KERNEL = re.compile(r"^(?:TfLite\w*Delegate\w*|DELEGATE)(?:/|$)")


@dataclass(frozen=True)
class OpRow:
    """One row of the table. Rows of one name are merged by the program, those of several partitions, too, so neither
    their order nor their number need be the run's."""

    node_type: str
    name: str
    index: int | None
    """Of the node in the graph, or within the delegate; ``None`` where the name has no number."""
    first_ms: float
    avg_ms: float
    percent: float
    mem_kb: float
    times_called: float
    inside_delegate: bool
    """One of the delegate's own nodes."""

    @property
    def is_delegate_kernel(self) -> bool:
        """A node of the graph that stands for a whole partition, whose time is that of the nodes inside."""
        return not self.inside_delegate and bool(_DELEGATE_KERNEL.match(self.node_type))


def parse_op_table(text: str) -> list[OpRow]:
    """Rows of the regular runs, in the order in which the program lists them; empty when the log has no such table."""
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
        # Rows of the text form begin with a tab.
        cells = cells[1:]
    # A name may hold the separator; it is the last column, so what is left over belongs to it.
    if len(cells) > len(columns) > 0:
        cells = [*cells[: len(columns) - 1], "\t".join(cells[len(columns) - 1 :])]
    if len(cells) != len(columns) or not columns:
        return None
    found = {_NAMES[name]: cell for name, cell in zip(columns, cells, strict=True) if name in _NAMES}
    name, index = _name_and_index(found.get("name", ""))
    try:
        return OpRow(
            node_type=found["node_type"],
            name=name.removeprefix(_DELEGATE_PREFIX),
            index=index,
            first_ms=float(found.get("first_ms", "nan")),
            avg_ms=float(found["avg_ms"]),
            percent=float(found.get("percent", "nan").rstrip("%")),
            mem_kb=float(found.get("mem_kb", "nan")),
            times_called=float(found.get("times_called", "1")),
            inside_delegate=inside_delegate or name.startswith(_DELEGATE_PREFIX),
        )
    except (KeyError, ValueError):
        # The end of the table, or another thread's line in its middle.
        return None


def _name_and_index(text: str) -> tuple[str, int | None]:
    """``[a/Conv]:3`` and ``Delegate/Convolution:3`` without their brackets and number."""
    numbered = re.fullmatch(r"(.*):(\d+)", text)
    name, index = (numbered[1], int(numbered[2])) if numbered else (text, None)
    bracketed = re.fullmatch(r"\[(.*)\]", name)
    if bracketed:
        return bracketed[1], index
    # Without brackets and a delegate's prefix the number may belong to the name itself.
    return (name, index) if name.startswith(_DELEGATE_PREFIX) else (text, None)
