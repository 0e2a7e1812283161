"""What was found, as a short text for a bug report, and the files that go with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.bisect.trial import Fault, Outcome, Trials
from bench.errors import BenchError
from bench.jobs.process import ORIGINS
from bench.measure.delegates import ran_in_software
from devices import DeviceInfo
from nobuco.delegates import State, check_delegates
from nobuco.delegates.check import DELEGATES
from nobuco.tflite import TFLiteFileError, TFLiteInfo, TFLiteOp, inspect_tflite
from reports import figures
from reports.figures import plural

_MOST_ROWS = 12
_SAID = {Fault.FAILS: "fails on", Fault.WRONG: "computes wrongly", Fault.REFUSED: "refuses"}


@dataclass(frozen=True)
class Finding:
    """The smallest part with a fault.

    Attributes:
        whole: the file that it is of.
        fault: what is wrong with it.
        outcome: the launch that shows it.
        file: the part, as a file of its own.
        values: its inputs, and its outputs on the CPU, as `.npz`: `input_0`, ..., `output_0`, ...
        ops: its ops, as the whole file has them.
        places: for each, where it comes from in the PyTorch program; empty where that is not known.
        forecast: what `bench lint` says of the part, where it knows the delegate.
    """

    whole: TFLiteInfo
    fault: Fault
    outcome: Outcome
    file: Path
    values: Path
    ops: tuple[TFLiteOp, ...]
    places: tuple[str, ...]
    forecast: tuple[str, ...]


def finding(
    path: Path, trials: Trials, fault: Fault, outcome: Outcome, file: Path, origins: Path | None
) -> Finding:
    """Writes the part and its values. `origins`: where the ops of the whole file come from, as conversions keep it; what
    lies beside the file for None. Raises BenchError."""
    whole = inspect_tflite(path)
    rows = [row for row in whole.rows if row.subgraph == 0]
    ops = tuple(rows[node] for node in outcome.cut.nodes)
    places = _places(rows, path, origins)
    values = file.with_suffix(".npz")
    arrays: dict[str, Any] = {
        f"{kind}_{number}": trials.recorded[index]
        for kind, indices in (("input", outcome.cut.inputs), ("output", outcome.cut.outputs))
        for number, index in enumerate(indices)
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(outcome.cut.data)
        np.savez(values, **arrays)
    except OSError as error:
        raise BenchError(f"{file}: cannot be written: {error.strerror}") from error
    return Finding(
        whole,
        fault,
        outcome,
        file,
        values,
        ops,
        tuple(places[node] for node in outcome.cut.nodes),
        _forecast(file, trials.delegate),
    )


def _places(rows: Sequence[TFLiteOp], path: Path, origins: Path | None) -> list[str]:
    source = path.parent / ORIGINS if origins is None else origins
    if origins is None and not source.is_file():
        return [""] * len(rows)
    try:
        known = json.loads(source.read_text(encoding="utf-8"))
        if [each["op"] for each in known] == [row.op for row in rows]:
            return [_place(each) for each in known]
    except (OSError, ValueError, TypeError, KeyError) as error:
        if origins is not None:
            raise BenchError(f"{source}: it does not tell where ops come from: {error}") from error
        return [""] * len(rows)
    if origins is not None:
        raise BenchError(f"{source}: it lists other ops than {path} has")
    return [""] * len(rows)  # what lies there is of another file


def _place(known: Mapping[str, Any]) -> str:
    line, module = known.get("source"), known.get("module")
    return f"{module or 'the model'} ({line})" if line else module or ""


def _forecast(file: Path, delegate: str) -> tuple[str, ...]:
    name = delegate.removesuffix("-fp16")
    if name not in DELEGATES:
        return ()
    try:
        (check,) = check_delegates(file, delegates=[name])
    except TFLiteFileError as error:  # it was cut here: a file that cannot be read is our fault
        raise BenchError(str(error)) from error
    said = [
        f"{each.op.op} {each.state.value}: {each.reason}"
        for each in check.verdicts
        if each.state is not State.TAKEN
    ]
    said += [f"{each.op.op} wrong: {each.reason}" for each in check.dangers if each.wrong]
    return tuple(dict.fromkeys(said)) or ("taken whole, and computed rightly",)


def text(found: Finding, trials: Trials, device: DeviceInfo) -> str:
    """Ready to be pasted."""
    outcome, count = found.outcome, len(found.ops)
    ops = found.ops[0].op if count == 1 else f"{count} ops"
    lines = [
        f"{trials.delegate} {_SAID[found.fault]} {ops} of {found.whole.path.name}",
        "",
        *_facts("runtime", [outcome.result.runner]),
        *_facts("device", [_described(device, outcome)]),
        *_facts("delegate", [trials.delegate]),
        *_facts("ops", _rows(found)),
        *_facts("outcome", [_outcome(found)]),
        *_facts("it says", outcome.result.left if found.fault is Fault.REFUSED else []),
        *_facts("bench lint", found.forecast),
        *_facts("file", [f"{found.file}, {_size(found.file)}, sha256 {_digest(found.file)}"]),
        *_facts("values", [f"{found.values}: its inputs, and its outputs on the CPU"]),
    ]
    return "\n".join(lines)


def as_dict(found: Finding, trials: Trials, device: DeviceInfo) -> dict[str, Any]:
    """The same for programs."""
    outcome = found.outcome
    return {
        "fault": found.fault.value,
        "delegate": trials.delegate,
        "device": device.name,
        "runtime": outcome.result.runner,
        "file": str(found.file),
        "values": str(found.values),
        "nodes": list(outcome.cut.nodes),
        "ops": [row.op for row in found.ops],
        "places": list(found.places),
        "error": outcome.error,
        "tolerance": outcome.tolerance,
        "rounding_steps": outcome.rounded and outcome.rounded.steps,
        "says": list(outcome.result.left) if outcome.result.ok else outcome.result.error,
        "forecast": list(found.forecast),
    }


def _facts(name: str, lines: Sequence[str]) -> list[str]:
    return [f"{name if number == 0 else '':<12}{line}" for number, line in enumerate(lines)]


def _described(device: DeviceInfo, outcome: Outcome) -> str:
    parts = [device.name, device.model, device.soc, device.gpu, device.os, device.kernel]
    software = "the GPU imitated in software" if ran_in_software(outcome.result.log) else None
    return ", ".join(dict.fromkeys(part for part in (*parts, software) if part))


def _rows(found: Finding) -> list[str]:
    part = [row for row in inspect_tflite(found.file).rows if row.subgraph == 0]
    rows = []
    for node, row, place in zip(found.outcome.cut.nodes, part, found.places, strict=True):
        fused = f" + {row.activation}" if row.activation else ""
        rows.append(
            f"{row.op}{fused} {_shapes(row.input_shapes)} -> {_shapes(row.output_shapes)} {', '.join(row.output_types)}"
        )
        rows.append(
            f"  node {node} of {len([each for each in found.whole.rows if each.subgraph == 0])}: {place or row.name}"
        )
    if len(rows) > 2 * _MOST_ROWS:
        rows = [*rows[: 2 * _MOST_ROWS], f"and {len(found.ops) - _MOST_ROWS} more"]
    return rows


def _shapes(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join(str(shape) for shape in shapes)


def _outcome(found: Finding) -> str:
    result = found.outcome.result
    if found.fault is Fault.FAILS:
        return f"it fails: {result.error}"
    if found.fault is Fault.REFUSED:
        return f"{result.delegated_nodes} of {result.total_nodes} nodes taken"
    place = found.outcome.cut.outputs.index(found.outcome.tensor or 0)
    return (
        f"output {place} differs from the CPU's (its own kernels, no delegate) by {figures.error(found.outcome.error)}, "
        f"max|difference| / max|reference|; {_allowed(found.outcome)}"
    )


def _allowed(outcome: Outcome) -> str:
    if outcome.rounded is None:
        return f"{outcome.tolerance:g} is allowed"
    return (
        f"{outcome.tolerance:.2g} is allowed, {outcome.rounded.steps:.1f} steps of its integers among it: "
        f"{plural(outcome.rounded.ops, 'op')} before it, one after the other, may round otherwise"
    )


def _size(file: Path) -> str:
    return f"{file.stat().st_size:,} bytes"


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]
