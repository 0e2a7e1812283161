"""The columns of all tables: the terminal, Markdown, CSV and JSON are loops over `COLUMNS`.

A new column is a row in that table. `summary.Row` says what there is to show: it holds the parts of the records
themselves, so that whatever a record holds is within reach.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reports import figures
from reports.record import Delegation
from reports.summary import Group, Row


def _always(_: Group) -> bool:
    return True


def _plain(_: Row) -> str:
    return ""


@dataclass(frozen=True)
class View:
    """How a column looks to a reader.

    Attributes:
        heading: May name the group's {quantity}, {unit}, {short_unit} and {baseline}.
        text: The cell of a row; None: the column's value in its format.
        left: Whether the column is aligned to the left.
        width: Characters on a terminal, where the tables of all models are aligned; elsewhere without meaning.
        style: Rich's style of the cell; elsewhere without meaning.
        shown: Whether a group's table has the column.
    """

    heading: str
    text: Callable[[Row], str] | None = None
    left: bool = False
    width: int = 0
    style: Callable[[Row], str] = _plain
    shown: Callable[[Group], bool] = _always

    def title(self, group: Group) -> str:
        """The heading, filled in for a group."""
        return self.heading.format(
            quantity=group.quantity, unit=group.unit, short_unit=group.short_unit, baseline=group.baseline
        )


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        key: Its name in CSV and JSON.
        value: The plain value there; None where there is no figure.
        format: The value as readers see it.
        page: How it looks on a page, where there is room; None: it is left out there.
        terminal: How it looks within 80 characters; None: it is left out there.
    """

    key: str
    value: Callable[[Row], Any]
    format: Callable[[Any], str] = str
    page: View | None = None
    terminal: View | None = None

    def text(self, view: View, row: Row) -> str:
        """What a reader sees in the cell of a row."""
        return view.text(row) if view.text else self.format(self.value(row))


def _latency(row: Row) -> str:
    if row.latency:
        return figures.number(row.latency.value)
    return "wrong" if row.max_error else "failed"


def _latency_or_reason(row: Row) -> str:
    return figures.with_interval(row.latency) if row.latency else f"*{row.reason}*"


def _red_without_figure(row: Row) -> str:
    return "" if row.latency else "red"


def _speedup(row: Row) -> str:
    if row.is_baseline and not row.software_gpu:
        return "1x" if row.latency else figures.NONE
    return f"{figures.number(row.speedup.value)}x" if row.speedup else figures.NONE


def _speedup_with_interval(row: Row) -> str:
    return figures.with_interval(row.speedup, "x") if row.speedup else _speedup(row)


def _verdict_style(row: Row) -> str:
    styles = {"faster": "green", "slower": "red", "no difference": "yellow"}
    return styles.get(figures.verdict(row.speedup), "")


def _times_count(group: Group) -> bool:
    return not group.software_gpu


def _times_mean_nothing(group: Group) -> bool:
    return group.software_gpu


def delegated(delegation: Delegation | None) -> str | None:
    """What the delegate took, as `5/7 nodes in 2` partitions; None where it is not known."""
    if delegation is None or delegation.total_nodes is None:
        return None
    partitions = f" in {delegation.partitions}" if delegation.partitions else ""
    return f"{delegation.delegated_nodes}/{delegation.total_nodes} nodes{partitions}"


COLUMNS: tuple[Column, ...] = (
    Column("device", lambda row: row.cell.device),
    Column("delegate", lambda row: row.cell.delegate),
    Column("threads", lambda row: row.cell.threads),
    Column("precision", lambda row: row.cell.precision),
    Column("cores", lambda row: row.cell.cores),
    Column("benchmark_binary", lambda row: row.cell.benchmark_binary),
    Column("model", lambda row: row.cell.model, page=View("Model", left=True)),
    Column(
        "converter",
        lambda row: row.cell.converter,
        page=View("Converter", left=True),
        terminal=View("", lambda row: f" {row.cell.converter}", left=True, width=13),
    ),
    Column("converter_version", lambda row: row.provenance.converter_version),
    Column("weights", lambda row: row.provenance.weights),
    Column("seed", lambda row: row.provenance.seed),
    Column("unit", lambda row: row.unit),
    Column("software_gpu", lambda row: row.software_gpu),
    Column(
        "latency",
        lambda row: row.latency and row.latency.value,
        page=View("{quantity}, {unit}", _latency_or_reason),
        terminal=View("{short_unit}", _latency, width=7, style=_red_without_figure),
    ),
    Column(
        "latency_low",
        lambda row: row.latency and row.latency.low,
        terminal=View("95 %", lambda row: figures.interval(row.latency), width=13),
    ),
    Column("latency_high", lambda row: row.latency and row.latency.high),
    Column("launches", lambda row: row.latency.n if row.latency else 0),
    Column(
        "speedup",
        lambda row: row.speedup and row.speedup.value,
        page=View("Speed-up over {baseline}", _speedup_with_interval),
        terminal=View("speed-\nup", _speedup, width=6, style=_verdict_style, shown=_times_count),
    ),
    Column(
        "speedup_low",
        lambda row: row.speedup and row.speedup.low,
        terminal=View(
            "95 %",
            lambda row: figures.interval(row.speedup),
            width=11,
            style=_verdict_style,
            shown=_times_count,
        ),
    ),
    Column("speedup_high", lambda row: row.speedup and row.speedup.high),
    Column("paired_rounds", lambda row: row.speedup and row.speedup.n),
    Column(
        "transposes",
        lambda row: row.conversion.transposes,
        figures.count,
        page=View("Transposes"),
        terminal=View("trans-\nposes", width=6),
    ),
    Column(
        "ops",
        lambda row: row.conversion.n_ops,
        figures.count,
        page=View("Ops"),
        terminal=View("ops", width=4),
    ),
    Column(
        "size_bytes",
        lambda row: row.conversion.size_bytes,
        figures.megabytes,
        page=View("Size, MB"),
        terminal=View("MB", width=5),
    ),
    Column(
        "max_error",
        lambda row: row.max_error,
        figures.error,
        page=View("Max error"),
        terminal=View("error", width=7),
    ),
    Column(
        "delegated",
        lambda row: delegated(row.delegation),
        figures.text,
        page=View("Delegated"),
        terminal=View("delegated", width=18, shown=_times_mean_nothing),
    ),
    Column(
        "conversion_seconds",
        lambda row: row.conversion.seconds,
        figures.number,
        page=View("Conversion, s"),
    ),
    Column("conversion_cpu_seconds", lambda row: row.conversion.cpu_seconds),
    Column("conversion_peak_mb", lambda row: row.conversion.peak_rss_mb),
    Column("reason", lambda row: row.reason),
)
