"""The smallest part that has a fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.bisect.trial import Fault, Outcome, Trials
from bench.errors import BenchError


def smallest_fault(trials: Trials, looked_for: Fault | None = None) -> tuple[Fault, Outcome] | None:
    """The smallest part that has the fault, or the worst that the whole file has; None where it has none.

    Raises DeviceError, and BenchError where the file cannot be run on recorded values."""
    whole = trials.of(range(len(trials.cutter)))
    if whole is None:
        raise BenchError(
            "the file cannot be run on recorded values: what it takes or returns is no array, or it has no ops"
        )
    found = next((fault for fault in Fault if fault in whole.faults and looked_for in (fault, None)), None)
    if found is None:
        return None

    def has_it(nodes: Sequence[int]) -> bool:
        outcome = trials.of(nodes)
        if outcome is None or found not in outcome.faults:
            return False
        return found is not Fault.FAILS or outcome.complaint == whole.complaint

    start = list(whole.cut.nodes)
    if found is Fault.REFUSED:  # the delegate says which ops it refuses
        named = {words.partition(":")[0] for words in whole.result.left}
        suspects = [node for node in start if trials.cutter.ops[node] in named]
        start = suspects if suspects and has_it(suspects) else start
    outcome = trials.of(smallest(start, has_it))
    assert outcome is not None
    return found, outcome


def smallest(nodes: Sequence[int], has_it: Callable[[Sequence[int]], bool]) -> list[int]:
    """Of `nodes`, which have a fault, few that still have it: without any one of them they have not.

    Halves are left out first, then quarters, down to single nodes (Zeller's delta debugging): some ten launches for one
    node of a thousand."""
    kept, size = list(nodes), len(nodes) // 2
    while size:
        start, shrunk = 0, False
        while start < len(kept):
            fewer = kept[:start] + kept[start + size :]
            if fewer and has_it(fewer):
                kept, shrunk = fewer, True
            else:
                start += size
        if size > 1 or not shrunk:  # what was needed by a node that is gone now may be left out after all
            size //= 2
    return kept
