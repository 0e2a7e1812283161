"""The answer as a table: on a terminal (rich), as Markdown, as CSV."""

import csv
import io
from collections.abc import Sequence

from rich.console import Group as Stack
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from reports import figures
from reports.summary import BASELINE, Group, Row

_VERDICT_STYLE = {"faster": "green", "slower": "red", "no difference": "yellow", "": ""}


def caption(group: Group, baseline: str = BASELINE, interval: str = "in brackets") -> str:
    """What the figures of the group are and how many stand behind them; `interval` says where its interval is
    seen.
    """
    measured = [row.latency.n for row in group.rows if row.latency]
    lines = []
    if measured:
        lines.append(
            f"{group.quantity} in {group.unit}: median of the launches' medians, {figures.launches_of(measured)}, "
            f"one process a launch, rounds in random order; {interval} the 95 % bootstrap interval over launches."
        )
    if group.software_gpu:
        lines.append(
            "The processor imitates the GPU: nodes taken and outputs are those of a GPU, the times are not, "
            "and are compared with nothing."
        )
    if any(row.speedup for row in group.rows):
        lines.append(
            f"Speed-up over {baseline}: ratio of medians, paired within the rounds; above 1 is faster."
        )
    lines.append(
        "Only files whose output on the device agrees with PyTorch have a speed "
        "(error: max|difference| / max|reference|)."
    )
    if group.emulated:
        lines.append(
            "Emulated: executed instructions, not time; caches and memory bandwidth do not count. "
            "Not to be compared with figures of real devices."
        )
    lines.append(_weights(group.rows))
    return "\n".join(lines)


def _weights(rows: Sequence[Row]) -> str:
    words = {"random": "random, seed {}", "default": "trained", "own": "the model file's own", "none": "none"}
    kinds = dict.fromkeys(words.get(row.weights, row.weights).format(row.seed) for row in rows)
    return f"Weights: {'; '.join(kinds)}."


def terminal(groups: Sequence[Group], baseline: str = BASELINE) -> RenderableType:
    """Fits 80 columns: models are headings, and the reasons for missing figures stand below."""
    parts: list[RenderableType] = []
    for group in groups:
        emulated = " — emulated: instructions, not time" if group.emulated else ""
        parts += [
            Text(group.title + emulated, style="bold underline"),
            Text(),
            _terminal_table(group, baseline),
        ]
        for model in group.models:
            parts.append(Text(model, style="bold"))
            rows = [row for row in group.rows if row.cell.model == model]
            parts.append(_terminal_table(group, baseline, rows))
        parts.append(Text())
        for row in group.rows:
            if row.reason:
                parts.append(Text(f"{row.cell.model}, {row.cell.converter}: {row.reason}", style="red"))
        parts += [Text(line, style="yellow") for line in _left_nodes(group)]
        parts += [Text(caption(group, baseline), style="dim"), Text()]
    return Stack(*parts)


def _left_nodes(group: Group) -> list[str]:
    """What the delegate did not take, a line for each file of which it left nodes."""
    return [
        f"{row.cell.model}, {row.cell.converter}: {group.delegate} took {row.delegation}, and left: {'; '.join(row.left)}"
        for row in group.rows
        if row.left
    ]


# Fixed widths, so that the tables of all models stand in the same columns.
_WIDTHS: tuple[int, ...] = (13, 7, 13, 6, 11, 6, 4, 5, 7)
_HEADINGS: tuple[str, ...] = (
    "",
    "{unit}",
    "95 %",
    "speed-\nup",
    "95 %",
    "trans-\nposes",
    "ops",
    "MB",
    "error",
)
_SPEEDUP_COLUMNS = slice(3, 5)


