"""The chart of files of other precisions: what each takes, against how many of its answers stay what they were.

A point is a file. What a file takes is a share of the cheapest float32 file
of the model, so that converters can be compared. A file that is judged wrong has no speed: it stands on the right, at its
share of samples, without a place on the axis.
"""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from reports import figures
from reports.chart import colour_of, write_pictures
from reports.record import FLOAT
from reports.summary import Group, Row

MARKS = {"fp16": "o", "int8": "s", "int8-io": "D", "int8-dynamic": "^", "int16x8": "P"}
_OTHER = "v"
_INK, _FAINT = "#222222", "#777777"
_TICKS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1, 1.5, 2, 3, 5)
_NO_SPEED = 1.35  # times the dearest file: where those without a speed stand


def save_alike_chart(group: Group, stem: Path) -> list[Path]:
    """Write the chart of a group.

    Args:
        group: The group.
        stem: The path without its suffix.

    Returns:
        The paths of the PNG and the SVG file; none where no file of another precision than float32 has been compared.
    """
    return write_pictures(draw(group), stem) if points(group) else []


def points(group: Group) -> list[tuple[Row, float | None]]:
    """The files to show, each with what it takes of the model's cheapest float32 file; None without a speed."""
    cheapest: dict[str, float] = {}
    for row in group.rows:
        if row.cell.precision == FLOAT and row.latency:
            value = row.latency.value
            cheapest[row.cell.model] = min(value, cheapest.get(row.cell.model, value))
    return [
        (row, row.latency.value / cheapest[row.cell.model] if row.latency else None)
        for row in group.rows
        if row.accuracy and row.accuracy.alike is not None and row.cell.model in cheapest
    ]


def draw(group: Group) -> Figure:
    """The chart as a matplotlib figure."""
    found = points(group)
    figure = Figure(figsize=(8.5, 5.2))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.1, 0.2, 0.66, 0.66))
    shares = [share for _, share in found if share is not None]
    low, high = min([*shares, 0.5]), max([*shares, 1.0])
    _axes(axes, low, high, group)
    for row, share in found:
        accuracy = row.accuracy
        assert accuracy is not None and accuracy.alike is not None
        axes.plot(
            [share if share is not None else high * _NO_SPEED],
            [accuracy.alike],
            MARKS.get(row.cell.precision, _OTHER),
            color=colour_of(row.cell.converter),
            markersize=8,
            alpha=0.8,
            markerfacecolor="none" if share is None else None,
            clip_on=False,
        )
    lowest = min(row.accuracy.alike for row, _ in found if row.accuracy and row.accuracy.alike is not None)
    bottom = min(lowest, 0.94)
    axes.set_ylim(bottom - 0.05 * (1 - bottom), 1 + 0.05 * (1 - bottom))
    limits = [
        row.accuracy.min_alike for row, _ in found if row.accuracy and row.accuracy.min_alike is not None
    ]
    if limits:
        axes.axhline(limits[0], color=_FAINT, linewidth=1, linestyle="--")
        axes.annotate(
            f"less than {limits[0]:.0%}: no speed", (low * 0.85, limits[0]), (2, -10), textcoords="offset points",
            fontsize=8, color=_FAINT,
        )  # fmt: skip
    _texts(figure, group, [row for row, _ in found])
    return figure


def _axes(axes: Axes, low: float, high: float, group: Group) -> None:
    axes.set_xscale("log")
    axes.set_xlim(low * 0.85, high * _NO_SPEED)
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in _TICKS if low * 0.85 <= tick <= high * 1.2]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel(
        f"{group.quantity} of the model's cheapest float32 file (log scale): less is better", color=_INK
    )
    axes.set_ylabel("samples that come out as PyTorch's", color=_INK)
    axes.grid(color="#dddddd", linewidth=0.7)
    axes.axvline(1, color=_INK, linewidth=1)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _texts(figure: Figure, group: Group, rows: Sequence[Row]) -> None:
    figure.text(0.015, 0.965, group.title, fontsize=12, weight="bold", va="top", color=_INK)
    converters = dict.fromkeys(row.cell.converter for row in rows)
    precisions = dict.fromkeys(row.cell.precision for row in rows)
    handles = [Line2D([], [], color=colour_of(name), linewidth=6, label=name) for name in converters]
    handles += [
        Line2D([], [], color=_INK, linewidth=0, marker=MARKS.get(name, _OTHER), markersize=8, label=name)
        for name in precisions
    ]
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.78, 0.88), frameon=False, fontsize=9)
    models = len({row.cell.model for row in rows})
    words = f"A point is a file, of {figures.plural(models, 'model')}; hollow ones, at the right edge, have no speed."
    if group.emulated:
        words += " Emulated: instructions, not time."
    figure.text(0.015, 0.03, words, fontsize=8, va="bottom", color=_FAINT)
