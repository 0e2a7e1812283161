"""Rounds: fair in order, bounded by time and not by results, and never done twice."""

from collections import Counter
from dataclasses import replace
from typing import cast

import pytest

from bench.measure.launching import Launcher
from bench.measure.schedule import (
    FEWEST_ROUNDS,
    LAUNCH_ATTEMPTS,
    PILOT_ROUNDS,
    History,
    Rounds,
    Schedule,
)
from bench.measure.workload import Workload
from bench.progress import Reporter
from reports.record import LaunchRecord, Settling, Timing
from reports.summary import summarise
from tests.bench.fake_launcher import FakeLauncher, workload


def run(schedule: Schedule, launcher: FakeLauncher) -> list[LaunchRecord]:
    kept: list[LaunchRecord] = []
    schedule.run(cast(Launcher, launcher), kept.append, Reporter())
    return kept


def test_every_round_has_every_cell_once_in_an_order_of_its_own() -> None:
    cells = [workload(name) for name in "abcdef"]
    launcher = FakeLauncher()
    run(Schedule(cells, Rounds(8), History([]), seed=0), launcher)
    rounds = [[name for number, name in launcher.launched if number == r] for r in range(8)]
    assert all(sorted(names) == list("abcdef") for names in rounds)
    assert len({tuple(names) for names in rounds}) > 4
    assert launcher.launched == sorted(launcher.launched, key=lambda launch: launch[0])


def test_the_output_is_checked_once_a_cell() -> None:
    launcher = FakeLauncher()
    run(Schedule([workload("a"), workload("b")], Rounds(5), History([]), seed=0), launcher)
    assert Counter(launcher.checked) == {"a": 1, "b": 1}


def test_an_interrupted_run_goes_on_where_it_stopped() -> None:
    cells = [workload(name) for name in "abc"]
    whole = FakeLauncher()
    records = run(Schedule(cells, Rounds(6), History([]), seed=4), whole)
    rest = FakeLauncher()
    run(Schedule(cells, Rounds(6), History(records[:7]), seed=4), rest)
    assert rest.launched == whole.launched[7:]
    nothing = FakeLauncher()
    run(Schedule(cells, Rounds(6), History(records), seed=4), nothing)
    assert nothing.launched == []


@pytest.mark.parametrize(
    ("seconds", "budget", "rounds"), [(1.0, 1000.0, 12), (1.0, 16.0, 8), (10.0, 16.0, FEWEST_ROUNDS)]
)
def test_rounds_are_as_many_as_fit(seconds: float, budget: float, rounds: int) -> None:
    launcher = FakeLauncher(seconds)
    run(Schedule([workload("a"), workload("b")], Rounds(12, budget), History([]), seed=0), launcher)
    assert len(launcher.launched) == 2 * rounds


class ScatteringLauncher(FakeLauncher):
    """Launches of model `a` differ by `scatter`, those of others do not."""

    def __init__(self, scatter: float) -> None:
        super().__init__()
        self.scatter = scatter

    def launch(self, workload: Workload, round_number: int, check_output: bool) -> LaunchRecord:
        record = super().launch(workload, round_number, check_output)
        scatter = self.scatter if workload.cell.model == "a" else 0.0
        median = 1000.0 * (1 + scatter * ((round_number * 7 % 12) / 5.5 - 1))
        return record.model_copy(update={"timing": Timing.of_runs("us", [median])})


def test_rounds_are_added_for_an_interval_to_all_converters_of_the_model() -> None:
    cells = [workload("a"), workload("a", "onnx-tf"), workload("b")]
    launcher = ScatteringLauncher(0.05)
    rounds = Rounds(PILOT_ROUNDS, 1e6, interval=0.02)
    records = run(Schedule(cells, rounds, History([]), seed=0), launcher)
    counts = Counter((r.cell.model, r.cell.converter) for r in records)
    assert counts["b", "nobuco"] == PILOT_ROUNDS
    assert counts["a", "nobuco"] == counts["a", "onnx-tf"] > PILOT_ROUNDS
    again = ScatteringLauncher(0.05)
    run(Schedule(cells, rounds, History(records), seed=0), again)
    assert again.launched == [], "a run that goes on comes to the same number"


def test_an_interval_is_bounded_by_time_and_what_is_wide_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    launcher = ScatteringLauncher(0.05)
    run(Schedule([workload("a")], Rounds(PILOT_ROUNDS, 20.0, interval=0.005), History([]), seed=0), launcher)
    assert len(launcher.launched) == 20
    assert "after 20 rounds, wider than ±0.5 %; more --minutes may narrow it" in capsys.readouterr().err


