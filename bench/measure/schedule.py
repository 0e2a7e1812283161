"""In what order workloads are launched, how often, and what need not be launched again."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from bench.failures import ATTEMPTS, lacked_room
from bench.measure.launching import require_response
from bench.measure.protocol import Launching
from bench.measure.workload import Workload
from bench.progress import Reporter, Track
from reports.figures import plural
from reports.record import Cell, LaunchRecord, measurement_key
from reports.stats import FEWEST_FOR_INTERVAL, Estimate, launches_needed, median_of_launches

FEWEST_ROUNDS = FEWEST_FOR_INTERVAL
"""With fewer there is no interval, so these are done however little time is allowed."""
EMULATED_ROUNDS = 2
"""One launch decides; the other shows that it repeats."""
PILOT_ROUNDS = 12
"""How many rounds an interval takes is judged by these."""
MOST_ROUNDS = 200
"""However narrow the interval is to be."""
LAUNCH_ATTEMPTS = 3
"""A launch during which the device slowed down is done again, up to this often in all."""
FAILURES_BELIEVED = 2
"""After so many failed launches, and not one that worked, a cell is given up."""


@dataclass(frozen=True)
class Rounds:
    """How many rounds: exactly `most`, or, with `budget_seconds`, as many of them as fit, but at least `fewest`.

    What fits is judged by how long launches take, never by the figures they give: stopping when a result
    looks good would make intervals lie. For the same reason `interval`, the half-width of the intervals as a share of
    their values, is turned into a number of rounds once, after PILOT_ROUNDS.
    """

    most: int
    budget_seconds: float | None = None
    fewest: int = FEWEST_ROUNDS
    interval: float | None = None

    def on(self, emulated: bool) -> "Rounds":
        """The same for an emulated device, which needs fewer."""
        if not emulated or self.budget_seconds is None:
            return self
        return Rounds(min(self.most, EMULATED_ROUNDS), self.budget_seconds, fewest=1)


class History:
    """What has been measured already, by earlier runs and by this one.

    Args:
        records: Those of earlier runs, in order of writing.
        retry_failed: Whether launches that failed are done again.
    """

    def __init__(self, records: Iterable[LaunchRecord], retry_failed: bool = False) -> None:
        self._keys: set[str] = set()
        self._walls: dict[str, list[float]] = defaultdict(list)
        self._failures: dict[str, int] = defaultdict(int)
        self._good: set[str] = set()
        self._checked: set[str] = set()
        self._wrong: set[str] = set()
        self._throttled: dict[str, int] = defaultdict(int)
        self._medians: dict[str, dict[int, float]] = defaultdict(dict)
        self._reasons: dict[str, str] = {}
        self._profiled: set[tuple[str, str | None]] = set()
        self._sustained: set[tuple[str, float]] = set()
        tried: dict[str, int] = defaultdict(int)
        for record in records:
            if record.purpose != "figure":
                if record.ok or not (retry_failed or record.stage == "device"):
                    self.add(record)
                continue
            tried[record.key] += 1
            if not _to_be_done_again(record, retry_failed, tried[record.key]):
                self.add(record)

    def reason(self, workload: Workload) -> str | None:
        """Why the cell failed or is wrong, in its last launch that was; None when there was none."""
        return self._reasons.get(measurement_key(workload.cell, workload.provenance))

    def add(self, record: LaunchRecord) -> None:
        """Take note of one more launch."""
        cell = measurement_key(record.cell, record.provenance)
        if record.purpose == "profile":
            self._profiled.add((cell, record.profile_delegate))
            return
        if record.sustained is not None:
            if record.sustained.in_last_third:
                self._sustained.add((cell, record.sustained.minutes))
            return
        if record.ok and record.throttled is not None:
            self._throttled[record.key] += 1
            if self._throttled[record.key] == LAUNCH_ATTEMPTS:
                self._keys.add(record.key)
                self._failures[cell] += 1
            return
        self._keys.add(record.key)
        if not record.ok:
            self._failures[cell] += 1
            self._reasons[cell] = record.error or "no reason given"
            return
        waited = record.settling.waited_seconds if record.settling else 0.0
        self._walls[cell].append(record.wall_seconds + waited)
        self._good.add(cell)
        if record.timing is not None:
            self._medians[cell][record.round] = record.timing.median
        if record.accuracy is not None:
            self._checked.add(cell)
            if not record.accuracy.right:
                self._wrong.add(cell)
                self._reasons[cell] = f"wrong output: {record.accuracy.fault}"

    def has(self, workload: Workload, round_number: int) -> bool:
        """Whether the launch of this round need not be done."""
        return workload.key(round_number) in self._keys

    def given_up(self, workload: Workload) -> bool:
        """Whether to stop launching it: its output is wrong, and gets no speed, or every launch fails."""
        cell = measurement_key(workload.cell, workload.provenance)
        return cell in self._wrong or (cell not in self._good and self._failures[cell] >= FAILURES_BELIEVED)

    def has_figure(self, workload: Workload) -> bool:
        """Whether a launch of it worked, and its output is not wrong."""
        cell = measurement_key(workload.cell, workload.provenance)
        return cell in self._good and cell not in self._wrong

    def profiled(self, workload: Workload, delegate: str) -> bool:
        """Whether it has been profiled with this delegate."""
        return (measurement_key(workload.cell, workload.provenance), delegate) in self._profiled

    def sustained(self, workload: Workload, minutes: float) -> bool:
        """Whether it was part of a sustained run of so many minutes that came to its last third."""
        return (measurement_key(workload.cell, workload.provenance), minutes) in self._sustained

    def checked(self, workload: Workload) -> bool:
        """Whether its output has been compared with PyTorch's."""
        return measurement_key(workload.cell, workload.provenance) in self._checked

    def figure(self, workload: Workload, rounds: int) -> Estimate | None:
        """Its figure after so many rounds; None while it has none."""
        medians = self._medians.get(measurement_key(workload.cell, workload.provenance), {})
        values = [median for number, median in medians.items() if number < rounds]
        return median_of_launches(values) if values else None

    def expected_seconds(self, workload: Workload) -> float | None:
        """Wall time of one more launch, judged by its own earlier ones, or else by those of all cells."""
        own = self._walls.get(measurement_key(workload.cell, workload.provenance))
        if own:
            return fmean(own)
        every = [fmean(walls) for walls in self._walls.values()]
        return fmean(every) if every else None


