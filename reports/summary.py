"""From records to one row for each cell: what every table and chart shows."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from reports import figures
from reports.record import (
    Cell,
    Conversion,
    Delegation,
    LaunchRecord,
    Provenance,
    Stage,
    Timing,
    measurement_key,
)
from reports.stats import Estimate, median_of_launches, paired_ratio

_FAILED: dict[Stage, str] = {
    "conversion": "conversion failed",
    "launch": "launch failed",
    "device": "device failed",
}


@dataclass(frozen=True)
class Row:
    """One cell: a figure, or the reason why there is none.

    Attributes:
        cell: What was measured, by name.
        provenance: What it was made from.
        is_baseline: Whether its converter is the one that others are compared with.
        emulated: Whether instructions were counted instead of time.
        software_gpu: Whether the processor imitated a GPU; then `latency` says nothing about one.
        latency: In milliseconds, or in millions of instructions when `emulated`; None, with a `reason`, when
            there is none.
        timings: Of the launches that count, in order of rounds; empty without a `latency`.
        speedup: Over the baseline's file of the same model, paired within the rounds; None for the baseline.
        conversion: What the conversion took, and what is in the file.
        delegation: What became of the delegate in the last launch that says so.
        max_error: Largest error against PyTorch in any launch; None when none was checked.
        reason: Why there is no figure; None when there is one.
    """

    cell: Cell
    provenance: Provenance
    is_baseline: bool
    emulated: bool
    software_gpu: bool
    latency: Estimate | None
    timings: tuple[Timing, ...]
    speedup: Estimate | None
    conversion: Conversion
    delegation: Delegation | None
    max_error: float | None
    reason: str | None

    @property
    def unit(self) -> str:
        """The unit of `latency`."""
        return _unit(self.emulated)

    @property
    def launches(self) -> tuple[float, ...]:
        """The medians of the launches that count, in `unit`."""
        return tuple(_shown(timing) for timing in self.timings)


@dataclass(frozen=True)
class Group:
    """Rows that may be compared: they share device, delegate, threads, precision, cores, runner and unit.

    Attributes:
        device: The device's name.
        delegate: The delegate asked for.
        threads: How many.
        precision: In which numbers the delegate computes.
        cores: The cores asked for; None when the device chose.
        benchmark_binary: Begins the SHA-256 of a `benchmark_model` of the user's own.
        emulated: Whether instructions were counted instead of time.
        software_gpu: Whether the processor imitated a GPU.
        device_title: The device's name with its chip or model.
        baseline: The converter that others are compared with.
        rows: The cells, model by model.
    """

    device: str
    delegate: str
    threads: int
    precision: str
    cores: str | None
    benchmark_binary: str | None
    emulated: bool
    software_gpu: bool
    device_title: str
    baseline: str
    rows: list[Row] = field(default_factory=list)

    @property
    def unit(self) -> str:
        """The unit of the rows' `latency`."""
        return _unit(self.emulated)

    @property
    def short_unit(self) -> str:
        """The same in few characters, where it is said elsewhere that the device is emulated."""
        return "Minstr" if self.emulated else "ms"

    @property
    def quantity(self) -> str:
        """What is measured; with `unit`, a heading."""
        return "Instructions" if self.emulated else "Latency"

    @property
    def title(self) -> str:
        """What the rows share, for people."""
        threads = figures.plural(self.threads, "thread")
        parts = [self.device_title, self.delegate, threads, self.precision]
        parts += [f"cores {self.cores}"] if self.cores else []
        parts += [f"benchmark_model {self.benchmark_binary}"] if self.benchmark_binary else []
        return ", ".join(parts) + (" (GPU in software: times mean nothing)" if self.software_gpu else "")

    @property
    def slug(self) -> str:
        """What the rows share, as a part of a file name."""
        parts = [self.device, self.delegate, f"{self.threads}t", self.precision]
        parts += [f"cores-{self.cores}"] if self.cores else []
        parts += [self.benchmark_binary] if self.benchmark_binary else []
        return re.sub("[/:#,]", "_", "-".join(parts))

    @property
    def models(self) -> list[str]:
        """The models of the rows, each once, in their order."""
        return list(dict.fromkeys(row.cell.model for row in self.rows))


