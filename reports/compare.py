"""Two runs side by side, cell by cell: better, worse or the same by their intervals, and what came, went or broke."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from reports import figures
from reports.record import FLOAT, Cell, Delegation, LaunchRecord
from reports.sets import LaunchSet, medians_by_round, newest_sets
from reports.stats import REPEATABLE, Estimate, counted, paired_ratio, unpaired_ratio

SAME_WITHIN = 0.02
"""Two runs of the same file differ by as much, for reasons that rounds within a run do not show."""

MACHINE_MOVES = 0.05
"""Where the very same files differ by more, up to this, it is the machine that moved between the runs; a difference beyond
it is news whatever its cause."""

Verdict = Literal[
    "worse",
    "better",
    "same",
    "unclear",
    "newly failing",
    "mended",
    "failing",
    "new",
    "gone",
    "not comparable",
]
ORDER: tuple[Verdict, ...] = (
    "newly failing",
    "worse",
    "unclear",
    "gone",
    "not comparable",
    "better",
    "mended",
    "new",
    "failing",
    "same",
)
"""What a reader wants to see first."""


@dataclass(frozen=True)
class Comparison:
    """One cell in both runs.

    Attributes:
        cell: By name; without the converter where two converters are compared.
        verdict: By the interval of `ratio`.
        before: The first run's latency in ms, or instructions in millions; None where it has none.
        after: The second run's.
        emulated: Whether these are instructions.
        ratio: How many times as long the second run takes: above 1 is worse. None where not both have a figure.
        newly_undelegated: How many nodes the delegate took before and now, where it took all, or more of them, before.
        reason: Why there is no verdict by an interval, or what is to be known about it.
    """

    cell: Cell
    verdict: Verdict
    before: float | None
    after: float | None
    emulated: bool
    ratio: Estimate | None
    newly_undelegated: str | None
    reason: str | None

    def regressed(self, by: float) -> bool:
        """Whether it has become worse: slower by more than this share for certain, failing, or less delegated."""
        if self.verdict == "newly failing" or self.newly_undelegated is not None:
            return True
        if self.verdict != "worse" or self.ratio is None:
            return False
        certain = self.ratio.value if self.ratio.exact else self.ratio.low
        return certain is not None and certain > 1 + by

    @property
    def where(self) -> str:
        """The cell in words."""
        cell = self.cell
        parts = [
            cell.model,
            cell.converter,
            cell.device,
            cell.delegate,
            figures.plural(cell.threads, "thread"),
        ]
        parts += [cell.precision] if cell.precision != FLOAT else []
        parts += [f"cores {cell.cores}"] if cell.cores else []
        parts += [f"benchmark_model {cell.benchmark_binary}"] if cell.benchmark_binary else []
        return ", ".join(part for part in parts if part)


def compare(
    before: Iterable[LaunchRecord], after: Iterable[LaunchRecord], *, paired: bool = False
) -> list[Comparison]:
    """Compare the newest launches of each cell.

    Args:
        before: The first run, in order of writing.
        after: The second run.
        paired: Whether both were measured in the same rounds, as two converters of one run are: their converters are
            then left out of account, and each round is compared with itself.

    Returns:
        One for each cell, what is worse first.
    """
    old, new = newest_sets(before), newest_sets(after)
    if paired:
        old, new = ({_place(cell): each for cell, each in sets.items()} for sets in (old, new))
    cells = dict.fromkeys([*old, *new])
    tolerated = {} if paired else _tolerated(old, new)
    found = [_compare(cell, old.get(cell), new.get(cell), paired, tolerated) for cell in cells]
    return sorted(found, key=lambda c: (ORDER.index(c.verdict), c.where))


def _place(cell: Cell) -> Cell:
    return cell.model_copy(update={"converter": ""})


def _tolerated(old: Mapping[Cell, LaunchSet], new: Mapping[Cell, LaunchSet]) -> dict[str, float]:
    """By how much the very same files moved between two runs on each device, as far as it was the machine that did."""
    tolerated: dict[str, float] = {}
    for cell in old.keys() & new.keys():
        before, after = old[cell], new[cell]
        if before.last.emulated or before.noise or after.noise or not _same_file(before, after):
            continue
        ours, theirs = (medians_by_round(each.timings) for each in (after, before))
        ratio = _ratio(ours, theirs, emulated=False, paired=False)
        if ratio is not None and (moved := abs(ratio.value - 1)) <= MACHINE_MOVES:
            tolerated[cell.device] = max(moved, tolerated.get(cell.device, SAME_WITHIN))
    return tolerated


def _same_file(old: LaunchSet, new: LaunchSet) -> bool:
    ours, theirs = new.last.provenance, old.last.provenance
    return ours.file_sha256 is not None and all(
        getattr(ours, part) == getattr(theirs, part) for part in ("file_sha256", "runner", "device_identity")
    )


def _compare(
    cell: Cell, old: LaunchSet | None, new: LaunchSet | None, paired: bool, tolerated: Mapping[str, float]
) -> Comparison:
    ours, theirs = (medians_by_round(each.timings) if each else {} for each in (new, old))
    emulated = any(each.last.emulated for each in (old, new) if each)
    ratio = _ratio(ours, theirs, emulated, paired)
    verdict, reason = _verdict(old, new, ratio, tolerated.get(cell.device, SAME_WITHIN))
    return Comparison(
        cell=cell,
        verdict=verdict,
        before=_figure(theirs, emulated),
        after=_figure(ours, emulated),
        emulated=emulated,
        ratio=ratio if verdict != "not comparable" else None,
        newly_undelegated=_newly_undelegated(old, new),
        reason=reason,
    )


def _figure(medians: dict[int, float], emulated: bool) -> float | None:
    if not medians:
        return None
    values = list(medians.values())
    return values[0] if emulated else median(values)


def _ratio(ours: dict[int, float], theirs: dict[int, float], emulated: bool, paired: bool) -> Estimate | None:
    if not ours or not theirs:
        return None
    if emulated:
        return counted(next(iter(ours.values())) / next(iter(theirs.values())), min(len(ours), len(theirs)))
    if paired:
        return paired_ratio(ours, theirs)
    return unpaired_ratio(list(ours.values()), list(theirs.values()))


def _verdict(
    old: LaunchSet | None, new: LaunchSet | None, ratio: Estimate | None, tolerated: float
) -> tuple[Verdict, str | None]:
    if new is None or old is None:
        present = old or new
        assert present is not None
        return ("gone" if new is None else "new"), present.reason
    if new.reason is not None:
        return ("failing" if old.reason is not None else "newly failing"), new.reason
    if old.reason is not None:
        return "mended", f"before: {old.reason}"
    if old.software_gpu or new.software_gpu:
        return "not comparable", "a processor imitated the GPU: its times mean nothing"
    if _launches(old) == _launches(new):
        return "same", "the very same launches"
    if ratio is None:
        return "not comparable", "no round in common"
    if (other := _elsewhere(old, new)) is not None:
        return "not comparable", other
    return _by_interval(ratio, [*new.noise, *old.noise], tolerated)


def _launches(measured: LaunchSet) -> list[tuple[object, ...]]:
    """What tells a launch from any other."""
    return [
        (record.started, record.cell, record.provenance, timing.median)
        for record in measured.good
        if (timing := record.timing) is not None
    ]


def _by_interval(ratio: Estimate, noise: Sequence[str], tolerated: float) -> tuple[Verdict, str | None]:
    said = f"noisy: {'; '.join(dict.fromkeys(noise))}" if noise else None
    if ratio.exact:
        low = high = ratio.value
        tolerated = REPEATABLE
    else:
        if ratio.low is None or ratio.high is None:
            return "unclear", f"{figures.plural(ratio.missing, 'launch', 'launches')} more for an interval"
        low, high = ratio.low, ratio.high
        if not low <= 1 <= high and SAME_WITHIN < abs(ratio.value - 1) <= tolerated:
            return "same", f"the very same files moved by up to {100 * tolerated:.1f} % here"
    if low <= 1 <= high or abs(ratio.value - 1) <= tolerated:
        return "same", said
    if noise:
        return "unclear", said
    return ("worse" if ratio.value > 1 else "better"), None


def _elsewhere(old: LaunchSet, new: LaunchSet) -> str | None:
    """Why times of the two must not be compared: they come from different machines."""
    ours, theirs = new.last.provenance, old.last.provenance
    if ours.device_identity != theirs.device_identity:
        return "measured on different machines"
    return None


def _newly_undelegated(old: LaunchSet | None, new: LaunchSet | None) -> str | None:
    before, after = (each.delegation if each else None for each in (old, new))
    if before is None or after is None:
        return None
    ours, theirs = _left(after), _left(before)
    if ours is None or theirs is None or ours <= theirs:
        return None
    return f"{theirs} of {before.total_nodes} nodes left by the delegate, now {ours} of {after.total_nodes}"


def _left(delegation: Delegation) -> int | None:
    if delegation.total_nodes is None or delegation.delegated_nodes is None:
        return None
    return delegation.total_nodes - delegation.delegated_nodes


def summary(found: Sequence[Comparison]) -> str:
    """`2 worse, 1 gone, 30 same`."""
    counts = {verdict: sum(c.verdict == verdict for c in found) for verdict in ORDER}
    words = [f"{count} {verdict}" for verdict, count in counts.items() if count]
    undelegated = sum(c.newly_undelegated is not None for c in found)
    words += [f"{undelegated} newly undelegated"] if undelegated else []
    return ", ".join(words) or "nothing to compare"


def rows(found: Sequence[Comparison]) -> list[dict[str, object]]:
    """One flat mapping for each cell; None where there is no figure."""
    return [
        {
            **c.cell.model_dump(),
            "verdict": c.verdict,
            "unit": "Minstr (emulated)" if c.emulated else "ms",
            "before": c.before,
            "after": c.after,
            "ratio": c.ratio and c.ratio.value,
            "ratio_low": c.ratio and c.ratio.low,
            "ratio_high": c.ratio and c.ratio.high,
            "newly_undelegated": c.newly_undelegated,
            "reason": c.reason,
        }
        for c in found
    ]


def markdown(found: Sequence[Comparison], before: str, after: str) -> str:
    """For a pull request: what changed, in a table; what did not, in a sentence."""
    lines = [f"**{after}** against **{before}**: {summary(found)}", ""]
    changed = [c for c in found if c.verdict not in ("same", "failing") or c.newly_undelegated]
    if changed:
        lines += ["| Verdict | Cell | Before | After | Ratio |", "| --- | --- | ---: | ---: | ---: |"]
        lines += [_line(c) for c in changed] + [""]
    lines.append(
        "Ratio: how many times as long it takes now, with its 95 % interval; 1 is the same, more is worse. "
        f"Same: the interval holds 1, or the ratio is within {100 * SAME_WITHIN:g} % of it, or within as much as the very "
        f"same files moved on that device between two runs, up to {100 * MACHINE_MOVES:g} % "
        f"({100 * REPEATABLE:g} % for emulated instruction counts). Unclear: too noisy, or too few launches."
    )
    return "\n".join(lines) + "\n"


def _line(c: Comparison) -> str:
    unit = " Minstr" if c.emulated else " ms"
    figures_of = (figures.number(v) + (unit if v is not None else "") for v in (c.before, c.after))
    where = "; ".join(part for part in (c.where, c.newly_undelegated, c.reason) if part)
    cells = [c.verdict, where, *figures_of, figures.with_interval(c.ratio, "x")]
    return f"| {' | '.join(' '.join(cell.replace('|', chr(92) + '|').split()) for cell in cells)} |"
