"""Verdicts in the format that Model Explorer lays over a graph (`model-explorer FILE`, "add per-node data")."""

from __future__ import annotations

import json

from nobuco.delegates.check import DelegateCheck, State, Verdict

_COLOURS = {
    State.TAKEN: "#c7e9c0",
    State.REFUSED: "#fcae91",
    State.FATAL: "#fb6a4a",
    State.UNKNOWN: "#ffe9a8",
}


def node_data(check: DelegateCheck) -> str:
    """JSON in the format of Model Explorer's "custom node data": graph -> {name, results: {node: {value, bgColor}}}. A
    node has the number there that it has in the file, and a graph of a file the name `main`."""
    results = {
        str(verdict.node): {"value": _said(verdict), "bgColor": _COLOURS[verdict.state]}
        for verdict in check.verdicts
    }
    return json.dumps({"main": {"name": check.delegate.title, "results": results}}, indent=1)


def _said(verdict: Verdict) -> str:
    return verdict.state.value if not verdict.rule else f"{verdict.state.value}: {verdict.reason}"
