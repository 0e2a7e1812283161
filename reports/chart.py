"""The chart: the latency of each model on a scale of its own, the speed-up of all on one.

Bars are medians of launches, whiskers 95 % intervals, faint dots the launches themselves; the figures stand in a column
of their own. A noisy cell is pale, its speed-up a cross. A cell without a figure is a hatched box with the reason in it:
never a gap.
"""

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from reports import figures
from reports.captions import caption
from reports.summary import Group, Row

# Okabe and Ito's colours, which can be told apart with all common kinds of colour blindness. Fixed for each
# converter, so that a converter looks the same in every chart.
COLOURS = {
    "nobuco": "#0072B2",
    "onnx-tf": "#E69F00",
    "onnx2tf": "#009E73",
    "litert-torch": "#CC79A7",
}
_OTHER = "#999999"
_VARIANT = "#56B4E9"
_SHADES = {"fp16": 0.8, "int8-dynamic": 0.6, "int8": 0.42}
_OTHER_SHADE = 0.3
_PALE = 0.35
_INK = "#222222"
_FAINT = "#777777"

_WIDTH = 11.0
_ROW = 0.36  # inches for one bar
_GAP = 0.34  # inches between two models
_TOP = 0.95
_AXIS = 0.35  # the numbers below the last panel
_CAPTION_LINE = 0.165


def save_chart(group: Group, stem: Path) -> list[Path]:
    """Write a group's chart.

    Args:
        group: The group.
        stem: The path without its suffix.

    Returns:
        The paths of the PNG and the SVG file.
    """
    return write_pictures(draw(group), stem)


