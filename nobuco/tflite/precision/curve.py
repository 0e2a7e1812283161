"""The files that "auto" has tried, as a picture: how many samples come out alike, against what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nobuco.tflite.precision.result import Step

_INK, _FAINT, _LINE = "#222222", "#777777", "#0072B2"


def save_curve(steps: Sequence[Step], chosen: Step, float_bytes: int, path: Path) -> None:
    """Draw `steps` into a file of the kind that its ending says (`.png`, `.svg`); `chosen` is the file that was written.

    Raises ImportError: matplotlib is not installed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    ordered = sorted(steps, key=lambda step: step.size_bytes)
    sizes = [step.size_bytes / float_bytes for step in ordered]
    axes.plot(sizes, [step.agreement for step in ordered], "o-", color=_LINE, alpha=0.7, linewidth=1)
    for step, size in zip(ordered, sizes, strict=True):
        axes.annotate(
            str(step.kept),
            (size, step.agreement),
            (0, 6),
            textcoords="offset points",
            fontsize=8,
            color=_FAINT,
            ha="center",
        )
    axes.plot(
        [chosen.size_bytes / float_bytes],
        [chosen.agreement],
        "o",
        color=_INK,
        markersize=11,
        fillstyle="none",
    )
    axes.set_xlabel("size of the file, of the float32 one's", color=_INK)
    axes.set_ylabel("samples that come out alike", color=_INK)
    axes.set_title("Layers kept in float (numbers); the ring is the file written", fontsize=10, color=_INK)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.margins(0.08, 0.12)
    axes.grid(color="#dddddd", linewidth=0.7)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, dpi=150)
