"""In what order cells are launched, how often, and what need not be launched again."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from bench.measuring import Bench, Launchable
from bench.progress import Reporter, Track
from devices import DeviceError
from reports.record import LaunchRecord, measurement_key

FEWEST_ROUNDS = 5
"""Below this a bootstrap interval says little, whatever the time allowed."""
EMULATED_ROUNDS = 3
"""Counted instructions repeat to a thousandth: enough for an interval that shows it."""
LAUNCH_ATTEMPTS = 3
"""A launch during which the device slowed down is done again, up to this often in all."""
FAILURES_BELIEVED = 2
"""So many failing launches, and none that did not fail, end the attempts at a cell."""


@dataclass(frozen=True)
class Rounds:
    """How many rounds: exactly `most`, or, with `budget_seconds`, as many of them as fit, `fewest`
    at least.

    What fits is judged by how long launches take, never by the figures they give: stopping when a result
    looks good would make intervals lie.
    """

    most: int
    budget_seconds: float | None = None
    fewest: int = FEWEST_ROUNDS

    def on(self, emulated: bool) -> "Rounds":
        """The same for an emulated device, which needs fewer."""
        if not emulated or self.budget_seconds is None:
            return self
        return Rounds(min(self.most, EMULATED_ROUNDS), self.budget_seconds, fewest=1)


class Done:
    """What has been measured already, by earlier runs and by this one."""

    def __init__(self, records: Iterable[LaunchRecord], retry_failed: bool = False) -> None:
        self._keys: set[str] = set()
        self._walls: dict[str, list[float]] = defaultdict(list)
        self._failures: dict[str, int] = defaultdict(int)
        self._good: set[str] = set()
        self._checked: set[str] = set()
        self._wrong: set[str] = set()
        self._throttled: dict[str, int] = defaultdict(int)
        for record in records:
            # A launch that the device spoilt is done again in any case.
            if (record.ok and record.throttled is None) or not (retry_failed or record.stage == "device"):
                self.add(record)

    def add(self, record: LaunchRecord) -> None:
        cell = measurement_key(record.cell, record.subject)
        if record.ok and record.throttled is not None:
            self._throttled[record.key] += 1
            if self._throttled[record.key] == LAUNCH_ATTEMPTS:
                self._keys.add(record.key)
                self._failures[cell] += 1
            return
        self._keys.add(record.key)
        if not record.ok:
            self._failures[cell] += 1
            return
        waited = record.settling.waited_seconds if record.settling else 0.0
        self._walls[cell].append(record.wall_seconds + waited)
        self._good.add(cell)
        if record.accuracy is not None:
            self._checked.add(cell)
            if not record.accuracy.right:
                self._wrong.add(cell)

    def has(self, what: Launchable, round_number: int) -> bool:
        return what.key(round_number) in self._keys

    def given_up(self, what: Launchable) -> bool:
        """A wrong output gets no speed, so there is nothing more to measure; nor where every launch fails."""
        cell = measurement_key(what.cell, what.subject)
        return cell in self._wrong or (cell not in self._good and self._failures[cell] >= FAILURES_BELIEVED)

    def checked(self, what: Launchable) -> bool:
        return measurement_key(what.cell, what.subject) in self._checked

    def expected_seconds(self, what: Launchable) -> float | None:
        """Wall time of one more launch, judged by those of the cell, else by those of all cells."""
        own = self._walls.get(measurement_key(what.cell, what.subject))
        if own:
            return fmean(own)
        every = [fmean(walls) for walls in self._walls.values()]
        return fmean(every) if every else None


class Schedule:
    """The launches of one device: rounds over all cells, each round in a random order of its own.

    The order depends on `seed` and the round alone, so that an interrupted run goes on in the same order.
    """

    def __init__(self, cells: Sequence[Launchable], rounds: Rounds, done: Done, seed: int) -> None:
        self.cells = [c for c in cells if c.candidate.file is not None]
        self.without_file = [c for c in cells if c.candidate.file is None]
        self.rounds = rounds
        self.done = done
        self.seed = seed

    def missing(self, rounds: int) -> list[tuple[int, Launchable]]:
        """Launches to do, in order."""
        launches = []
        for number in range(rounds):
            order = sorted(self.cells, key=lambda c: c.key(0))
            random.Random(f"{self.seed}/{number}").shuffle(order)
            launches += [
                (number, c) for c in order if not self.done.has(c, number) and not self.done.given_up(c)
            ]
        return launches

    def affordable_rounds(self) -> int:
        """Rounds that fit the budget, as far as is known by now."""
        if self.rounds.budget_seconds is None:
            return self.rounds.most
        seconds = [self.done.expected_seconds(c) for c in self.cells if not self.done.given_up(c)]
        a_round = sum(s for s in seconds if s is not None)
        fitting = self.rounds.most if a_round == 0 else int(self.rounds.budget_seconds / a_round)
        return min(self.rounds.most, max(self.rounds.fewest, fitting))

    def seconds_left(self, launches: Sequence[tuple[int, Launchable]]) -> float | None:
        seconds = [self.done.expected_seconds(c) for _, c in launches]
        return None if any(s is None for s in seconds) else sum(s for s in seconds if s is not None)

    def run(self, bench: Bench, keep: Callable[[LaunchRecord], None], say: Reporter) -> None:
        """Do what is missing; every record is given to `keep` as soon as it is there.

        Raises DeviceError when the device no longer answers.
        """

        def add(record: LaunchRecord) -> None:
            keep(record)
            self.done.add(record)

        for what in self.without_file:
            if not self.done.has(what, 0):
                add(bench.failed_conversion(what))
        # The first round tells how long launches take, and with that how many rounds fit.
        if self.rounds.budget_seconds is not None:
            self._launch(self.missing(1), bench, add, say, "first round")
        rounds = self.affordable_rounds()
        self._launch(self.missing(rounds), bench, add, say, f"{rounds} rounds")

    def _launch(
        self,
        launches: list[tuple[int, Launchable]],
        bench: Bench,
        add: Callable[[LaunchRecord], None],
        say: Reporter,
        title: str,
    ) -> None:
        if not launches:
            return
        with say.track(f"{bench.device.name}, {title}", len(launches)) as track:
            for position, (number, what) in enumerate(launches):
                if self.done.given_up(what):
                    track.step(f"{what}: skipped")
                    continue
                track.now(f"{what}, round {number + 1}")
                while True:
                    # Once a cell is enough: the same file with the same input gives the same output.
                    record = bench.launch(what, number, check_output=not self.done.checked(what))
                    add(record)
                    if (
                        record.settling
                        and not record.settling.settled
                        and record.settling.waited_seconds >= 1
                    ):
                        waited = f"{record.settling.waited_seconds:.0f} s"
                        say.line(f"{bench.device.name}: not steady after {waited}: {record.settling.reason}")
                    if self.done.has(what, number):
                        break
                    say.line(f"{what}, round {number + 1}: done again, for {record.throttled}")
                self._tell(track, what, number, record, launches[position + 1 :])
                if record.stage == "device" and not bench.answers():
                    raise DeviceError(f"{record.error}; the same command goes on from here once it is back")

    def _tell(
        self,
        track: Track,
        what: Launchable,
        number: int,
        record: LaunchRecord,
        left: Sequence[tuple[int, Launchable]],
    ) -> None:
        place = f"{what}, round {number + 1}"
        if not record.ok or record.timing is None:
            track.step(f"{place}: FAILED: {record.error}", self.seconds_left(left), line=True)
            return
        if record.throttled is not None:
            track.step(f"{place}: does not count, for {record.throttled}", self.seconds_left(left), line=True)
            return
        unit = "Minstr (emulated)" if record.emulated else "ms"
        wrong = record.accuracy is not None and not record.accuracy.right
        words = f"{place}: {record.timing.median / 1000:.3g} {unit}"
        if wrong and record.accuracy is not None:
            words = f"{place}: WRONG OUTPUT, error {record.accuracy.max_error:.1e}"
        track.step(words, self.seconds_left(left), line=wrong)
