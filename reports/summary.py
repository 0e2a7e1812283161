"""From records to one row for each cell: what every table and chart shows."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from reports.record import Cell, LaunchRecord, Stage, measurement_key
from reports.stats import Estimate, median_of_launches, paired_ratio

BASELINE = "onnx-tf"
_FAILED: dict[Stage, str] = {
    "conversion": "conversion failed",
    "launch": "launch failed",
    "device": "device failed",
}


@dataclass(frozen=True)
class Row:
    """One cell. `latency` is in milliseconds, or in Minstr when `emulated`; None, with a `reason`, when there
    is none. Of a `software_gpu` it says nothing and is compared with nothing.

    `launches` are the medians of the launches. `speedup` is over the baseline's file of the same model in the
    same rounds.
    """

    cell: Cell
    emulated: bool
    software_gpu: bool
    latency: Estimate | None
    launches: tuple[float, ...]
    speedup: Estimate | None
    transposes: int | None
    n_ops: int | None
    size_bytes: int | None
    conversion_seconds: float | None
    conversion_cpu_seconds: float | None
    conversion_peak_mb: float | None
    max_error: float | None
    reason: str | None
    fully_delegated: bool | None
    delegation: str | None
    left: tuple[str, ...]
    converter_version: str
    weights: str
    seed: int

    @property
    def unit(self) -> str:
        return "Minstr (emulated)" if self.emulated else "ms"


@dataclass(frozen=True)
class Group:
    """Rows that share device, delegate, threads, precision, cores, runner and unit: the only ones that are
    compared."""

    device: str
    delegate: str
    threads: int
    precision: str
    cores: str | None
    benchmark_binary: str | None
    emulated: bool
    software_gpu: bool
    device_title: str
    rows: list[Row] = field(default_factory=list)

    @property
    def unit(self) -> str:
        return "Minstr (emulated)" if self.emulated else "ms"

    @property
    def quantity(self) -> str:
        """What is measured; with `unit`, a heading."""
        return "Instructions" if self.emulated else "Latency"

    @property
    def title(self) -> str:
        threads = f"{self.threads} thread" + ("" if self.threads == 1 else "s")
        parts = [self.device_title, self.delegate, threads, self.precision]
        parts += [f"cores {self.cores}"] if self.cores else []
        parts += [f"benchmark_model {self.benchmark_binary}"] if self.benchmark_binary else []
        return ", ".join(parts) + (" (GPU in software: times mean nothing)" if self.software_gpu else "")

    @property
    def slug(self) -> str:
        parts = [self.device, self.delegate, f"{self.threads}t", self.precision]
        parts += [f"cores-{self.cores}"] if self.cores else []
        parts += [self.benchmark_binary] if self.benchmark_binary else []
        return re.sub("[/:#,]", "_", "-".join(parts))

    @property
    def models(self) -> list[str]:
        return list(dict.fromkeys(row.cell.model for row in self.rows))


@dataclass
class _Measured:
    """The newest set of launches of one cell that may be pooled."""

    records: list[LaunchRecord]

    @property
    def last(self) -> LaunchRecord:
        return self.records[-1]

    @property
    def by_round(self) -> dict[int, float]:
        """Median of each good launch; empty when the output is wrong: accuracy gates speed."""
        if self.reason is not None:
            return {}
        return {r.round: _shown(r) for r in self.records if r.counts}

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


def _shown(record: LaunchRecord) -> float:
    """us -> ms, thousands of instructions -> millions."""
    assert record.timing is not None
    return record.timing.median / 1000


def summarise(
    records: Iterable[LaunchRecord], cells: Sequence[Cell] | None = None, baseline: str = BASELINE
) -> list[Group]:
    """Group and condense the records; with `cells`, only those, in their order. Records alone come in the random order
    of their rounds: then by model, the baseline last.

    Of a cell that was measured more than once (another version of a converter, other weights), the newest set
    counts.
    """
    newest = _newest_sets(records)
    by_name = sorted(newest, key=lambda c: (c.model, c.converter == baseline, c.converter))
    wanted = [c for c in cells if c in newest] if cells is not None else by_name
    baselines = {_place(c): m.by_round for c, m in newest.items() if c.converter == baseline and c in wanted}
    groups: dict[tuple[object, ...], Group] = {}
    for cell in wanted:
        row = _row(cell, newest[cell], baselines.get(_place(cell)), baseline)
        shared = (cell.device, cell.delegate, cell.threads, cell.precision, cell.cores, cell.benchmark_binary)
        key = (*shared, row.emulated, row.software_gpu)
        title = device_title(newest[cell].last)
        groups.setdefault(key, Group(*key, title)).rows.append(row)
    for group in groups.values():
        order = {model: i for i, model in enumerate(group.models)}
        group.rows.sort(key=lambda row: order[row.cell.model])
    return list(groups.values())


def device_title(record: LaunchRecord) -> str:
    """A name for people: with the chip, or else the model, where the device tells one."""
    info = record.device_info
    known_as = info.get("soc") or info.get("model")
    return f"{record.cell.device} ({known_as})" if known_as else record.cell.device


def _newest_sets(records: Iterable[LaunchRecord]) -> dict[Cell, _Measured]:
    sets: dict[Cell, dict[str, list[LaunchRecord]]] = {}
    for record in records:
        by_key = sets.setdefault(record.cell, {})
        key = measurement_key(record.cell, record.subject)
        launches = by_key.pop(key, [])  # popped and put back: the set written to last comes last
        by_key[key] = [r for r in launches if r.round != record.round] + [record]
    return {cell: _Measured(list(by_key.values())[-1]) for cell, by_key in sets.items()}


def _place(cell: Cell) -> Cell:
    return cell.model_copy(update={"converter": ""})


def _row(cell: Cell, measured: _Measured, base: dict[int, float] | None, baseline: str) -> Row:
    last, rounds = measured.last, measured.by_round
    conversion = next((r.conversion for r in reversed(measured.records) if r.conversion), None)
    delegation = next((r.delegation for r in reversed(measured.records) if r.delegation), None)
    has_speedup = bool(base and rounds and cell.converter != baseline and not measured.software_gpu)
    return Row(
        cell=cell,
        emulated=last.emulated,
        software_gpu=measured.software_gpu,
        latency=median_of_launches(list(rounds.values())) if rounds else None,
        launches=tuple(rounds.values()),
        speedup=paired_ratio(base, rounds) if has_speedup and base else None,
        transposes=conversion.transposes if conversion else None,
        n_ops=conversion.n_ops if conversion else None,
        size_bytes=conversion.size_bytes if conversion else None,
        conversion_seconds=conversion.seconds if conversion else None,
        conversion_cpu_seconds=conversion.cpu_seconds if conversion else None,
        conversion_peak_mb=conversion.peak_rss_mb if conversion else None,
        max_error=measured.max_error,
        reason=measured.reason,
        fully_delegated=delegation.fully if delegation else None,
        delegation=_delegation_words(delegation),
        left=delegation.left if delegation else (),
        converter_version=last.subject.converter_version,
        weights=last.subject.weights,
        seed=last.subject.seed,
    )


def _delegation_words(delegation) -> str | None:
    if delegation is None or delegation.total_nodes is None:
        return None
    partitions = f" in {delegation.partitions}" if delegation.partitions else ""
    return f"{delegation.delegated_nodes}/{delegation.total_nodes} nodes{partitions}"
