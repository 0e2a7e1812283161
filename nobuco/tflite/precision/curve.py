"""The files that "auto" has tried, as a picture: how many samples come out alike, against what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_INK, _LINE = "#222222", "#0072B2"


@dataclass(frozen=True)
class Step:
    """One file that was tried for "auto": how many ops were kept in float, what came of it."""

    kept: int
    agreement: float
    snr: float
    size_bytes: int


def save_curve(steps: Sequence[Step], chosen: Step, float_bytes: int, path: Path) -> None:
    """Draw `steps` into a file of the kind that its ending says (`.png`, `.svg`); `chosen` is the file that was written.

    Raises ImportError: matplotlib is not installed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, sharex=True, height_ratios=(3, 2))
    kept = [step.kept for step in steps]
    panels = (
        (above, [step.agreement for step in steps], chosen.agreement, "samples\nthat come out alike"),
        (
            below,
            [step.size_bytes / float_bytes for step in steps],
            chosen.size_bytes / float_bytes,
            "size\nof float32's",
        ),
    )
    for axes, values, value, words in panels:
        axes.plot(kept, values, "o-", color=_LINE, alpha=0.7, linewidth=1)
        axes.plot([chosen.kept], [value], "o", color=_INK, markersize=11, fillstyle="none")
        axes.set_ylabel(words, color=_INK)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.margins(0.04, 0.12)
        axes.grid(color="#dddddd", linewidth=0.7)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    below.set_ylim(bottom=0)
    below.set_xlabel("layers kept in float; the ring is the file that was written", color=_INK)
    figure.savefig(path, dpi=150)
