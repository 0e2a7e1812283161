"""From records to one row for each cell: what every table and chart shows."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median
from typing import Any

from reports import figures
from reports.noise import Quiet, verdict
from reports.record import (
    FLOAT,
    Accuracy,
    Cell,
    Conversion,
    Delegation,
    Forecast,
    LaunchRecord,
    Provenance,
    Timing,
)
from reports.sets import LaunchSet, medians_by_round, newest_sets, shown, warmed_up
from reports.stats import Estimate, counted, median_of_launches, paired_ratio


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
        speedup: Over the baseline's file of the same model and precision, paired within the rounds; None for the baseline.
        of_fp32: What it takes of what the same converter's float32 file takes, paired within the rounds: 0.3 is less than a
            third. None for that file.
        noise: What was noisy about the launches that count.
        quiet: The verdict on that.
        proven: Whether neither these launches nor the baseline's were noisy, so that `speedup` proves something.
        conversion: What the conversion took, and what is in the file.
        delegation: What became of the delegate in the last launch that says so.
        accuracy: The largest error against PyTorch in any launch; None when none was checked.
        reason: Why there is no figure; None when there is one.
        wrong: Whether the reason is that the output does not agree with PyTorch's.
        hidden: What is to be said of an older set with more launches; None where there is none.
        log: The raw log of the newest launch, as its record names it.
        profiles: The newest launches made for a profile, one for each delegate that they ran with.
        sustained: The median of the launches in the last third of a sustained run, in the unit of `latency`; None
            without such a run.
        sustained_launches: How many they were.
        device_info: What the device said of itself.
    """

    cell: Cell
    provenance: Provenance
    is_baseline: bool
    emulated: bool
    software_gpu: bool
    latency: Estimate | None
    timings: tuple[Timing, ...]
    speedup: Estimate | None
    of_fp32: Estimate | None
    noise: tuple[str, ...]
    quiet: Quiet
    proven: bool
    conversion: Conversion
    delegation: Delegation | None
    accuracy: Accuracy | None
    reason: str | None
    wrong: bool
    hidden: str | None
    log: str | None
    profiles: tuple[LaunchRecord, ...]
    sustained: float | None
    sustained_launches: int
    device_info: dict[str, Any]

    @property
    def forecast(self) -> Forecast | None:
        """What the delegate was expected to take of the file; None where nobody can say."""
        return self.conversion.forecasts.get(self.cell.delegate.removesuffix("-fp16"))

    @property
    def as_forecast(self) -> bool | None:
        """Whether it took as many nodes, in as many parts; None where either is not known."""
        took, expected = self.delegation, self.forecast
        if expected is None or expected.error or took is None or took.delegated_nodes is None:
            return None
        parts = took.partitions if took.partitions is not None else expected.partitions
        return (took.delegated_nodes, parts) == (expected.taken, expected.partitions)

    @property
    def unit(self) -> str:
        """The unit of `latency`."""
        return _unit(self.emulated)

    @property
    def launches(self) -> tuple[float, ...]:
        """The medians of the launches that count, in `unit`."""
        return tuple(shown(timing.median) for timing in self.timings)

    @property
    def max_error(self) -> float | None:
        """Largest error against PyTorch in any launch; None when none was checked."""
        return self.accuracy.max_error if self.accuracy else None

    @cached_property
    def p90(self) -> float | None:
        """The run that nine of ten runs of a launch undercut, as the median over the launches, in `unit`."""
        values = [
            ordered[round(0.9 * (len(ordered) - 1))] for t in self.timings if (ordered := sorted(t.samples))
        ]
        return shown(median(values)) if values else None

    @property
    def sustained_ratio(self) -> float | None:
        """`sustained` over `latency`: above 1 the device has slowed down as it warmed up."""
        return self.sustained / self.latency.value if self.sustained is not None and self.latency else None

    @property
    def verdict(self) -> str:
        """What the speed-up supports: "faster", "slower", "no difference"; "noisy" where nothing can be said."""
        supported = figures.verdict(self.speedup)
        return supported if self.proven or not supported else "noisy"


