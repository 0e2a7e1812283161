"""How the error by layer looks: a table, the worst layer first, and the call tree, on the console and as a page."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from nobuco.show.console import REMARK_STYLES, tree_of
from nobuco.show.page import write_page
from nobuco.show.rows import Remark, rows_of
from nobuco.trace.calls import Call

if TYPE_CHECKING:
    from nobuco.per_layer.accuracy import Accuracy, LayerAccuracy

_SHOWN = 15  # layers in the table
_BAD, _POOR, _EXACT = 10.0, 20.0, 100.0  # dB


class Shown:
    """What `Accuracy` looks like."""

    def __rich_console__(self: Accuracy, console: Console, options: ConsoleOptions) -> RenderResult:  # type: ignore[misc]
        yield table(self)
        yield tree_of(rows_of(self.report, remarks(self)), console)
        yield Text(summary(self))

    def __str__(self: Accuracy) -> str:  # type: ignore[misc]
        console = Console(file=io.StringIO(), width=180, color_system=None)
        console.print(table(self))
        console.print(Text(summary(self)))
        return console.file.getvalue().rstrip()  # type: ignore[attr-defined]

    def save_html(self: Accuracy, path: str | os.PathLike[str]) -> None:  # type: ignore[misc]
        """Writes the call tree with the errors as a page of its own, see `save_trace_html` of `pytorch_to_keras`."""
        write_page(self.report, Path(path), remarks(self), [summary(self)])

    def save_node_data(self: Accuracy, path: str | os.PathLike[str], figure: str = "so_far") -> None:  # type: ignore[misc]
        """Writes the SNR (dB) of each tensor as Model Explorer takes it ("Add node data" on the opened float or quantised
        file), red below 10 dB, yellow below 20.

        figure: "so_far", with all that was lost before the tensor, or "alone", of the outputs when the layer alone is
        quantised. What is exact has 100 dB.

        Raises ValueError for another figure."""
        Path(path).write_text(json.dumps(node_data(self, figure), indent=1), encoding="utf-8")

    def to_dict(self: Accuracy) -> dict[str, Any]:  # type: ignore[misc]
        """As plain data, ready for `json.dumps`."""
        return {
            "samples": self.samples,
            "agreement": self.agreement,
            "outputs": [vars(each) for each in self.outputs],
            "layers": [
                {
                    "op": layer.row.op,
                    "tensor": layer.row.name,
                    "calls": [origin.to_dict() for origin in layer.row.origins],
                    "alone": layer.alone,
                    **(vars(layer.tensor) if layer.tensor else {}),
                }
                for layer in self.layers
            ],
        }


def node_data(found: Accuracy, figure: str) -> dict[str, Any]:
    """By the tensor's name, in the form of Model Explorer's own node data: a node has the colour of the first threshold that
    its value does not exceed."""
    if figure not in ("so_far", "alone"):
        raise ValueError(f"figure is {figure!r}: give 'so_far' or 'alone'")
    values = {
        layer.row.name: layer.alone if figure == "alone" else layer.tensor and layer.tensor.snr
        for layer in found.layers
    }
    return {
        "results": {
            name: {"value": round(min(max(snr, -_EXACT), _EXACT), 2)}
            for name, snr in values.items()
            if snr is not None
        },
        "thresholds": [
            {"value": _BAD, "bgColor": "#e57373"},
            {"value": _POOR, "bgColor": "#ffd54f"},
            {"value": _EXACT, "bgColor": "#aed581"},
        ],
    }


def summary(found: Accuracy) -> str:
    outputs = "; ".join(map(str, found.outputs))
    return f"{found.agreement:.1%} of {found.samples} samples come out alike; {outputs}"


def table(found: Accuracy) -> Table:
    shown = Table(title="the worst layers first, signal over noise in dB")
    shown.add_column("layer", overflow="fold")
    for name in ("op", "alone", "so far", "worst channel", "range", "step", "clipped"):
        shown.add_column(name, justify="right" if name != "op" else "left", no_wrap=True)
    for layer in found.layers[:_SHOWN]:
        shown.add_row(*_cells(layer))
    if len(found.layers) > _SHOWN:
        shown.caption = f"and {len(found.layers) - _SHOWN} more"
    return shown


def _cells(layer: LayerAccuracy) -> list[Text]:
    tensor = layer.tensor
    cells = [Text(layer.name), Text(layer.row.op), _coloured(layer.alone)]
    if tensor is None:
        return [*cells, Text("not in the file", style="dim")]
    clipped = "" if tensor.clipped is None else f"{tensor.clipped:.1%}"
    return [
        *cells,
        _coloured(tensor.snr),
        Text(f"{said(tensor.worst_channel_snr)} in {tensor.worst_channel}"),
        Text(f"{tensor.low:.3g} to {tensor.high:.3g}"),
        Text("float" if tensor.scale is None else f"{tensor.scale:.3g}"),
        Text(clipped),
    ]


def remarks(found: Accuracy) -> Mapping[Call, Remark]:
    """What stands behind each call in the tree; the last of the calls that an op was made from has it."""
    made = {}
    for layer in found.layers:
        if not layer.calls:
            continue
        tensor = layer.tensor
        parts = [] if layer.alone is None else [f"{said(layer.alone)} dB alone"]
        if tensor is not None:
            parts.append(f"{said(tensor.snr)} dB so far")
            parts.append("float" if tensor.scale is None else f"step {tensor.scale:.2g}")
        worst = layer.alone if layer.alone is not None else tensor.snr if tensor else 0.0
        made[layer.calls[-1]] = Remark(", ".join(parts), _level(worst))
    return made


def said(snr: float | None) -> str:
    if snr is None:
        return ""
    return ("∞" if snr > 0 else "none") if math.isinf(snr) else f"{snr:.1f}"


def _coloured(snr: float | None) -> Text:
    return Text(said(snr), style=_style(snr))


def _style(snr: float | None) -> str:
    if snr is None:
        return "dim"
    return REMARK_STYLES[_level(snr)]


def _level(snr: float) -> str:
    return "bad" if snr < _BAD else "poor" if snr < _POOR else "good"
