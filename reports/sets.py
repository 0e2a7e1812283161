"""Which launches make one figure: those of the newest set of a cell. What was measured otherwise is said, not pooled."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from reports import figures
from reports.noise import noise
from reports.record import (
    Accuracy,
    Cell,
    Delegation,
    LaunchRecord,
    Provenance,
    Stage,
    Timing,
)

_FAILED: dict[Stage, str] = {
    "conversion": "conversion failed",
    "launch": "launch failed",
    "device": "device failed",
}
_DIFFERENCES = {
    "weights": "weights {}",
    "seed": "seed {}",
    "converter_version": "version {}",
    "file_sha256": "another file",
    "runner": "runner {}",
    "system": "system {}",
    "device_identity": "another machine",
}
"""What may differ between two sets of a cell, and how it is said; the first that differs is named."""


@dataclass
class LaunchSet:
    """Launches of one cell that may be pooled: everything that could change a figure was the same.

    Attributes:
        records: Those made for a figure, in order of writing, one a round; not empty.
        profiles: The newest launches made for a profile, one for each delegate that they ran with.
        sustained: The launches of the newest sustained run that came to its last third.
        older: The other sets of the cell, the newest last.
    """

    records: list[LaunchRecord]
    profiles: list[LaunchRecord]
    sustained: list[LaunchRecord]
    older: "list[LaunchSet]"

    @property
    def last(self) -> LaunchRecord:
        """The newest launch."""
        return self.records[-1]

    @cached_property
    def good(self) -> list[LaunchRecord]:
        """The launches that count, by round; empty when the output is wrong: accuracy gates speed."""
        if self.reason is not None:
            return []
        return sorted((r for r in self.records if r.counts), key=lambda r: r.round)

    @cached_property
    def timings(self) -> dict[int, Timing]:
        """By round, of the launches that count."""
        return {r.round: r.timing for r in self.good if r.timing}

    @cached_property
    def noise(self) -> list[str]:
        """What was noisy about the launches that count."""
        return [] if self.software_gpu else noise(self.good)

    @property
    def software_gpu(self) -> bool:
        """Whether the processor imitated the GPU."""
        return any(r.software_gpu for r in self.records)

    @property
    def accuracy(self) -> Accuracy | None:
        """The largest error found in any launch; None when none was checked."""
        return max((r.accuracy for r in self.records if r.accuracy), key=lambda a: a.max_error, default=None)

    @property
    def delegation(self) -> Delegation | None:
        """What became of the delegate in the newest launch that says so."""
        return next((r.delegation for r in reversed(self.records) if r.delegation), None)

    @cached_property
    def reason(self) -> str | None:
        """Why there is no figure, or None when there is one."""
        wrong = next((r.accuracy for r in self.records if r.accuracy and not r.accuracy.right), None)
        if wrong is not None:
            return f"wrong output: {wrong.fault}"
        good = [r for r in self.records if r.counts]
        if good:
            return None if any(r.accuracy for r in good) else "output not checked against PyTorch"
        if self.last.ok and self.last.throttled:
            return f"the device slowed down in every launch: {self.last.throttled}"
        return f"{_FAILED[self.last.stage]}: {self.last.error or 'no reason given'}"

    @property
    def wrong(self) -> bool:
        """Whether an output did not agree with PyTorch's."""
        return any(r.accuracy and not r.accuracy.right for r in self.records)

    @property
    def hidden(self) -> str | None:
        """What is said where an older set has more launches that count than this one; None where none has."""
        ours = len(self.good)
        larger = [each for each in self.older if len(each.good) > ours]
        if not larger:
            return None
        other = max(larger, key=lambda each: len(each.good))
        shown = figures.plural(ours, "launch", "launches") if ours else "no launch that counts"
        return f"{shown} in the newest set; an older one has {len(other.good)} ({_difference(self, other)})"


def newest_sets(records: Iterable[LaunchRecord]) -> dict[Cell, LaunchSet]:
    """The newest set of each cell, with the older ones.

    Args:
        records: In order of writing.
    """
    sets: dict[Cell, dict[Provenance, dict[int, LaunchRecord]]] = {}
    others: dict[tuple[Cell, Provenance], list[LaunchRecord]] = {}
    for record in records:
        key = record.provenance
        if record.purpose != "figure":
            others.setdefault((record.cell, key), []).append(record)
            continue
        by_key = sets.setdefault(record.cell, {})
        launches = by_key.pop(key, {})  # popped and put back: the set written last comes last
        launches.pop(record.round, None)
        launches[record.round] = record
        by_key[key] = launches
    found: dict[Cell, LaunchSet] = {}
    for cell, by_key in sets.items():
        made = []
        for key, each in by_key.items():
            more = others.get((cell, key), [])
            made.append(LaunchSet(list(each.values()), _profiles(more), _sustained(more), []))
        made[-1].older = made[:-1]
        found[cell] = made[-1]
    return found


def _profiles(records: Iterable[LaunchRecord]) -> list[LaunchRecord]:
    newest = {r.profile_delegate: r for r in records if r.purpose == "profile"}
    return list(newest.values())


def _sustained(records: Iterable[LaunchRecord]) -> list[LaunchRecord]:
    runs: dict[str, list[LaunchRecord]] = {}
    for record in records:
        if record.sustained is not None:
            runs.setdefault(record.sustained.run, []).append(record)
    # A run that was interrupted says nothing of the device when it has warmed up.
    finished = [run for run in runs.values() if warmed_up(run)]
    return finished[-1] if finished else []


def warmed_up(records: Iterable[LaunchRecord]) -> list[LaunchRecord]:
    """The launches of the last third of a sustained run that have a time."""
    return [r for r in records if r.ok and r.timing and r.sustained and r.sustained.in_last_third]


def _difference(newest: LaunchSet, other: LaunchSet) -> str:
    ours, theirs = newest.last.provenance, other.last.provenance
    for field, words in _DIFFERENCES.items():
        old, new = getattr(theirs, field), getattr(ours, field)
        if old != new:
            return words.format(f"{old}, now {new}")
    return "measured otherwise"


def medians_by_round(timings: dict[int, Timing]) -> dict[int, float]:
    """The launches' medians in the unit that is shown: us -> ms, thousands of instructions -> millions."""
    return {number: shown(timing.median) for number, timing in timings.items()}


def shown(value: float) -> float:
    """us -> ms, thousands of instructions -> millions."""
    return value / 1000