@dataclass
class _Measured:
    """The newest set of launches of one cell that may be pooled."""

    records: list[LaunchRecord]

    @property
    def last(self) -> LaunchRecord:
        return self.records[-1]

    @property
    def timings(self) -> dict[int, Timing]:
        """By round, of the launches that count; empty when the output is wrong: accuracy gates speed."""
        if self.reason is not None:
            return {}
        return {r.round: r.timing for r in self.records if r.counts and r.timing}

    @property
    def by_round(self) -> dict[int, float]:
        """The medians of the launches that count."""
        return {number: _shown(timing) for number, timing in self.timings.items()}

    @property
    def software_gpu(self) -> bool:
        return any(r.software_gpu for r in self.records)

    @property
    def max_error(self) -> float | None:
        errors = [r.accuracy.max_error for r in self.records if r.accuracy is not None]
        return max(errors) if errors else None

    @property
    def reason(self) -> str | None:
        """Why there is no figure, or None when there is one."""
        wrong = next((r.accuracy for r in self.records if r.accuracy and not r.accuracy.right), None)
        if wrong is not None:
            return f"wrong output: error {wrong.max_error:.1e} above {wrong.tolerance:.0e}"
        good = [r for r in self.records if r.counts]
        if good:
            return None if any(r.accuracy for r in good) else "output not checked against PyTorch"
        if self.last.ok and self.last.throttled:
            return f"the device slowed down in every launch: {self.last.throttled}"
        return f"{_FAILED[self.last.stage]}: {self.last.error or 'no reason given'}"


def _unit(emulated: bool) -> str:
    return "Minstr (emulated)" if emulated else "ms"


def _shown(timing: Timing) -> float:
    """us -> ms, thousands of instructions -> millions."""
    return timing.median / 1000


def summarise(
    records: Iterable[LaunchRecord], cells: Sequence[Cell] | None = None, *, baseline: str
) -> list[Group]:
    """Condense records to groups of rows.

    Args:
        records: In order of writing. Of a cell that was measured more than once (with another version of a
            converter, with other weights), the newest set counts.
        cells: Those to show, in order; None: all, sorted by model, the baseline last.
        baseline: The converter that others are compared with.
    """
    newest = _newest_sets(records)
    by_name = sorted(newest, key=lambda c: (c.model, c.converter == baseline, c.converter))
    chosen = [c for c in cells if c in newest] if cells is not None else by_name
    baselines = {_place(c): m.by_round for c, m in newest.items() if c.converter == baseline and c in chosen}
    groups: dict[tuple[object, ...], Group] = {}
    for cell in chosen:
        row = _row(cell, newest[cell], baselines.get(_place(cell)), baseline)
        shared = (cell.device, cell.delegate, cell.threads, cell.precision, cell.cores, cell.benchmark_binary)
        key = (*shared, row.emulated, row.software_gpu)
        title = device_title(newest[cell].last)
        groups.setdefault(key, Group(*key, title, baseline)).rows.append(row)
    for group in groups.values():
        order = {model: i for i, model in enumerate(group.models)}
        group.rows.sort(key=lambda row: order[row.cell.model])
    return list(groups.values())


def device_title(record: LaunchRecord) -> str:
    """The device's name with its chip, or else its model, where that is known."""
    info = record.device_info
    known_as = info.get("soc") or info.get("model")
    return f"{record.cell.device} ({known_as})" if known_as else record.cell.device


def _newest_sets(records: Iterable[LaunchRecord]) -> dict[Cell, _Measured]:
    sets: dict[Cell, dict[str, list[LaunchRecord]]] = {}
    for record in records:
        by_key = sets.setdefault(record.cell, {})
        key = measurement_key(record.cell, record.provenance)
        launches = by_key.pop(key, [])  # popped and put back: the set written last comes last
        by_key[key] = [r for r in launches if r.round != record.round] + [record]
    return {cell: _Measured(list(by_key.values())[-1]) for cell, by_key in sets.items()}


def _place(cell: Cell) -> Cell:
    return cell.model_copy(update={"converter": ""})


def _row(cell: Cell, measured: _Measured, base: dict[int, float] | None, baseline: str) -> Row:
    last, rounds = measured.last, measured.by_round
    is_baseline = cell.converter == baseline
    has_speedup = bool(base and rounds and not is_baseline and not measured.software_gpu)
    return Row(
        cell=cell,
        provenance=last.provenance,
        is_baseline=is_baseline,
        emulated=last.emulated,
        software_gpu=measured.software_gpu,
        latency=median_of_launches(list(rounds.values())) if rounds else None,
        timings=tuple(measured.timings.values()),
        speedup=paired_ratio(base, rounds) if has_speedup and base else None,
        conversion=next((r.conversion for r in reversed(measured.records) if r.conversion), Conversion()),
        delegation=next((r.delegation for r in reversed(measured.records) if r.delegation), None),
        max_error=measured.max_error,
        reason=measured.reason,
    )