def write_pictures(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as `stem` with .png and .svg; returns the paths."""
    paths = [stem.with_name(stem.name + suffix) for suffix in (".png", ".svg")]
    # Without a date, and with the names of its parts from a fixed salt, the same records make the same file.
    with rc_context({"svg.hashsalt": "chart"}):
        for path in paths:
            metadata = {"Date": None} if path.suffix == ".svg" else {}
            figure.savefig(path, dpi=150, metadata=metadata)
    return paths


def draw(group: Group) -> Figure:
    """The chart as a matplotlib figure, its height following the number of bars."""
    models = {m: [r for r in group.rows if r.cell.model == m] for m in group.models}
    heights = [len(rows) * _ROW for rows in models.values()]
    body = sum(heights) + _GAP * len(heights)
    words = _caption(group)
    bottom = _AXIS + _CAPTION_LINE * (len(words) + 2)
    total = body + _TOP + bottom
    figure = Figure(figsize=(_WIDTH, total))
    FigureCanvasAgg(figure)
    has_speedup = any(row.speedup for row in group.rows)
    columns = [3.0, 2.2] if has_speedup else [1.0]
    grid = figure.add_gridspec(
        len(models),
        len(columns),
        width_ratios=columns,
        height_ratios=heights,
        left=0.3 if group.reduced else 0.24,
        right=0.97,
        top=1 - _TOP / total,
        bottom=bottom / total,
        hspace=_GAP * len(heights) / sum(heights),
        wspace=0.1,
    )
    limits = _speedup_limits(group.rows)
    speedup_axes: list[Axes] = []
    for i, (model, rows) in enumerate(models.items()):
        rows = sorted(rows, key=lambda row: row.latency.value if row.latency else float("inf"))
        _latency_panel(figure.add_subplot(grid[i, 0]), model, rows)
        if has_speedup:
            axes = figure.add_subplot(grid[i, 1])
            _speedup_panel(axes, rows, limits, group.baseline, last=i == len(models) - 1)
            speedup_axes.append(axes)
    _texts(figure, group, total, has_speedup, grid)
    figure.text(0.015, 0.1 / total, "\n".join(words), fontsize=8, va="bottom", color=_FAINT, linespacing=1.35)
    return figure


def _texts(figure: Figure, group: Group, total: float, has_speedup: bool, grid) -> None:
    figure.text(0.015, 1 - 0.16 / total, group.title, fontsize=13, weight="bold", va="top", color=_INK)
    converters = list(dict.fromkeys(row.cell.converter for row in group.rows if row.latency))
    handles = [Patch(color=colour_of(name), label=name) for name in converters]
    figure.legend(
        handles=handles,
        loc="upper right",
        bbox_to_anchor=(0.975, 1 - 0.08 / total),
        ncols=len(handles),
        frameon=False,
        fontsize=10,
    )
    heading = {"fontsize": 10, "va": "bottom", "color": _INK}
    y = 1 - (_TOP - 0.1) / total
    figure.text(
        grid[0, 0].get_position(figure).x0, y, f"{group.quantity}, {group.unit}: less is better", **heading
    )
    if has_speedup:
        label = f"Speed-up over {group.baseline} (log scale)"
        figure.text(grid[0, 1].get_position(figure).x0, y, label, **heading)


def _caption(group: Group) -> list[str]:
    text = caption(group, interval="dots are launches, whiskers", noisy="Pale, or a cross,", columns=False)
    return [part for line in text.splitlines() for part in textwrap.wrap(line, 165)]


def colour_of(converter: str) -> str:
    """The converter's colour; another one for its variants (`nobuco:arm`), grey for one that has none of its own.

    Paler where a precision stands behind the name (`nobuco int8`), as in `Cell.label`.
    """
    converter, _, precision = converter.partition(" ")
    colour = _plain_colour(converter)
    share = _SHADES.get(precision, _OTHER_SHADE) if precision else 1.0
    red, green, blue = (share * part + 1 - share for part in to_rgb(colour))
    return to_hex((red, green, blue)).upper()


def _plain_colour(converter: str) -> str:
    return COLOURS.get(converter) or (_VARIANT if ":" in converter else _OTHER)


def _latency_panel(axes: Axes, model: str, rows: Sequence[Row]) -> None:
    _clean(axes, len(rows))
    highest = max((_extent(row) for row in rows if row.latency), default=1.0)
    axes.set_xlim(0, highest * 1.3)  # room for the column of figures
    for y, row in enumerate(rows):
        if row.latency is None:
            _hatched(axes, y, row.reason or "no figure")
            continue
        estimate = row.latency
        pale = _PALE if row.noise else 0.85
        axes.barh(y, estimate.value, height=0.72, color=colour_of(row.cell.label), alpha=pale, zorder=2)
        _dots(axes, row.launches, y)
        _whisker(axes, estimate.value, estimate.low, estimate.high, y)
        _figure(axes, y, figures.number(estimate.value) + (" noisy" if row.noise else ""))
    axes.set_yticks(range(len(rows)), [row.cell.label for row in rows], fontsize=8.5, color=_INK)
    axes.annotate(
        _short(model),
        (0, 0.5),
        xycoords=("figure fraction", "axes fraction"),
        xytext=(11, 0),
        textcoords="offset points",
        va="center",
        fontsize=10,
        weight="bold",
        color=_INK,
    )
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if not any(row.latency for row in rows):
        axes.xaxis.set_major_locator(NullLocator())


def _speedup_panel(
    axes: Axes, rows: Sequence[Row], limits: tuple[float, float], baseline: str, last: bool
) -> None:
    _clean(axes, len(rows))
    axes.set_xscale("log")
    axes.set_xlim(*limits)
    axes.axvline(1, color=_INK, linewidth=1, zorder=1)
    axes.set_yticks([])
    ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 50, 100) if limits[0] <= t <= limits[1]]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    if not last:
        axes.set_xticklabels([])
    axes.grid(axis="x", color="#dddddd", linewidth=0.7, zorder=0)
    for y, row in enumerate(rows):
        estimate = row.speedup
        if estimate is None:
            if row.is_baseline and row.latency:
                axes.plot(
                    [1], [y], "|", color=colour_of(baseline), markersize=13, markeredgewidth=3, zorder=3
                )
            elif row.latency:
                _note(axes, y, f"no {baseline} figure to compare with")
            continue
        _whisker(axes, estimate.value, estimate.low, estimate.high, y)
        mark = "o" if row.proven else "X"
        axes.plot([estimate.value], [y], mark, color=colour_of(row.cell.label), markersize=8, zorder=4)
        _figure(axes, y, f"{figures.number(estimate.value)}x" + ("" if row.proven else " noisy"))


def _figure(axes: Axes, y: int, words: str) -> None:
    """In a column at the right edge: at the end of a whisker, it would seem to be the whisker's value."""
    axes.text(
        1.0,
        y,
        words,
        transform=axes.get_yaxis_transform(),
        ha="right",
        va="center",
        fontsize=9,
        color=_INK,
        zorder=5,
    )


def _speedup_limits(rows: Sequence[Row]) -> tuple[float, float]:
    values = [v for r in rows if r.speedup for v in (r.speedup.value, r.speedup.low, r.speedup.high) if v]
    low, high = min([*values, 0.95]), max([*values, 1.3])
    room = (high / low) ** 0.3  # for the column of figures
    return low / min(room, 1.15), high * max(room, 1.3)


def _extent(row: Row) -> float:
    assert row.latency is not None
    return max([row.latency.value, row.latency.high or 0, *row.launches])


def _dots(axes: Axes, launches: Sequence[float], y: int) -> None:
    # Spread over the height of the bar in a fixed pattern, so that equal launches do not hide each other.
    offsets = [0.24 * (((i * 5) % 7) / 3 - 1) for i in range(len(launches))]
    axes.plot(launches, [y + o for o in offsets], "o", color=_INK, alpha=0.3, markersize=3, mew=0, zorder=3)


def _whisker(axes: Axes, value: float, low: float | None, high: float | None, y: int) -> None:
    if low is None or high is None:
        return
    errors = [[max(0.0, value - low)], [max(0.0, high - value)]]
    axes.errorbar([value], [y], xerr=errors, fmt="none", ecolor=_INK, elinewidth=1.3, capsize=3, zorder=4)


def _hatched(axes: Axes, y: int, reason: str) -> None:
    box = Rectangle(
        (0, y - 0.36),
        1,
        0.72,
        transform=axes.get_yaxis_transform(),
        facecolor="#f4f4f4",
        edgecolor="#bbbbbb",
        hatch="////",
        linewidth=0,
        zorder=1,
    )
    axes.add_patch(box)
    _note(axes, y, reason)


def _note(axes: Axes, y: int, words: str) -> None:
    axes.text(
        0.02,
        y,
        textwrap.shorten(words, 62, placeholder=" …"),
        transform=axes.get_yaxis_transform(),
        va="center",
        fontsize=8,
        color=_INK,
        zorder=5,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.9},
    )


def _short(model: str) -> str:
    """A user's own model is named by a path, whose end says most; long names go on two lines."""
    name = model.rsplit("/", 1)[-1]
    parts = re.sub(r"(?<=_)|(?=@)", " ", name)
    return "\n".join(line.replace(" ", "") for line in textwrap.wrap(parts, 22)) if len(name) > 19 else name


def _clean(axes: Axes, n_rows: int) -> None:
    axes.set_ylim(n_rows - 0.5, -0.5)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#bbbbbb")
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8, color="#bbbbbb", labelcolor=_FAINT)
