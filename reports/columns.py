"""The columns of all tables: the terminal, Markdown, CSV and JSON are loops over `COLUMNS`.

A new column is a row in that table. `summary.Row` says what there is to show: it holds the parts of the records
themselves, so that whatever a record holds is within reach.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from statistics import median
from typing import Any

from reports import figures
from reports.record import Delegation, Timing
from reports.sets import shown
from reports.stats import Estimate
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
        extra: How it looks where a reader asks for it by its key; None: as on a page, or by its key alone.
    """

    key: str
    value: Callable[[Row], Any]
    format: Callable[[Any], str] = str
    page: View | None = None
    terminal: View | None = None
    extra: View | None = None

    def text(self, view: View, row: Row) -> str:
        """What a reader sees in the cell of a row."""
        return view.text(row) if view.text else self.format(self.value(row))


def _latency(row: Row) -> str:
    if row.latency:
        return figures.number(row.latency.value)
    return "wrong" if row.wrong else "failed"


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


def _times(estimate: Estimate | None) -> str:
    return f"{estimate.value:.2f}x" if estimate else figures.NONE


def _verdict_style(row: Row) -> str:
    styles = {"faster": "green", "slower": "red", "no difference": "yellow", "noisy": "dim"}
    return styles.get(row.verdict, "")


def _converter(row: Row) -> str:
    return f"{'~' if row.noise else ' '}{row.cell.converter}"


def _noise(row: Row) -> str:
    if row.latency is None:
        return figures.NONE
    return f"noisy: {'; '.join(row.noise)}" if row.noise else row.quiet


def _top1(row: Row) -> str | None:
    accuracy = row.accuracy
    if accuracy is None or accuracy.top1_rows is None:
        return None
    return f"{accuracy.top1_agreeing}/{accuracy.top1_rows}"


def _over_launches(row: Row, value: Callable[[Timing], float | None]) -> float | None:
    """The median over the launches that count, of those that have the value."""
    values = [found for timing in row.timings if (found := value(timing)) is not None]
    return median(values) if values else None


def _shown_over_launches(value: Callable[[Timing], float | None]) -> Callable[[Row], float | None]:
    def of(row: Row) -> float | None:
        found = _over_launches(row, value)
        return None if found is None else shown(found)

    return of


def _peak_mb(row: Row) -> float | None:
    kilobytes = _over_launches(row, lambda timing: timing.peak_rss_kb or None)
    return None if kilobytes is None else kilobytes / 1000


def _sustained(row: Row) -> str:
    """`2.41 (1.05x)`: the figure, and its ratio to the one of the rounds."""
    if row.sustained is None or row.sustained_ratio is None:
        return figures.NONE
    return f"{figures.number(row.sustained)} ({figures.number(row.sustained_ratio)}x)"


def _any_sustained(group: Group) -> bool:
    return any(row.sustained is not None for row in group.rows)


def _times_count(group: Group) -> bool:
    return not group.software_gpu


def _reduced(group: Group) -> bool:
    return group.reduced


def _all_float(group: Group) -> bool:
    return not group.reduced


def _speedups_of_float(group: Group) -> bool:
    return _times_count(group) and _all_float(group)


def _alike(row: Row) -> str:
    """`98.0 %`, of a file that is not float32."""
    accuracy = row.accuracy
    return figures.NONE if accuracy is None or accuracy.alike is None else f"{100 * accuracy.alike:.0f} %"


def _snr(row: Row) -> float | None:
    snr = row.accuracy.snr if row.accuracy else None
    return snr if snr is not None and isfinite(snr) else None


def _times_mean_nothing(group: Group) -> bool:
    return group.software_gpu


def delegated(delegation: Delegation | None) -> str | None:
    """What the delegate took, as `5/7 nodes in 2` partitions; None where it is not known."""
    if delegation is None or delegation.total_nodes is None or delegation.delegated_nodes is None:
        return None
    partitions = f" in {delegation.partitions}" if delegation.partitions else ""
    return f"{delegation.delegated_nodes}/{delegation.total_nodes} nodes{partitions}"


def forecast(row: Row) -> str:
    """`; forecast 5 in 2`, marked where the delegate did otherwise; empty where nothing was forecast."""
    if row.forecast is None:
        return ""
    if row.forecast.error is not None:
        return "; no forecast"
    mark = "≠ " if row.as_forecast is False else ""
    return f"; {mark}forecast {row.forecast.taken} in {row.forecast.partitions}"


def _foretold(row: Row, what: str) -> int | None:
    """`taken` or `partitions`; None where nothing was forecast."""
    return None if row.forecast is None or row.forecast.error is not None else getattr(row.forecast, what)


def _delegated(row: Row) -> str:
    return f"{delegated(row.delegation) or figures.NONE}{forecast(row)}"


def _shortly_delegated(row: Row) -> str:
    """`5/7 in 2; forecast 5`, where a terminal has room for no more."""
    if row.forecast is None:
        return _delegated(row)
    return _delegated(row).replace(" nodes", "").removesuffix(f" in {row.forecast.partitions}")


def _yellow_unless_as_forecast(row: Row) -> str:
    return "yellow" if row.as_forecast is False else ""


def took(delegation: Delegation) -> str:
    """The same in words: `5 of 7 nodes in 2 partitions`."""
    if delegation.total_nodes is None or delegation.delegated_nodes is None:
        return "an unknown part"
    partitions = f" in {figures.plural(delegation.partitions, 'partition')}" if delegation.partitions else ""
    return f"{delegation.delegated_nodes} of {figures.plural(delegation.total_nodes, 'node')}{partitions}"