def test_progress_names_delegate_and_threads_and_counts_in_english(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(Schedule([workload("a")], Rounds(1), History([]), seed=0), FakeLauncher())
    said = capsys.readouterr().err
    assert "host, 1 round: a nobuco, xnnpack, 1 thread, round 1: 1.1 ms" in said


def test_a_wrong_cell_is_not_measured_further() -> None:
    launcher = FakeLauncher(wrong="b")
    run(Schedule([workload("a"), workload("b")], Rounds(5), History([]), seed=0), launcher)
    assert Counter(name for _, name in launcher.launched) == {"a": 5, "b": 1}


def test_a_failing_cell_gets_a_second_chance_and_no_third() -> None:
    launcher = FakeLauncher(failing="b")
    records = run(Schedule([workload("a"), workload("b")], Rounds(5), History([]), seed=0), launcher)
    assert Counter(name for _, name in launcher.launched) == {"a": 5, "b": 2}
    again = FakeLauncher()
    run(
        Schedule([workload("a"), workload("b")], Rounds(5), History(records, retry_failed=True), seed=0),
        again,
    )
    assert Counter(name for _, name in again.launched) == {"b": 5}


def test_a_failed_conversion_is_recorded_once() -> None:
    cells = [workload("a"), workload("b", broken=True)]
    records = run(Schedule(cells, Rounds(3), History([]), seed=0), FakeLauncher())
    assert [r.stage for r in records].count("conversion") == 1
    assert run(Schedule(cells, Rounds(3), History(records), seed=0), FakeLauncher()) == []


def test_a_cell_that_failed_earlier_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    cells = [workload("a"), workload("b")]
    records = run(Schedule(cells, Rounds(5), History([]), seed=0), FakeLauncher(failing="a", wrong="b"))
    capsys.readouterr()
    again = FakeLauncher()
    assert run(Schedule(cells, Rounds(5), History(records), seed=0), again) == []
    said = capsys.readouterr().err
    assert (
        "a nobuco, xnnpack, 1 thread on host: not launched again, it failed in an earlier run: crashed"
        in said
    )
    assert "earlier run: wrong output: error 1.0e+00 above 1e-03; --retry-failed tries it again" in said
    run(Schedule(cells, Rounds(5), History(records, retry_failed=True), seed=0), again)
    assert Counter(name for _, name in again.launched) == {"a": 5, "b": 5}


@pytest.mark.parametrize("reason", ["ended after 600 s, its time limit", "ended by signal 9 (SIGKILL)"])
def test_a_lack_of_time_or_memory_is_tried_once_more_by_itself(reason: str) -> None:
    class Starved(FakeLauncher):
        def launch(self, workload: Workload, round_number: int, check_output: bool) -> LaunchRecord:
            record = super().launch(workload, round_number, check_output)
            return record.model_copy(update={"ok": False, "timing": None, "error": reason})

    records: list[LaunchRecord] = []
    for launches in (2, 2, 0):
        more = run(Schedule([workload("a")], Rounds(5), History(records), seed=0), Starved())
        assert len(more) == launches
        records += more


def test_another_reason_for_a_failed_conversion_is_recorded() -> None:
    first = run(Schedule([workload("b", broken=True)], Rounds(3), History([]), seed=0), FakeLauncher())
    now = replace(workload("b", broken=True).artifact, error="no Python 3.11")
    cells = [replace(workload("b", broken=True), artifact=now)]
    (record,) = run(Schedule(cells, Rounds(3), History(first), seed=0), FakeLauncher())
    assert record.error == "no Python 3.11"


class ThrottlingLauncher(FakeLauncher):
    """The first `times` launches of every cell and round find the device slowed down."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def launch(self, workload: Workload, round_number: int, check_output: bool) -> LaunchRecord:
        record = super().launch(workload, round_number, check_output)
        slow = self.launched.count((round_number, workload.cell.model)) <= self.times
        return record.model_copy(update={"throttled": "heat" if slow else None})


def test_a_launch_on_a_slowed_down_device_is_repeated_and_kept() -> None:
    launcher = ThrottlingLauncher(1)
    records = run(Schedule([workload("a")], Rounds(2), History([]), seed=0), launcher)
    assert [(r.round, r.throttled) for r in records] == [(0, "heat"), (0, None), (1, "heat"), (1, None)]
    (row,) = summarise(records, baseline="onnx-tf")[0].rows
    assert row.latency is not None and row.latency.n == 2
    assert run(Schedule([workload("a")], Rounds(2), History(records), seed=0), launcher) == []


def test_a_device_that_stays_slow_gets_no_figure_and_an_end() -> None:
    launcher = ThrottlingLauncher(99)
    records = run(Schedule([workload("a")], Rounds(9), History([]), seed=0), launcher)
    assert len(records) == 2 * LAUNCH_ATTEMPTS
    (row,) = summarise(records, baseline="onnx-tf")[0].rows
    assert row.latency is None and row.reason == "the device slowed down in every launch: heat"


def test_waiting_in_vain_for_a_steady_device_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    class Restless(FakeLauncher):
        def launch(self, workload: Workload, round_number: int, check_output: bool) -> LaunchRecord:
            settling = Settling(settled=False, waited_seconds=60.0, reason="cpu goes from 40.0 to 50.0 °C")
            record = super().launch(workload, round_number, check_output)
            return record.model_copy(update={"settling": settling})

    run(Schedule([workload("a")], Rounds(1), History([]), seed=0), Restless())
    assert "host: not steady after 60 s: cpu goes from 40.0 to 50.0 °C" in capsys.readouterr().err