def _place(workload: Workload) -> Cell:
    return workload.cell.model_copy(update={"converter": "", "precision": ""})


def _to_be_done_again(record: LaunchRecord, retry_failed: bool, tried: int) -> bool:
    """Whether a launch of an earlier run is to be done again; `tried` is how often it was done by then."""
    if record.ok:
        wrong = record.accuracy is not None and not record.accuracy.right
        return record.throttled is not None or (retry_failed and wrong)
    # A launch that failed because of the device always is.
    if retry_failed or record.stage == "device":
        return True
    return record.stage == "launch" and lacked_room(record.error) and tried < ATTEMPTS


class Schedule:
    """The launches of one device: rounds over all workloads, each round in a random order of its own.

    The order depends on the seed and the round alone, so that an interrupted run goes on in the same order.

    Args:
        workloads: Those of the device; of one whose conversion failed, the failure is recorded once.
        rounds: How many rounds.
        history: What need not be done again; every launch is added to it.
        seed: For the order.
    """

    def __init__(self, workloads: Sequence[Workload], rounds: Rounds, history: History, seed: int) -> None:
        self.workloads = [w for w in workloads if w.artifact.file is not None]
        self.without_file = [w for w in workloads if w.artifact.file is None]
        self.rounds = rounds
        self.history = history
        self.seed = seed

    def missing(self, rounds: int) -> list[tuple[int, Workload]]:
        """The launches to do in so many rounds, in order: (round, workload)."""
        launches = []
        for number in range(rounds):
            launches += [(n, w) for n, w in self._round(number) if not self.history.has(w, n)]
        return launches

    def _round(self, number: int) -> list[tuple[int, Workload]]:
        order = sorted(self.workloads, key=lambda w: w.key(0))
        random.Random(f"{self.seed}/{number}").shuffle(order)
        return [(number, w) for w in order if not self.history.given_up(w)]

    def with_figure(self) -> list[Workload]:
        """The workloads that have a figure: those worth a profile or a sustained run."""
        return [workload for workload in self.workloads if self.history.has_figure(workload)]

    def affordable_rounds(self) -> int:
        """How many rounds fit the budget, judged by the launches so far."""
        if self.rounds.budget_seconds is None:
            return self.rounds.most
        seconds = [self.history.expected_seconds(w) for w in self.workloads if not self.history.given_up(w)]
        a_round = sum(s for s in seconds if s is not None)
        fitting = self.rounds.most if a_round == 0 else int(self.rounds.budget_seconds / a_round)
        return min(self.rounds.most, max(self.rounds.fewest, fitting))

    def seconds_left(self, launches: Sequence[tuple[int, Workload]]) -> float | None:
        """How long these launches will take; None while that is unknown."""
        seconds = [self.history.expected_seconds(w) for _, w in launches]
        return None if any(s is None for s in seconds) else sum(s for s in seconds if s is not None)

    def run(self, launcher: Launching, keep: Callable[[LaunchRecord], None], say: Reporter) -> None:
        """Do the launches that are missing.

        Args:
            launcher: Launches on the device.
            keep: Called with every record as soon as there is one.
            say: Where progress is reported.

        Raises:
            DeviceError: The device no longer responds.
        """

        def add(record: LaunchRecord) -> None:
            keep(record)
            self.history.add(record)

        for workload in self.without_file:
            # Recorded once, unless the reason is another one by now.
            if workload.artifact.error != self.history.reason(workload):
                add(launcher.failed_conversion(workload))
        for workload in self.workloads:
            if self.history.given_up(workload):
                say.line(
                    f"{workload} on {workload.device}: not launched again, it failed in an "
                    f"earlier run: {self.history.reason(workload)}; --retry-failed tries it again"
                )
        # The first round shows how long launches take, and so how many rounds fit.
        if self.rounds.budget_seconds is not None:
            self._launch(self.missing(1), launcher, add, say, "first round")
        rounds = self.affordable_rounds()
        self._launch(self.missing(rounds), launcher, add, say, plural(rounds, "round"))
        if self.rounds.interval is not None and rounds >= PILOT_ROUNDS:
            more = self.further(rounds, self.rounds.interval)
            self._launch(more, launcher, add, say, f"rounds for {100 * self.rounds.interval:g} %")
        self._say_what_is_wide(say)

    def further(self, rounds: int, interval: float) -> list[tuple[int, Workload]]:
        """The launches after `rounds` that an interval of this half-width takes, as far as the time allows.

        All converters of a model get the same rounds, so that their ratios are paired.
        """
        wanted: dict[Cell, int] = {}
        for workload in self.workloads:
            pilot = self.history.figure(workload, PILOT_ROUNDS)
            if pilot is not None and not self.history.given_up(workload):
                needed = launches_needed(pilot, interval, MOST_ROUNDS)
                wanted[_place(workload)] = max(needed, wanted.get(_place(workload), 0))
        launches: list[tuple[int, Workload]] = []
        spent = sum(self.history.expected_seconds(w) or 0.0 for w in self.workloads) * rounds
        for number in range(rounds, max(wanted.values(), default=0)):
            one = [(n, w) for n, w in self._round(number) if number < wanted.get(_place(w), 0)]
            spent += sum(self.history.expected_seconds(w) or 0.0 for _, w in one)
            if self.rounds.budget_seconds is not None and spent > self.rounds.budget_seconds:
                break
            launches += [(n, w) for n, w in one if not self.history.has(w, n)]
        return launches

    def _say_what_is_wide(self, say: Reporter) -> None:
        if self.rounds.interval is None:
            return
        for workload in self.workloads:
            figure = self.history.figure(workload, MOST_ROUNDS)
            width = figure.relative_half_width if figure else None
            if figure and width is not None and width > self.rounds.interval:
                say.line(
                    f"{workload}: the interval is ±{100 * width:.2g} % after {plural(figure.n, 'round')}, "
                    f"wider than ±{100 * self.rounds.interval:g} %; more --minutes may narrow it"
                )

    def _launch(
        self,
        launches: list[tuple[int, Workload]],
        launcher: Launching,
        add: Callable[[LaunchRecord], None],
        say: Reporter,
        title: str,
    ) -> None:
        if not launches:
            return
        with say.track(f"{launcher.device.name}, {title}", len(launches)) as track:
            for position, (number, workload) in enumerate(launches):
                if self.history.given_up(workload):
                    track.step(f"{workload}: skipped")
                    continue
                track.now(f"{workload}, round {number + 1}")
                while True:
                    # Once a cell is enough: the same file with the same input gives the same output.
                    record = launcher.launch(
                        workload, number, check_output=not self.history.checked(workload)
                    )
                    add(record)
                    if (
                        record.settling
                        and not record.settling.settled
                        and record.settling.waited_seconds >= 1
                    ):
                        waited = f"{record.settling.waited_seconds:.0f} s"
                        say.line(
                            f"{launcher.device.name}: not steady after {waited}: {record.settling.reason}"
                        )
                    if self.history.has(workload, number):
                        break
                    say.line(f"{workload}, round {number + 1}: done again, for {record.throttled}")
                self._tell(track, workload, number, record, launches[position + 1 :])
                require_response(launcher, record)

    def _tell(
        self,
        track: Track,
        workload: Workload,
        number: int,
        record: LaunchRecord,
        left: Sequence[tuple[int, Workload]],
    ) -> None:
        place = f"{workload}, round {number + 1}"
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