def _terminal_table(group: Group, baseline: str, rows: Sequence[Row] = ()) -> Table:
    """The heading alone, or the rows of one model alone. Where times mean nothing, what the delegate took stands in
    the place of the speed-up."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_header=not rows, header_style="bold")
    headings, widths = list(_HEADINGS), list(_WIDTHS)
    if group.software_gpu:
        headings[_SPEEDUP_COLUMNS], widths[_SPEEDUP_COLUMNS] = (
            ["delegated"],
            [sum(widths[_SPEEDUP_COLUMNS]) + 1],
        )
    for heading, width in zip(headings, widths, strict=True):
        heading = heading.format(unit="Minstr" if group.emulated else "ms")
        table.add_column(heading, justify="right" if heading else "left", width=width, vertical="bottom")
    for row in rows:
        style = _VERDICT_STYLE[figures.verdict(row.speedup)]
        no_figure = Text("wrong" if row.max_error and not row.latency else "failed", style="red")
        compared = [
            Text(_speedup_value(row, baseline), style=style),
            Text(figures.interval(row.speedup), style=style),
        ]
        table.add_row(
            f"  {row.cell.converter}",
            figures.number(row.latency.value) if row.latency else no_figure,
            figures.interval(row.latency),
            *([row.delegation or figures.NONE] if group.software_gpu else compared),
            figures.count(row.transposes),
            figures.count(row.n_ops),
            figures.megabytes(row.size_bytes),
            figures.error(row.max_error),
        )
    return table


def _speedup_value(row: Row, baseline: str) -> str:
    if row.cell.converter == baseline and not row.software_gpu:
        return "1x" if row.latency else figures.NONE
    return f"{figures.number(row.speedup.value)}x" if row.speedup else figures.NONE


def _speedup(row: Row, baseline: str) -> str:
    if row.cell.converter == baseline and not row.software_gpu:
        return "1x" if row.latency else figures.NONE
    return figures.with_interval(row.speedup, "x")


def markdown(groups: Sequence[Group], baseline: str = BASELINE, heading: str = "##") -> str:
    """All groups, each a heading, a table and its caption."""
    parts: list[str] = []
    for group in groups:
        header = [
            "Model",
            "Converter",
            f"{group.quantity}, {group.unit}",
            f"Speed-up over {baseline}",
            "Transposes",
            "Ops",
            "Size, MB",
            "Max error",
            "Delegated",
            "Conversion, s",
        ]
        lines = [f"{heading} {group.title}", "", _line(header), _line(["---"] * 2 + ["---:"] * 8)]
        for row in group.rows:
            latency = figures.with_interval(row.latency) if row.latency else f"*{row.reason}*"
            seconds = row.conversion_seconds
            lines.append(
                _line(
                    [
                        row.cell.model,
                        row.cell.converter,
                        latency,
                        _speedup(row, baseline),
                        figures.count(row.transposes),
                        figures.count(row.n_ops),
                        figures.megabytes(row.size_bytes),
                        figures.error(row.max_error),
                        row.delegation or figures.NONE,
                        figures.NONE if seconds is None else figures.number(seconds),
                    ]
                )
            )
        notes = [*_left_nodes(group), *caption(group, baseline).splitlines()]
        parts.append("\n".join([*lines, "", *notes, ""]))
    return "\n".join(parts)


def _line(cells: Sequence[str]) -> str:
    escaped = (" ".join(cell.replace("|", "\\|").split()) for cell in cells)
    return f"| {' | '.join(escaped)} |"


CSV_FIELDS: tuple[str, ...] = (
    "device",
    "delegate",
    "threads",
    "precision",
    "cores",
    "benchmark_binary",
    "model",
    "converter",
    "converter_version",
    "weights",
    "seed",
    "unit",
    "software_gpu",
    "latency",
    "latency_low",
    "latency_high",
    "launches",
    "speedup",
    "speedup_low",
    "speedup_high",
    "paired_rounds",
    "transposes",
    "ops",
    "size_bytes",
    "max_error",
    "delegated",
    "conversion_seconds",
    "conversion_cpu_seconds",
    "conversion_peak_mb",
    "reason",
)


def flat_rows(groups: Sequence[Group]) -> list[dict[str, object]]:
    """One flat mapping for each cell with the keys of CSV_FIELDS, None where there is no figure."""
    return [dict(zip(CSV_FIELDS, _flat(row), strict=True)) for group in groups for row in group.rows]


def _flat(row: Row) -> tuple[object, ...]:
    cell, latency, speedup = row.cell, row.latency, row.speedup
    return (
        cell.device,
        cell.delegate,
        cell.threads,
        cell.precision,
        cell.cores,
        cell.benchmark_binary,
        cell.model,
        cell.converter,
        row.converter_version,
        row.weights,
        row.seed,
        row.unit,
        row.software_gpu,
        latency.value if latency else None,
        latency.low if latency else None,
        latency.high if latency else None,
        latency.n if latency else 0,
        speedup.value if speedup else None,
        speedup.low if speedup else None,
        speedup.high if speedup else None,
        speedup.n if speedup else None,
        row.transposes,
        row.n_ops,
        row.size_bytes,
        row.max_error,
        row.delegation,
        row.conversion_seconds,
        row.conversion_cpu_seconds,
        row.conversion_peak_mb,
        row.reason,
    )


def as_csv(groups: Sequence[Group]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat_rows(groups))
    return out.getvalue()