@dataclass(frozen=True)
class Group:
    """Rows that may be compared: they share device, delegate, threads, cores, runner and unit.

    Attributes:
        device: The device's name.
        delegate: The delegate asked for.
        threads: How many.
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
        parts = [self.device_title, self.delegate, threads]
        parts += [f"cores {self.cores}"] if self.cores else []
        parts += [f"benchmark_model {self.benchmark_binary}"] if self.benchmark_binary else []
        return ", ".join(parts) + (" (GPU in software: times mean nothing)" if self.software_gpu else "")

    @property
    def slug(self) -> str:
        """What the rows share, as a part of a file name."""
        parts = [self.device, self.delegate, f"{self.threads}t"]
        parts += [f"cores-{self.cores}"] if self.cores else []
        parts += [self.benchmark_binary] if self.benchmark_binary else []
        return re.sub("[/:#,]", "_", "-".join(parts))

    @property
    def precisions(self) -> list[str]:
        """The precisions of the files, each once, in their order."""
        return list(dict.fromkeys(row.cell.precision for row in self.rows))

    @property
    def reduced(self) -> bool:
        """Whether any file is of another precision than float32."""
        return self.precisions not in ([], [FLOAT])

    @property
    def models(self) -> list[str]:
        """The models of the rows, each once, in their order."""
        return list(dict.fromkeys(row.cell.model for row in self.rows))


def _unit(emulated: bool) -> str:
    return "Minstr (emulated)" if emulated else "ms"


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
    newest = newest_sets(records)
    by_name = sorted(
        newest,
        key=lambda c: (c.model, c.converter == baseline, c.converter, c.precision != FLOAT, c.precision),
    )
    chosen = [c for c in cells if c in newest] if cells is not None else by_name
    among = set(chosen)
    baselines = {_place(c): each for c, each in newest.items() if c.converter == baseline and c in among}
    groups: dict[tuple[object, ...], Group] = {}
    for cell in chosen:
        in_float = (
            newest.get(cell.model_copy(update={"precision": FLOAT})) if cell.precision != FLOAT else None
        )
        row = _row(cell, newest[cell], baselines.get(_place(cell)), in_float, baseline)
        shared = (cell.device, cell.delegate, cell.threads, cell.cores, cell.benchmark_binary)
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


def _place(cell: Cell) -> Cell:
    return cell.model_copy(update={"converter": ""})


def _row(
    cell: Cell, measured: LaunchSet, base: LaunchSet | None, in_float: LaunchSet | None, baseline: str
) -> Row:
    last, timings, accuracy, reasons = measured.last, measured.timings, measured.accuracy, measured.noise
    is_baseline = cell.converter == baseline
    medians = medians_by_round(timings)
    warm = [shown(r.timing.median) for r in warmed_up(measured.sustained) if r.timing] if timings else []
    speedup, noisy_pair = None, bool(reasons)
    if base is not None and not is_baseline and not measured.software_gpu:
        speedup = _ratio(medians_by_round(base.timings), medians, last.emulated)
        noisy_pair = noisy_pair or bool(base.noise)
    of_fp32 = None
    if in_float is not None and not measured.software_gpu:
        of_fp32 = _ratio(medians, medians_by_round(in_float.timings), last.emulated)
    return Row(
        cell=cell,
        provenance=last.provenance,
        is_baseline=is_baseline,
        emulated=last.emulated,
        software_gpu=measured.software_gpu,
        latency=_latency(list(medians.values()), last.emulated),
        timings=tuple(timings.values()),
        speedup=speedup,
        of_fp32=of_fp32,
        noise=tuple(reasons),
        quiet=verdict(reasons, len(timings), last.emulated) if timings else "unknown",
        proven=not noisy_pair,
        conversion=next((r.conversion for r in reversed(measured.records) if r.conversion), Conversion()),
        delegation=measured.delegation,
        accuracy=accuracy,
        reason=measured.reason,
        wrong=measured.wrong,
        hidden=measured.hidden,
        log=last.log,
        profiles=tuple(measured.profiles),
        sustained=median(warm) if warm else None,
        sustained_launches=len(warm),
        device_info=last.device_info,
    )


def _latency(medians: Sequence[float], emulated: bool) -> Estimate | None:
    if not medians:
        return None
    return counted(medians[0], len(medians)) if emulated else median_of_launches(medians)


def _ratio(above: dict[int, float], below: dict[int, float], emulated: bool) -> Estimate | None:
    if not above or not below:
        return None
    if emulated:
        return counted(next(iter(above.values())) / next(iter(below.values())), min(len(above), len(below)))
    return paired_ratio(above, below)
