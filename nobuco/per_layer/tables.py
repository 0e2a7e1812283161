"""The layers of an error by layer as rows of figures, in the form that a console has room for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nobuco.show.console import REMARK_STYLES

if TYPE_CHECKING:
    from nobuco.per_layer.accuracy import Accuracy, LayerAccuracy

SHOWN = 15  # layers
BAD, POOR = 10.0, 20.0  # dB
_TITLE = "the worst layers first, signal over noise in dB"
_FIGURES = ("alone", "so far", "worst channel", "range", "step", "clipped")
_LEGIBLE = 40  # characters of a layer's name in a line


def layers_within(found: Accuracy, width: int) -> RenderableType:
    """A table where that leaves `width` characters enough for the layers' names, else each name in a line of its own."""
    layers = found.layers[:SHOWN]
    op = max((len(layer.row.op) for layer in layers), default=0)
    figures = [_figures(layer) for layer in layers]
    widths = [
        max(len(name), *(row[place].cell_len for row in figures)) if figures else len(name)
        for place, name in enumerate(_FIGURES)
    ]
    others = op + sum(widths) + 3 * (len(widths) + 1) + 4
    more = f"and {len(found.layers) - SHOWN} more" if len(found.layers) > SHOWN else ""
    if width - others >= _LEGIBLE:
        return _table(layers, figures, more)
    return _lines(layers, figures, widths, more)


def _table(layers: tuple[LayerAccuracy, ...], figures: list[list[Text]], more: str) -> Table:
    shown = Table(title=_TITLE, caption=more or None)
    shown.add_column("layer", overflow="fold")
    shown.add_column("op", no_wrap=True)
    for name in _FIGURES:
        shown.add_column(name, justify="right", no_wrap=True)
    for layer, row in zip(layers, figures, strict=True):
        shown.add_row(Text(layer.name), Text(layer.row.op), *row)
    return shown


def _lines(
    layers: tuple[LayerAccuracy, ...], figures: list[list[Text]], widths: list[int], more: str
) -> Group:
    def line(cells: list[Text]) -> Text:
        padded = [
            Text.assemble(" " * (w - cell.cell_len), cell) for cell, w in zip(cells, widths, strict=True)
        ]
        made = Text("  ").join([Text(), *padded])
        made.no_wrap, made.overflow = True, "ellipsis"
        return made

    shown = [Text(_TITLE, style="italic"), line([Text(name, style="bold") for name in _FIGURES])]
    for layer, row in zip(layers, figures, strict=True):
        shown += [Text.assemble((layer.name, "bold"), "  ", layer.row.op, overflow="fold"), line(row)]
    return Group(*shown, *([Text(more, style="italic")] if more else []))


def _figures(layer: LayerAccuracy) -> list[Text]:
    tensor = layer.tensor
    alone = Text(said(layer.alone), style=_style(layer.alone))
    if tensor is None:
        return [alone, Text(), Text(), Text("not in the file", style="dim"), Text(), Text()]
    return [
        alone,
        Text(said(tensor.snr), style=_style(tensor.snr)),
        Text(f"{said(tensor.worst_channel_snr)} in {tensor.worst_channel}"),
        Text("" if math.isnan(tensor.low) else f"{tensor.low:.3g} to {tensor.high:.3g}"),
        Text("float" if tensor.scale is None else f"{tensor.scale:.3g}"),
        Text("" if tensor.clipped is None else f"{tensor.clipped:.1%}"),
    ]


def said(snr: float | None) -> str:
    if snr is None:
        return ""
    return ("∞" if snr > 0 else "none") if math.isinf(snr) else f"{snr:.1f}"


def level(snr: float) -> str:
    """As a `Remark` has it."""
    return "bad" if snr < BAD else "poor" if snr < POOR else "good"


def _style(snr: float | None) -> str:
    return "dim" if snr is None else REMARK_STYLES[level(snr)]
