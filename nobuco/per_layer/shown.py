"""How the error by layer looks: a table, the worst layer first, and the call tree, on the console and as a page."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from nobuco.per_layer.tables import BAD, POOR, layers_within, level, said
from nobuco.show.console import tree_of
from nobuco.show.page import page_of
from nobuco.show.rows import Remark, rows_of
from nobuco.tflite.writing import write_text
from nobuco.trace.calls import Call

if TYPE_CHECKING:
    from nobuco.per_layer.accuracy import Accuracy

_EXACT = 100.0  # dB


class Shown:
    """What `Accuracy` looks like."""

    def __rich_console__(self: Accuracy, console: Console, options: ConsoleOptions) -> RenderResult:  # type: ignore[misc]
        yield layers_within(self, options.max_width)
        # remarks stand at the ends of the lines
        yield tree_of(rows_of(self.report, remarks(self)), console, wrap=True)
        yield Text(summary(self))

    def __str__(self: Accuracy) -> str:  # type: ignore[misc]
        console = Console(file=io.StringIO(), width=180, color_system=None)
        console.print(layers_within(self, console.width))
        console.print(Text(summary(self)))
        return console.file.getvalue().rstrip()  # type: ignore[attr-defined]

    def save_html(self: Accuracy, path: str | os.PathLike[str]) -> None:  # type: ignore[misc]
        """Writes the call tree with the errors as a page of its own, see `save_trace_html` of `pytorch_to_keras`.

        Raises TFLiteFileError where it cannot be written."""
        write_text(Path(path), page_of(self.report, remarks(self), [summary(self)]))

    def save_node_data(self: Accuracy, path: str | os.PathLike[str], figure: str = "so_far") -> None:  # type: ignore[misc]
        """Writes the SNR (dB) of each tensor as Model Explorer takes it ("Add node data" on the opened float or quantised
        file), red below 10 dB, yellow below 20.

        figure: "so_far", with all that was lost before the tensor, or "alone", of the outputs when the layer alone is
        quantised. What is exact has 100 dB.

        Raises ValueError for another figure, TFLiteFileError where it cannot be written."""
        write_text(Path(path), json.dumps(node_data(self, figure), indent=1))

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
            {"value": BAD, "bgColor": "#e57373"},
            {"value": POOR, "bgColor": "#ffd54f"},
            {"value": _EXACT, "bgColor": "#aed581"},
        ],
    }


def summary(found: Accuracy) -> str:
    outputs = "; ".join(map(str, found.outputs))
    return f"{found.agreement:.1%} of {found.samples} samples come out alike; {outputs}"


def remarks(found: Accuracy) -> Mapping[Call, Remark]:
    """What stands behind each call in the tree: of the worst op that it is the last call of."""
    made: dict[Call, Remark] = {}
    for layer in found.layers:
        if not layer.calls:
            continue
        tensor = layer.tensor
        parts = [] if layer.alone is None else [f"{said(layer.alone)} dB alone"]
        if tensor is not None:
            parts.append(f"{said(tensor.snr)} dB so far")
            parts.append("float" if tensor.scale is None else f"step {tensor.scale:.2g}")
        worst = layer.alone if layer.alone is not None else tensor.snr if tensor else 0.0
        # they come with the worst first
        made.setdefault(layer.calls[-1], Remark(", ".join(parts), level(worst)))
    return made
