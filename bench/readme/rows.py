"""What the README's tables have in common: which cells fill a row, and how a figure is printed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench.readme.published import X86_ABIS, Place
from reports import figures
from reports.record import Cell, LaunchRecord
from reports.stats import Estimate
from reports.summary import Group, Row

NO_DEVICE = "no device"
NOT_MEASURED = "not measured"
NOISY = "~"


@dataclass(frozen=True)
class Found:
    """What was measured of one model in one place: rows by what tells its files apart."""

    group: Group
    rows: dict[str, Row]


def find(
    groups: Sequence[Group],
    records: Sequence[LaunchRecord],
    model: str,
    place: Place,
    file_of: Callable[[Cell], str],
) -> Found | None:
    """The cells of a model in a place: those of a real device before those of an emulated one, the newest before older ones.

    Args:
        groups: Of `records`.
        records: Launches, in order of writing.
        model: The model.
        place: Where and how its files run.
        file_of: What tells the model's files apart, of a cell.
    """
    newest = {record.cell.device: position for position, record in enumerate(records)}
    abis = {record.cell.device: record.device_info.get("abi") for record in records}
    candidates = [
        Found(group, rows)
        for group in groups
        if group.delegate == place.delegate and abis[group.device] in place.abis
        if (rows := {file_of(row.cell): row for row in group.rows if row.cell.model == model})
    ]
    best = sorted(candidates, key=lambda f: (not f.group.emulated, newest[f.group.device]))
    return best[-1] if best else None


def missing(records: Sequence[LaunchRecord], place: Place) -> str:
    """What stands in a row without a figure: this machine is always there, other devices are known by their records."""
    has_device = place.abis == X86_ABIS or any(
        record.device_info.get("abi") in place.abis
        and place.delegate in record.device_info.get("delegates", (record.cell.delegate,))
        for record in records
    )
    return NOT_MEASURED if has_device else NO_DEVICE


def figure(row: Row | None, missing: str, reasons: list[str]) -> str:
    """What a file takes, with its unit, marked where its launches were noisy; the reason of one that failed is added to
    `reasons`, and its number to the cell."""
    if row is None:
        return missing
    if row.latency is None:
        where = f"{row.cell.device}, {row.cell.delegate}, {row.cell.model}, {row.cell.label}"
        reasons.append(f"{where}: {' '.join((row.reason or 'no reason given').split())}")
        return f"FAIL <sup>{len(reasons)}</sup>"
    return marked(_with_unit(row, row.latency), bool(row.noise))


def ratio(value: Estimate | None, noisy: bool) -> str:
    """`1.65x [1.62, 1.68]`, marked where it proves nothing."""
    return figures.NONE if value is None else marked(figures.with_interval(value, "x"), noisy)


def marked(text: str, noisy: bool) -> str:
    """`text` with the sign of a noisy measurement in front, or without."""
    return f"{NOISY} {text}" if noisy else text


def _with_unit(row: Row, latency: Estimate) -> str:
    if row.emulated:
        return figures.with_interval(latency, " Minstr (emulated)")
    if latency.value < 1000:
        return figures.with_interval(latency, " ms")
    low, high = (bound and bound / 1000 for bound in (latency.low, latency.high))
    return figures.with_interval(replace(latency, value=latency.value / 1000, low=low, high=high), " s")


def table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown, line by line; figures on the right."""
    return [_line(headings), _line(["---", *["---:"] * (len(headings) - 1)]), *map(_line, lines)]


def _line(cells: Sequence[str]) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
