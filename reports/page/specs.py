"""The page's charts as Vega-Lite and Vega specifications. Widths and colours of the theme are filled in by `page.js`."""

from collections.abc import Sequence
from typing import Any

from reports import figures
from reports.chart import colour_of
from reports.summary import Group, Row

Spec = dict[str, Any]

_BAR = 22  # pixels for a bar


def _colour(converters: Sequence[str]) -> Spec:
    scale = {"domain": list(converters), "range": [colour_of(name) for name in converters]}
    return {
        "field": "converter",
        "type": "nominal",
        "scale": scale,
        "legend": {"title": None, "orient": "top", "columns": 2},  # more are cut off on a phone
    }


def latency(group: Group, models: Sequence[str]) -> Spec:
    """Bars of each model on a scale of their own, with whiskers; the figures stand beside the names."""
    order = {model: number for number, model in enumerate(models)}
    rows = sorted(
        (row for row in group.rows if row.cell.model in order),
        key=lambda row: (order[row.cell.model], row.latency.value if row.latency else float("inf")),
    )
    converters = list(dict.fromkeys(row.cell.label for row in group.rows if row.latency))
    data = [
        {
            "model": row.cell.model,
            "converter": row.cell.label,
            "label": f"{row.cell.label}  {_label(row)}",
            "value": row.latency.value if row.latency else None,
            "low": row.latency.low if row.latency else None,
            "high": row.latency.high if row.latency else None,
            "certainty": 0.4 if row.noise else 1,
            "tip": row.reason or figures.with_interval(row.latency) + (" noisy" if row.noise else ""),
        }
        for row in rows
    ]
    y = {
        "field": "label",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"labelLimit": 200, "ticks": False, "domain": False},
    }
    tip = {"field": "tip", "title": f"{group.quantity}, {group.unit}"}
    return {
        "data": {"values": data},
        "facet": {
            "row": {
                "field": "model",
                "type": "nominal",
                "sort": None,
                "title": None,
                "header": {"orient": "top", "labelAnchor": "start", "labelFontWeight": "bold"},
            }
        },
        "spec": {
            "height": {"step": _BAR},
            "layer": [
                {
                    "mark": {"type": "bar", "height": {"band": 0.7}},
                    "encoding": {
                        "x": {
                            "field": "value",
                            "type": "quantitative",
                            "title": None,
                            "axis": {"tickCount": 4},
                        },
                        "y": y,
                        "color": _colour(converters),
                        "opacity": {
                            "field": "certainty",
                            "type": "quantitative",
                            "scale": None,
                            "legend": None,
                        },
                        "tooltip": tip,
                    },
                },
                {
                    "mark": {"type": "rule", "strokeWidth": 1.5},
                    "encoding": {
                        "x": {"field": "low", "type": "quantitative"},
                        "x2": {"field": "high"},
                        "y": y,
                    },
                },
            ],
        },
        "resolve": {"scale": {"x": "independent", "y": "independent"}},
    }


def _label(row: Row) -> str:
    if row.latency is None:
        return "wrong" if row.wrong else "failed"
    return figures.number(row.latency.value)


def speedup(group: Group, models: Sequence[str]) -> Spec | None:
    """Ratios of all models on one logarithmic scale; None where there are none."""
    rows = [row for row in group.rows if row.speedup and row.cell.model in models]
    if not rows:
        return None
    converters = list(dict.fromkeys(row.cell.label for row in rows))
    data = [
        {
            "model": row.cell.model,
            "converter": row.cell.label,
            "value": row.speedup.value,
            "low": row.speedup.low,
            "high": row.speedup.high,
            "proven": row.proven,
            "tip": figures.with_interval(row.speedup, "x") + ("" if row.proven else " noisy"),
        }
        for row in rows
        if row.speedup
    ]
    y = {"field": "model", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 200}}
    offset = {"yOffset": {"field": "converter", "type": "nominal"}}
    x = {
        "field": "value",
        "type": "quantitative",
        "scale": {"type": "log"},
        "title": None,
        "axis": {"format": "~g", "tickCount": 5},
    }
    return {
        "data": {"values": data},
        "height": {"step": _BAR * max(1, len(converters)) + 6, "for": "position"},
        "layer": [
            {"mark": {"type": "rule", "strokeDash": [4, 3]}, "encoding": {"x": {"datum": 1}}},
            {
                "mark": {"type": "rule", "strokeWidth": 1.5},
                "encoding": {
                    "x": {"field": "low", "type": "quantitative"},
                    "x2": {"field": "high"},
                    "y": y,
                    **offset,
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
                "encoding": {
                    "x": x,
                    "y": y,
                    **offset,
                    "color": _colour(converters),
                    "shape": {"condition": {"test": "datum.proven", "value": "circle"}, "value": "cross"},
                    "tooltip": {"field": "tip", "title": "speed-up"},
                },
            },
        ],
    }


def ops(rows: Sequence[Row]) -> Spec | None:
    """How many ops of each kind are in the files of one model, by converter; None where that is not known."""
    by_converter = {row.cell.label: row.conversion.ops for row in rows if row.conversion.ops}
    if not by_converter:
        return None
    converters = list(by_converter)
    data = [
        {"converter": converter, "op": op, "count": count}
        for converter, found in by_converter.items()
        for op, count in found.items()
    ]
    return {
        "data": {"values": data},
        "height": {"step": 9, "for": "offset"},
        "mark": {"type": "bar"},
        "encoding": {
            "x": {"field": "count", "type": "quantitative", "title": "ops", "axis": {"tickMinStep": 1}},
            "y": {
                "field": "op",
                "type": "nominal",
                "title": None,
                "sort": {"field": "count", "op": "max", "order": "descending"},
                "axis": {"labelLimit": 200},
            },
            "yOffset": {"field": "converter", "type": "nominal", "sort": converters},
            "color": _colour(converters),
            "tooltip": [{"field": "op"}, {"field": "converter"}, {"field": "count"}],
        },
    }