COLUMNS: tuple[Column, ...] = (
    Column("device", lambda row: row.cell.device),
    Column("delegate", lambda row: row.cell.delegate),
    Column("threads", lambda row: row.cell.threads),
    Column("cores", lambda row: row.cell.cores),
    Column("benchmark_binary", lambda row: row.cell.benchmark_binary),
    Column("model", lambda row: row.cell.model, page=View("Model", left=True)),
    Column(
        "converter",
        lambda row: row.cell.converter,
        page=View("Converter", left=True),
        terminal=View("", _converter, left=True, width=13),
    ),
    Column(
        "precision",
        lambda row: row.cell.precision,
        page=View("Precision", left=True, shown=_reduced),
        terminal=View("precision", left=True, width=12, shown=_reduced),
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
        terminal=View("95 %", lambda row: figures.interval(row.latency), width=13, shown=_times_count),
    ),
    Column("latency_high", lambda row: row.latency and row.latency.high),
    Column("launches", lambda row: row.latency.n if row.latency else 0),
    Column("launches_missing", lambda row: row.latency and row.latency.missing),
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
            shown=_speedups_of_float,
        ),
    ),
    Column("speedup_high", lambda row: row.speedup and row.speedup.high),
    Column("paired_rounds", lambda row: row.speedup and row.speedup.n),
    Column("verdict", lambda row: row.verdict or None),
    Column(
        "of_fp32",
        lambda row: row.of_fp32 and row.of_fp32.value,
        page=View("Of fp32", lambda row: figures.with_interval(row.of_fp32, "x"), shown=_reduced),
        terminal=View("of\nfp32", lambda row: _times(row.of_fp32), width=5, shown=_reduced),
    ),
    Column("of_fp32_low", lambda row: row.of_fp32 and row.of_fp32.low),
    Column("of_fp32_high", lambda row: row.of_fp32 and row.of_fp32.high),
    Column(
        "sustained",
        lambda row: row.sustained,
        page=View("Sustained, {unit}", _sustained, shown=_any_sustained),
        extra=View("sustained,\n{short_unit}", _sustained),
    ),
    Column("sustained_ratio", lambda row: row.sustained_ratio),
    Column("sustained_launches", lambda row: row.sustained_launches or None),
    Column("quiet", lambda row: row.quiet, page=View("Noise", _noise, left=True)),
    Column("noise", lambda row: "; ".join(row.noise) or None),
    Column(
        "load",
        _shown_over_launches(lambda timing: timing.init),
        figures.number,
        extra=View("load,\n{short_unit}"),
    ),
    Column(
        "first",
        _shown_over_launches(lambda timing: timing.first),
        figures.number,
        extra=View("first,\n{short_unit}"),
    ),
    Column("p90", lambda row: row.p90, figures.number, extra=View("p90,\n{short_unit}")),
    Column("peak_mb", _peak_mb, figures.number, extra=View("peak,\nMB")),
    Column(
        "transposes",
        lambda row: row.conversion.transposes,
        figures.count,
        page=View("Transposes"),
        terminal=View("trans-\nposes", width=6, shown=_all_float),
    ),
    Column(
        "ops",
        lambda row: row.conversion.n_ops,
        figures.count,
        page=View("Ops"),
        terminal=View("ops", width=4, shown=_all_float),
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
        terminal=View("error", width=7, shown=_all_float),
    ),
    Column(
        "alike",
        lambda row: row.accuracy and row.accuracy.alike,
        page=View("Alike", _alike, shown=_reduced),
        terminal=View("alike", _alike, width=6, shown=_reduced),
    ),
    Column("alike_samples", lambda row: row.accuracy and row.accuracy.alike_samples),
    Column(
        "snr_db",
        _snr,
        lambda value: figures.NONE if value is None else f"{value:.0f}",
        page=View("SNR, dB", shown=_reduced),
    ),
    Column("error_inputs", lambda row: row.accuracy and row.accuracy.samples),
    Column(
        "worst_element",
        lambda row: row.accuracy and row.accuracy.worst_element,
        figures.error,
        extra=View("worst\nelement"),
    ),
    Column("worst_at", lambda row: row.accuracy and row.accuracy.worst_at),
    Column("top1", _top1, figures.text, extra=View("top-1")),
    Column(
        "delegated",
        lambda row: delegated(row.delegation),
        figures.text,
        page=View("Delegated", _delegated),
        terminal=View(
            "delegated",
            _shortly_delegated,
            width=32,
            style=_yellow_unless_as_forecast,
            shown=_times_mean_nothing,
        ),
    ),
    Column("forecast_nodes", lambda row: _foretold(row, "taken")),
    Column("forecast_partitions", lambda row: _foretold(row, "partitions")),
    Column("forecast_error", lambda row: row.forecast and row.forecast.error),
    Column(
        "conversion_seconds",
        lambda row: row.conversion.seconds,
        figures.number,
        page=View("Conversion, s"),
    ),
    Column("conversion_cpu_seconds", lambda row: row.conversion.cpu_seconds),
    Column("conversion_peak_mb", lambda row: row.conversion.peak_rss_mb),
    Column("runner", lambda row: row.provenance.runner),
    Column("system", lambda row: row.provenance.system),
    Column("log", lambda row: row.log),
    Column("hidden", lambda row: row.hidden),
    Column("reason", lambda row: row.reason),
)

EXTRA = tuple(column.key for column in COLUMNS if column.terminal is None)
"""The columns that a terminal's table has on demand only."""


def named(key: str) -> tuple[Column, View]:
    """A column by its key, and how it looks on demand. Raises KeyError."""
    column = next((each for each in COLUMNS if each.key == key), None)
    if column is None:
        raise KeyError(key)
    return column, column.extra or column.page or View(key, lambda row: figures.plain(column.value(row)))
