"""Records as pandas frames, tidy: one row for each cell, launch, or op, with a dtype that says what is in a column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from reports.errors import ReportError
from reports.record import Cell, LaunchRecord
from reports.sets import LaunchSet, newest_sets
from reports.store import RECORDS, RecordStore
from reports.summary import summarise
from reports.tables import flat_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CELL = {
    "model": "category",
    "converter": "category",
    "device": "category",
    "delegate": "category",
    "threads": "Int64",
    "precision": "category",
    "cores": "category",
    "benchmark_binary": "category",
}
_CELLS = {
    **_CELL,
    "converter_version": "category",
    "weights": "category",
    "seed": "Int64",
    "unit": "category",
    "software_gpu": "boolean",
    "latency": "Float64",
    "latency_low": "Float64",
    "latency_high": "Float64",
    "launches": "Int64",
    "launches_missing": "Int64",
    "speedup": "Float64",
    "speedup_low": "Float64",
    "speedup_high": "Float64",
    "paired_rounds": "Int64",
    "verdict": "category",
    "of_fp32": "Float64",
    "of_fp32_low": "Float64",
    "of_fp32_high": "Float64",
    "sustained": "Float64",
    "sustained_ratio": "Float64",
    "sustained_launches": "Int64",
    "quiet": "category",
    "noise": "string",
    "load": "Float64",
    "first": "Float64",
    "p90": "Float64",
    "peak_mb": "Float64",
    "transposes": "Int64",
    "ops": "Int64",
    "size_bytes": "Int64",
    "max_error": "Float64",
    "alike": "Float64",
    "alike_samples": "Int64",
    "snr_db": "Float64",
    "error_inputs": "Int64",
    "worst_element": "Float64",
    "worst_at": "string",
    "top1": "string",
    "delegated": "string",
    "forecast_nodes": "Int64",
    "forecast_partitions": "Int64",
    "forecast_error": "string",
    "conversion_seconds": "Float64",
    "conversion_cpu_seconds": "Float64",
    "conversion_peak_mb": "Float64",
    "runner": "category",
    "system": "category",
    "log": "string",
    "hidden": "string",
    "reason": "string",
}
_LAUNCHES = {
    **_CELL,
    "round": "Int64",
    "purpose": "category",
    "started": "datetime64[ns, UTC]",
    "wall_seconds": "Float64",
    "ok": "boolean",
    "counts": "boolean",
    "stage": "category",
    "error": "string",
    "emulated": "boolean",
    "unit": "category",
    "runs": "Int64",
    "median": "Float64",
    "lowest": "Float64",
    "highest": "Float64",
    "load": "Float64",
    "first": "Float64",
    "peak_mb": "Float64",
    "max_error": "Float64",
    "load_1min": "Float64",
    "throttled": "string",
    "converter_version": "category",
    "runner": "category",
    "system": "category",
    "log": "string",
}
_OPS = {**_CELL, "op": "category", "count": "Int64"}
_PROFILE = {
    **_CELL,
    "profile_delegate": "category",
    "op": "category",
    "node": "Int64",
    "partition": "Int64",
    "time": "Float64",
    "calls": "Float64",
    "delegated": "boolean",
    "module_path": "string",
    "source": "string",
}


@dataclass(frozen=True)
class Frames:
    """The records of a folder.

    Attributes:
        cells: One row for each cell, with the columns of `report.csv`; times in ms, counts in millions of instructions,
            as `unit` says.
        launches: One row for each launch, also of those that failed or do not count; the same units. `purpose` tells
            those for a figure from those for a profile and those of a sustained run.
        ops: One row for each cell and kind of op in its file, with how many there are.
        profile: One row for each operator of the cells that were profiled, in ms or millions of instructions;
            `profile_delegate` is what the launch ran with, which need not be the cell's.
    """

    cells: pd.DataFrame
    launches: pd.DataFrame
    ops: pd.DataFrame
    profile: pd.DataFrame

    def plot(self, figure: str = "latency", axes: Axes | None = None) -> Axes:
        """Bars of one figure, a group for each model and a colour for each converter.

        Args:
            figure: A column of `cells` with numbers; `latency` and `speedup` get their intervals.
            axes: Where to draw; None: in a new figure.

        Raises:
            ReportError: There is nothing to draw, or it mixes devices, delegates, threads or units.
        """
        from reports.chart import colour_of

        cells = self.cells.dropna(subset=[figure])
        if cells.empty:
            raise ReportError(f"no cell has a {figure}")
        for name in ("device", "delegate", "threads", "precision", "cores", "unit"):
            found = cells[name].dropna().unique().tolist()
            if len(found) > 1:
                raise ReportError(
                    f"the cells differ in {name} ({', '.join(map(str, found))}); choose one first"
                )
        table = cells.astype({"model": str, "converter": str}).pivot(
            index="model", columns="converter", values=figure
        )
        errors = None
        if f"{figure}_low" in cells:
            ends = [
                (cells[figure] - cells[f"{figure}_low"]).astype(float),
                (cells[f"{figure}_high"] - cells[figure]).astype(float),
            ]
            placed = cells.assign(below=ends[0], above=ends[1]).astype({"model": str, "converter": str})
            errors = [
                [
                    placed.pivot(index="model", columns="converter", values=side)[converter].to_numpy(float)
                    for side in ("below", "above")
                ]
                for converter in table.columns
            ]
        drawn = table.astype(float).plot.barh(
            ax=axes, xerr=errors, color=[colour_of(name) for name in table.columns], capsize=3
        )
        unit = f", {cells['unit'].iloc[0]}" if figure in ("latency", "load", "first", "p90") else ""
        drawn.set_xlabel(f"{figure}{unit}")
        return drawn


def load(folder: str | Path, *, baseline: str = "onnx-tf") -> Frames:
    """Read the records of a folder.

    Args:
        folder: What `bench zoo --out` was given, or a file of records.
        baseline: The converter that speed-ups are over.

    Raises:
        ReportError: There are no records, or they cannot be read.
    """
    path = Path(folder)
    store = RecordStore(path / RECORDS if path.is_dir() else path)
    records = store.read().records
    if not records:
        raise ReportError(f"{store.path}: no records; `bench zoo --out {folder}` makes them")
    return frames(records, baseline=baseline)


def frames(records: list[LaunchRecord], *, baseline: str = "onnx-tf") -> Frames:
    """The same of records that have been read."""
    newest = newest_sets(records)
    return Frames(
        cells=_frame(flat_rows(summarise(records, baseline=baseline)), _CELLS),
        launches=_frame((_launch(record) for record in records), _LAUNCHES),
        ops=_frame(_ops(newest), _OPS),
        profile=_frame(_profile(newest), _PROFILE),
    )


def _frame(rows: Iterable[dict[str, Any]], dtypes: dict[str, str]) -> pd.DataFrame:
    lists: dict[str, list[Any]] = {name: [] for name in dtypes}
    for row in rows:
        for name, values in lists.items():
            values.append(row[name])
    columns = {}
    for name, dtype in dtypes.items():
        values = lists.pop(name)
        columns[name] = (
            pd.to_datetime(pd.Series(values, dtype="string"), utc=True, format="ISO8601").astype(dtype)
            if dtype.startswith("datetime")
            else pd.Series(values, dtype=dtype)
        )
    return pd.DataFrame(columns)


def _launch(record: LaunchRecord) -> dict[str, Any]:
    timing, accuracy = record.timing, record.accuracy

    def thousandth(value: float | None) -> float | None:
        return None if value is None else value / 1000

    return {
        **dict(record.cell),
        "round": record.round,
        "purpose": record.purpose,
        "started": record.started,
        "wall_seconds": record.wall_seconds,
        "ok": record.ok,
        "counts": record.counts,
        "stage": record.stage,
        "error": record.error,
        "emulated": record.emulated,
        "unit": "Minstr (emulated)" if record.emulated else "ms",
        "runs": timing and timing.runs,
        "median": timing and thousandth(timing.median),
        "lowest": timing and thousandth(timing.lowest),
        "highest": timing and thousandth(timing.highest),
        "load": timing and thousandth(timing.init),
        "first": timing and thousandth(timing.first),
        "peak_mb": timing and thousandth(timing.peak_rss_kb),
        "max_error": accuracy and accuracy.max_error,
        "load_1min": record.state_before.get("load_1min"),
        "throttled": record.throttled,
        "converter_version": record.provenance.converter_version,
        "runner": record.provenance.runner,
        "system": record.provenance.system,
        "log": record.log,
    }


def _ops(newest: Mapping[Cell, LaunchSet]) -> Iterator[dict[str, Any]]:
    for cell, launches in newest.items():
        ops = launches.last.conversion.ops if launches.last.conversion else {}
        for op, count in ops.items():
            yield {**dict(cell), "op": op, "count": count}


def _profile(newest: Mapping[Cell, LaunchSet]) -> Iterator[dict[str, Any]]:
    for cell, launches in newest.items():
        for record in launches.profiles:
            ran_with = {"profile_delegate": record.profile_delegate}
            for op in record.profile:
                yield {**dict(cell), **ran_with, **dict(op), "op": op.name, "time": op.time / 1000}
