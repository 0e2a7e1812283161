"""The columns of all tables: the terminal, Markdown, CSV and JSON are loops over `COLUMNS`.

A new column is a row in that table. `summary.Row` says what there is to show: it holds the parts of the records
themselves, so that whatever a record holds is within reach.
"""

from reports import cells, figures
from reports.column import Column, View

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
        terminal=View("", cells.converter, left=True, width=13),
    ),
    Column(
        "precision",
        lambda row: row.cell.precision,
        page=View("Precision", left=True, shown=cells.reduced),
        terminal=View("precision", left=True, width=12, shown=cells.reduced),
    ),
    Column("converter_version", lambda row: row.provenance.converter_version),
    Column("weights", lambda row: row.provenance.weights),
    Column("seed", lambda row: row.provenance.seed),
    Column("unit", lambda row: row.unit),
    Column("software_gpu", lambda row: row.software_gpu),
    Column(
        "latency",
        lambda row: row.latency and row.latency.value,
        page=View("{quantity}, {unit}", cells.latency_or_reason),
        terminal=View("{short_unit}", cells.latency, width=7, style=cells.red_without_figure),
    ),
    Column(
        "latency_low",
        lambda row: row.latency and row.latency.low,
        terminal=View("95 %", lambda row: figures.interval(row.latency), width=13, shown=cells.times_count),
    ),
    Column("latency_high", lambda row: row.latency and row.latency.high),
    Column("launches", lambda row: row.latency.n if row.latency else 0),
    Column("launches_missing", lambda row: row.latency and row.latency.missing),
    Column(
        "speedup",
        lambda row: row.speedup and row.speedup.value,
        page=View("Speed-up over {baseline}", cells.speedup_with_interval),
        terminal=View(
            "speed-\nup", cells.speedup, width=6, style=cells.verdict_style, shown=cells.times_count
        ),
    ),
    Column(
        "speedup_low",
        lambda row: row.speedup and row.speedup.low,
        terminal=View(
            "95 %",
            lambda row: figures.interval(row.speedup),
            width=11,
            style=cells.verdict_style,
            shown=cells.speedups_of_float,
        ),
    ),
    Column("speedup_high", lambda row: row.speedup and row.speedup.high),
    Column("paired_rounds", lambda row: row.speedup and row.speedup.n),
    Column("verdict", lambda row: row.verdict or None),
    Column(
        "of_fp32",
        lambda row: row.of_fp32 and row.of_fp32.value,
        page=View(
            "Of fp32", lambda row: figures.with_interval(row.of_fp32, "x"), shown=cells.times_of_reduced
        ),
        terminal=View(
            "of\nfp32", lambda row: cells.times(row.of_fp32), width=5, shown=cells.times_of_reduced
        ),
    ),
    Column("of_fp32_low", lambda row: row.of_fp32 and row.of_fp32.low),
    Column("of_fp32_high", lambda row: row.of_fp32 and row.of_fp32.high),
    Column(
        "sustained",
        lambda row: row.sustained,
        page=View("Sustained, {unit}", cells.sustained, shown=cells.any_sustained),
        extra=View("sustained,\n{short_unit}", cells.sustained),
    ),
    Column("sustained_ratio", lambda row: row.sustained_ratio),
    Column("sustained_launches", lambda row: row.sustained_launches or None),
    Column("quiet", lambda row: row.quiet, page=View("Noise", cells.noise, left=True)),
    Column("noise", lambda row: "; ".join(row.noise) or None),
    Column(
        "load",
        cells.shown_over_launches(lambda timing: timing.init),
        figures.number,
        extra=View("load,\n{short_unit}"),
    ),
    Column(
        "first",
        cells.shown_over_launches(lambda timing: timing.first),
        figures.number,
        extra=View("first,\n{short_unit}"),
    ),
    Column("p90", lambda row: row.p90, figures.number, extra=View("p90,\n{short_unit}")),
    Column("peak_mb", cells.peak_mb, figures.number, extra=View("peak,\nMB")),
    Column(
        "transposes",
        lambda row: row.conversion.transposes,
        figures.count,
        page=View("Transposes"),
        terminal=View("trans-\nposes", width=6, shown=cells.all_float),
    ),
    Column(
        "ops",
        lambda row: row.conversion.n_ops,
        figures.count,
        page=View("Ops"),
        terminal=View("ops", width=4, shown=cells.all_float),
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
        terminal=View("error", width=7, shown=cells.all_float),
    ),
    Column(
        "alike",
        lambda row: row.accuracy and row.accuracy.alike,
        page=View("Alike", cells.alike, shown=cells.reduced),
        terminal=View("alike", cells.alike, width=6, shown=cells.reduced),
    ),
    Column("alike_samples", lambda row: row.accuracy and row.accuracy.alike_samples),
    Column(
        "snr_db",
        cells.snr,
        lambda value: figures.NONE if value is None else f"{value:.0f}",
        page=View("SNR, dB", shown=cells.reduced),
    ),
    Column("error_inputs", lambda row: row.accuracy and row.accuracy.samples),
    Column(
        "worst_element",
        lambda row: row.accuracy and row.accuracy.worst_element,
        figures.error,
        extra=View("worst\nelement"),
    ),
    Column("worst_at", lambda row: row.accuracy and row.accuracy.worst_at),
    Column("top1", cells.top1, figures.text, extra=View("top-1")),
    Column(
        "delegated",
        lambda row: cells.delegated(row.delegation),
        figures.text,
        page=View("Delegated", cells.delegated_as_forecast),
        terminal=View(
            "delegated",
            cells.shortly_delegated,
            width=32,
            style=cells.yellow_unless_as_forecast,
            shown=cells.times_mean_nothing,
        ),
    ),
    Column("forecast_nodes", lambda row: cells.foretold(row, "taken")),
    Column("forecast_partitions", lambda row: cells.foretold(row, "partitions")),
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
