"""Whether the launches of a cell were quiet, and if not, why: a figure from a noisy machine proves nothing.

Each sign has a limit of its own, after pyperf's and hyperfine's: a standard deviation of a tenth within a launch or
between launches, a launch far outside the others, a trend over the rounds, and more work than cores.
"""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Literal

import numpy as np

from reports import figures
from reports.record import Cell, LaunchRecord
from reports.stats import FEWEST_FOR_INTERVAL, REPEATABLE

Quiet = Literal["quiet", "noisy", "unknown"]

SPREAD = 0.10
"""Largest standard deviation, as a share of the median, within a launch and between launches."""
OUTLIER = 0.25
"""A launch that is off the median by this share, and by far more than the others, is an outlier."""
DRIFT = 0.05
"""Largest trend over all rounds, as a share of the median, where launches follow it in order."""
_LOADED_SHARE = 0.25  # of the launches: the first ones still feel the load of the conversion before them
_SIGMA_OF_MAD = 1.4826  # both for normal scatter, from values that outliers do not move
_SIGMAS_P10_TO_P90 = 2.563
_OUTLIER_SIGMAS = 6.0
_TREND_SIGMAS = 2.2  # reached by five launches in strict order, by chance once in sixty


def noise(records: Sequence[LaunchRecord]) -> list[str]:
    """What was noisy about launches that count, of one cell.

    Args:
        records: In order of rounds.

    Returns:
        The reasons; empty when nothing was seen.
    """
    timed = [r for r in records if r.timing is not None]
    if not timed:
        return []
    medians = [r.timing.median for r in timed if r.timing]
    if timed[0].emulated:
        return _not_repeated(medians)
    found = [
        more_threads_than_cores(timed[-1].cell, timed[-1].device_info),
        _load(timed),
        _spread_within(timed),
        _outlier(medians, [r.round for r in timed]),
        _spread_between(medians),
        _drift(medians),
    ]
    return [reason for reason in found if reason is not None]


def verdict(reasons: Sequence[str], launches: int, emulated: bool) -> Quiet:
    """A cell's verdict: "unknown" when nothing was seen, but in too few launches to see anything."""
    if reasons:
        return "noisy"
    return "quiet" if emulated or launches >= FEWEST_FOR_INTERVAL else "unknown"


def more_threads_than_cores(cell: Cell, device_info: Mapping[str, Any]) -> str | None:
    """The threads that have no core of their own; None when all have one."""
    cores = _cores(cell.cores, device_info)
    if cores is None or cell.threads <= cores:
        return None
    return f"{figures.plural(cell.threads, 'thread')} on {figures.plural(cores, 'core')}"


def _cores(chosen: str | None, device_info: Mapping[str, Any]) -> int | None:
    if chosen in (None, "all"):
        return device_info.get("cores")
    if chosen in ("big", "little"):
        clusters = device_info.get("clusters") or ()
        return len(clusters[-1 if chosen == "big" else 0]["cores"]) if clusters else None
    numbers: set[int] = set()
    for part in str(chosen).split(","):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return len(numbers)


def _load(timed: Sequence[LaunchRecord]) -> str | None:
    info = timed[-1].device_info
    cores = info.get("cores")
    # Android counts its waiting kernel threads as load: eight cores that idle may have a load of ten.
    if not cores or info.get("android"):
        return None
    loads = [r.state_before.get("load_1min") for r in timed]
    high = [load for load in loads if load is not None and load > cores]
    if len(high) <= _LOADED_SHARE * len(timed):
        return None
    return (
        f"load {figures.number(median(high))} on {figures.plural(cores, 'core')} before {len(high)} of "
        f"{figures.plural(len(timed), 'launch', 'launches')}"
    )


def _spread_within(timed: Sequence[LaunchRecord]) -> str | None:
    spreads = []
    for record in timed:
        if record.timing is not None and len(record.timing.samples) >= FEWEST_FOR_INTERVAL:
            low, high = _p10_p90(record.timing.samples)
            spreads.append((high - low) / _SIGMAS_P10_TO_P90 / record.timing.median)
    return _above(median(spreads), SPREAD, "runs within a launch scatter by {}") if spreads else None


def _p10_p90(samples: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(samples)
    last = len(ordered) - 1
    return ordered[round(0.1 * last)], ordered[round(0.9 * last)]


def _outlier(medians: Sequence[float], rounds: Sequence[int]) -> str | None:
    if len(medians) < FEWEST_FOR_INTERVAL:
        return None
    middle = median(medians)
    off = [abs(each - middle) for each in medians]
    worst = off.index(max(off))
    # Without this launch: of few launches, an outlier widens the scatter that it is measured by.
    scatter = _SIGMA_OF_MAD * median(off[:worst] + off[worst + 1 :])
    if off[worst] <= OUTLIER * middle or off[worst] <= _OUTLIER_SIGMAS * scatter:
        return None
    return f"round {rounds[worst] + 1} took {figures.number(medians[worst] / middle)} times the median"


def _spread_between(medians: Sequence[float]) -> str | None:
    if len(medians) < FEWEST_FOR_INTERVAL:
        return None
    middle = median(medians)
    spread = _SIGMA_OF_MAD * median([abs(each - middle) for each in medians]) / middle
    return _above(spread, SPREAD, "launches scatter by {}")


def _drift(medians: Sequence[float]) -> str | None:
    n = len(medians)
    # Kendall's test for a trend takes time; a scatter too small for one that counts is seen at once.
    if n < FEWEST_FOR_INTERVAL or max(medians) - min(medians) <= DRIFT / 2 * min(medians):
        return None
    first, second = np.triu_indices(n, k=1)
    steps = np.subtract(*(np.asarray(medians)[each] for each in (second, first)))
    signs = float(np.sign(steps).sum())
    sigmas = (abs(signs) - 1) / np.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    # Sen's slope is the size of the trend.
    trend = float(np.median(steps / (second - first))) * (n - 1) / median(medians)
    if sigmas < _TREND_SIGMAS or abs(trend) <= DRIFT:
        return None
    return f"{'slower' if trend > 0 else 'faster'} by {_percent(abs(trend))} from the first round to the last"


def _not_repeated(medians: Sequence[float]) -> list[str]:
    off = max(abs(each / medians[0] - 1) for each in medians)
    return [f"a repeated launch counts {_percent(off)} more or less"] if off > REPEATABLE else []


def _above(value: float, limit: float, words: str) -> str | None:
    return words.format(_percent(value)) if value > limit else None


def _percent(share: float) -> str:
    return f"{figures.number(100 * share)} %"
