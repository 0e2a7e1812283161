"""The icicle of a profile, as a Vega specification: what each module costs, as wide as the time of all ops within it."""

from collections.abc import Sequence
from typing import Any

from reports.modules import Place, names_modules, places, total
from reports.page.specs import Spec
from reports.record import OpTime
from reports.sets import shown

_ROW = 22  # pixels
_NARROWEST = 0.003  # of the whole; what is narrower cannot be seen, and its time is shown as that of the module around it


def icicle(profile: Sequence[OpTime], unit: str) -> Spec | None:
    """The profile folded onto the tree of modules; None without a profile that names them.

    An op has its place below the module that it comes from.
    """
    if not names_modules(profile):
        return None
    whole = total(profile) or 1.0
    costs: dict[Place, float] = {}
    for op, parts in zip(profile, places(profile), strict=True):
        for depth in range(len(parts) + 1):
            costs[parts[:depth]] = costs.get(parts[:depth], 0.0) + shown(op.time)
    seen = [parts for parts, cost in costs.items() if not parts or cost >= _NARROWEST * whole]
    numbers = {parts: number for number, parts in enumerate(seen)}
    own = dict.fromkeys(seen, 0.0)
    ops: list[dict[str, Any]] = []
    for op, parts in zip(profile, places(profile), strict=True):
        while parts not in own:
            parts = parts[:-1]
        if shown(op.time) < _NARROWEST * whole:
            own[parts] += shown(op.time)
        else:
            kind = "delegated" if op.delegated else "not delegated"
            place = {"id": len(seen) + len(ops), "parent": numbers[parts]}
            ops.append({**place, "name": op.name, "own": round(shown(op.time), 6), "kind": kind})
    modules = [
        {
            "id": number,
            "parent": numbers[parts[:-1]] if parts else None,
            "name": ".".join(parts) or "model",
            "own": round(own[parts], 6),
            "kind": "module",
        }
        for parts, number in numbers.items()
    ]
    depth = max(map(len, seen)) + 1
    return _spec([*modules, *ops], depth + 1, whole, unit)


def _spec(nodes: list[dict[str, Any]], rows: int, whole: float, unit: str) -> Spec:
    signal = f"datum.name + ': ' + format(datum.total, '.3~g') + ' {unit}, ' + format(datum.total / {whole}, '.1%')"
    # Of a module, the last part of its path: the parts before it stand above.
    label = "datum.kind == 'module' ? slice(datum.name, lastindexof(datum.name, '.') + 1) : datum.name"
    size = [{"signal": "width"}, {"signal": "height"}]
    return {
        "$vega": True,
        "height": _ROW * rows,
        "data": [
            {
                "name": "tree",
                "values": nodes,
                "transform": [
                    {"type": "stratify", "key": "id", "parentKey": "parent"},
                    {"type": "partition", "field": "own", "size": size, "as": ["x0", "y0", "x1", "y1", "depth", "kids"]},
                    {"type": "formula", "as": "total", "expr": f"(datum.x1 - datum.x0) / width * {whole}"},
                ],
            }
        ],
        "scales": [
            {"name": "kind", "type": "ordinal", "domain": ["module", "delegated", "not delegated"],
             "range": ["#8fb8d8", "#009E73", "#E69F00"]}
        ],
        "legends": [{"fill": "kind", "orient": "top", "direction": "horizontal"}],
        "marks": [
            {
                "type": "rect",
                "from": {"data": "tree"},
                "encode": {
                    "update": {
                        "x": {"field": "x0"},
                        "x2": {"field": "x1"},
                        "y": {"field": "y0"},
                        "y2": {"field": "y1"},
                        "fill": {"scale": "kind", "field": "kind"},
                        "stroke": {"value": "white"},
                        "tooltip": {"signal": signal},
                    }
                },
            },
            {
                "type": "text",
                "from": {"data": "tree"},
                "interactive": False,
                "encode": {
                    "update": {
                        "x": {"signal": "datum.x0 + 4"},
                        "y": {"signal": "(datum.y0 + datum.y1) / 2"},
                        "baseline": {"value": "middle"},
                        "fill": {"value": "#111111"},
                        "text": {"signal": "datum.x1 - datum.x0 < 24 ? '' : " + label},
                        "limit": {"signal": "datum.x1 - datum.x0 - 6"},
                    }
                },
            },
        ],
    }  # fmt: skip
