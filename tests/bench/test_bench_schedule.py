"""Rounds: fair in order, bounded by time and not by results, and never done twice."""

from collections import Counter
from typing import cast

import pytest
from fake_bench import FakeBench, cell

from bench.measuring import Bench, Launchable
from bench.progress import Reporter
from bench.schedule import FEWEST_ROUNDS, LAUNCH_ATTEMPTS, Done, Rounds, Schedule
from reports.record import LaunchRecord, Settling
from reports.summary import summarise


def run(schedule: Schedule, bench: FakeBench) -> list[LaunchRecord]:
    kept: list[LaunchRecord] = []
    schedule.run(cast(Bench, bench), kept.append, Reporter())
    return kept


def test_every_round_has_every_cell_once_in_an_order_of_its_own() -> None:
    cells = [cell(name) for name in "abcdef"]
    bench = FakeBench()
    run(Schedule(cells, Rounds(8), Done([]), seed=0), bench)
    rounds = [[name for number, name in bench.launched if number == r] for r in range(8)]
    assert all(sorted(names) == list("abcdef") for names in rounds)
    assert len({tuple(names) for names in rounds}) > 4
    assert bench.launched == sorted(bench.launched, key=lambda launch: launch[0])


def test_the_output_is_checked_once_a_cell() -> None:
    bench = FakeBench()
    run(Schedule([cell("a"), cell("b")], Rounds(5), Done([]), seed=0), bench)
    assert Counter(bench.checked) == {"a": 1, "b": 1}


def test_an_interrupted_run_goes_on_where_it_stopped() -> None:
    cells = [cell(name) for name in "abc"]
    whole = FakeBench()
    records = run(Schedule(cells, Rounds(6), Done([]), seed=4), whole)
    rest = FakeBench()
    run(Schedule(cells, Rounds(6), Done(records[:7]), seed=4), rest)
    assert rest.launched == whole.launched[7:]
    nothing = FakeBench()
    run(Schedule(cells, Rounds(6), Done(records), seed=4), nothing)
    assert nothing.launched == []


@pytest.mark.parametrize(
    ("seconds", "budget", "rounds"), [(1.0, 1000.0, 12), (1.0, 16.0, 8), (10.0, 16.0, FEWEST_ROUNDS)]
)
def test_rounds_are_as_many_as_fit(seconds: float, budget: float, rounds: int) -> None:
    bench = FakeBench(seconds)
    run(Schedule([cell("a"), cell("b")], Rounds(12, budget), Done([]), seed=0), bench)
    assert len(bench.launched) == 2 * rounds


def test_a_wrong_cell_is_not_measured_further() -> None:
    bench = FakeBench(wrong="b")
    run(Schedule([cell("a"), cell("b")], Rounds(5), Done([]), seed=0), bench)
    assert Counter(name for _, name in bench.launched) == {"a": 5, "b": 1}


def test_a_failing_cell_gets_a_second_chance_and_no_third() -> None:
    bench = FakeBench(failing="b")
    records = run(Schedule([cell("a"), cell("b")], Rounds(5), Done([]), seed=0), bench)
    assert Counter(name for _, name in bench.launched) == {"a": 5, "b": 2}
    again = FakeBench()
    run(Schedule([cell("a"), cell("b")], Rounds(5), Done(records, retry_failed=True), seed=0), again)
    assert Counter(name for _, name in again.launched) == {"b": 5}


def test_a_failed_conversion_is_recorded_once() -> None:
    cells = [cell("a"), cell("b", broken=True)]
    records = run(Schedule(cells, Rounds(3), Done([]), seed=0), FakeBench())
    assert [r.stage for r in records].count("conversion") == 1
    assert run(Schedule(cells, Rounds(3), Done(records), seed=0), FakeBench()) == []


class ThrottlingBench(FakeBench):
    """The first `times` launches of every cell and round find the device slowed down."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def launch(self, what: Launchable, round_number: int, check_output: bool) -> LaunchRecord:
        record = super().launch(what, round_number, check_output)
        slow = self.launched.count((round_number, what.cell.model)) <= self.times
        return record.model_copy(update={"throttled": "heat" if slow else None})


def test_a_launch_on_a_slowed_down_device_is_repeated_and_kept() -> None:
    bench = ThrottlingBench(1)
    records = run(Schedule([cell("a")], Rounds(2), Done([]), seed=0), bench)
    assert [(r.round, r.throttled) for r in records] == [(0, "heat"), (0, None), (1, "heat"), (1, None)]
    (row,) = summarise(records)[0].rows
    assert row.latency is not None and row.latency.n == 2
    assert run(Schedule([cell("a")], Rounds(2), Done(records), seed=0), bench) == []


def test_a_device_that_stays_slow_gets_no_figure_and_an_end() -> None:
    bench = ThrottlingBench(99)
    records = run(Schedule([cell("a")], Rounds(9), Done([]), seed=0), bench)
    assert len(records) == 2 * LAUNCH_ATTEMPTS
    (row,) = summarise(records)[0].rows
    assert row.latency is None and row.reason == "the device slowed down in every launch: heat"


def test_waiting_in_vain_for_a_steady_device_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    class Restless(FakeBench):
        def launch(self, what: Launchable, round_number: int, check_output: bool) -> LaunchRecord:
            settling = Settling(settled=False, waited_seconds=60.0, reason="cpu goes from 40.0 to 50.0 °C")
            record = super().launch(what, round_number, check_output)
            return record.model_copy(update={"settling": settling})

    run(Schedule([cell("a")], Rounds(1), Done([]), seed=0), Restless())
    assert "host: not steady after 60 s: cpu goes from 40.0 to 50.0 °C" in capsys.readouterr().err
