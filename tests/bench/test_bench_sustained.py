"""Sustained runs: all cells in turns without a pause, the last third shown beside the figure of the rounds."""

import contextlib
import csv
import io
from pathlib import Path
from typing import cast

import pytest

from bench.errors import BenchError
from bench.measure.launching import Launcher
from bench.measure.schedule import History, Rounds, Schedule
from bench.measure.sustained import sustain
from bench.progress import Reporter
from bench.run import zoo
from bench.run.options import ZooOptions
from bench.run.planning import plan
from reports import tables
from reports.page.write import page_of
from reports.record import LaunchRecord, Sustained
from reports.summary import Row, summarise
from tests.bench.fake_launcher import FakeLauncher, workload
from tests.reports.make_records import a_record


class Interrupted(FakeLauncher):
    """Ctrl-C comes after so many launches of the sustained run."""

    def __init__(self, after: int) -> None:
        super().__init__(seconds=10.0, wrong="wrong")
        self.after = after

    def launch_warm(self, workload, round_number: int, place: Sustained) -> LaunchRecord:
        if len(self.warm) == self.after:
            raise KeyboardInterrupt
        return super().launch_warm(workload, round_number, place)


def sustained(
    launcher: FakeLauncher, records: list[LaunchRecord], minutes: float = 3.0
) -> list[LaunchRecord]:
    """All records after the rounds and a sustained run, with launches that take `launcher.seconds` each."""
    kept: list[LaunchRecord] = []
    cells = [workload("a"), workload("a", "onnx-tf"), workload("wrong")]
    schedule = Schedule(cells, Rounds(5), History(records), seed=0)
    schedule.run(cast(Launcher, launcher), kept.append, Reporter())
    with contextlib.suppress(KeyboardInterrupt):
        sustain(
            schedule, minutes, cast(Launcher, launcher), kept.append, Reporter(), clock=lambda: launcher.clock
        )
    return [*records, *kept]


def rows(records: list[LaunchRecord]) -> list[Row]:
    (group,) = summarise(records, baseline="onnx-tf")
    return group.rows


def test_cells_take_turns_until_the_minutes_are_over() -> None:
    launcher = FakeLauncher(seconds=10.0, wrong="wrong")
    records = sustained(launcher, [])
    places = [record.sustained for record in records if record.sustained]
    # 3 minutes are 18 launches: 9 rounds of the two cells that have a figure.
    assert len(places) == 18 and "wrong" not in launcher.warm
    converters = [record.cell.converter for record in records if record.sustained]
    assert all(set(converters[n : n + 2]) == {"nobuco", "onnx-tf"} for n in range(0, 18, 2))
    assert [place.at_minute for place in places] == pytest.approx([n / 6 for n in range(18)])
    assert len({place.run for place in places}) == 1 and not any(r.counts for r in records if r.sustained)


def test_the_last_third_is_the_figure_and_the_rounds_are_left_alone() -> None:
    records = sustained(FakeLauncher(seconds=10.0, wrong="wrong"), [])
    # The fake slows down by 0.1 ms a minute, from 1.0 ms; a cell's launches in the last third start at 2 to 2.8 min.
    for row in rows(records):
        if row.cell.model == "wrong":
            assert row.sustained is None and row.sustained_launches == 0
        else:
            assert row.sustained == pytest.approx(1.24, abs=0.02) and row.sustained_launches == 3
            assert row.latency is not None and row.latency.value == 1.1
            assert row.sustained_ratio == pytest.approx(row.sustained / 1.1)


def test_a_run_is_not_done_twice_and_a_shorter_one_is_another() -> None:
    records = sustained(FakeLauncher(seconds=10.0, wrong="wrong"), [])
    again = FakeLauncher(seconds=10.0, wrong="wrong")
    assert sustained(again, records) == records and again.warm == []
    assert len(sustained(again, records, minutes=1.0)) == len(records) + 6


def test_an_interrupted_run_is_begun_anew_and_shows_no_figure() -> None:
    records = sustained(Interrupted(after=7), [])
    assert len([record for record in records if record.sustained]) == 7
    assert all(row.sustained is None for row in rows(records))
    anew = FakeLauncher(seconds=10.0)
    whole = sustained(anew, records)
    assert len(anew.warm) == 18 and len({r.sustained.run for r in whole if r.sustained}) == 2
    assert all(row.sustained is not None for row in rows(whole) if row.cell.model == "a")


def test_launches_longer_than_the_minutes_give_every_cell_a_figure() -> None:
    launcher = FakeLauncher(seconds=100.0, wrong="wrong")
    records = sustained(launcher, [], minutes=1.0)
    # The first launch was on a cold device, so its cell has another.
    assert len([r for r in records if r.sustained]) == 3
    assert all(row.sustained_launches == 1 for row in rows(records) if row.cell.model == "a")
    assert sustained(FakeLauncher(seconds=100.0), records, minutes=1.0) == records


def test_the_figure_stands_in_every_table() -> None:
    groups = summarise(sustained(FakeLauncher(seconds=10.0, wrong="wrong"), []), baseline="onnx-tf")
    first = next(csv.DictReader(io.StringIO(tables.as_csv(groups))))
    assert float(first["sustained"]) == pytest.approx(1.24, abs=0.02)
    assert float(first["sustained_ratio"]) == pytest.approx(1.13, abs=0.02)
    for text in (tables.markdown(groups), page_of(groups)):
        assert "Sustained, ms" in text and "(1.1" in text and "median of the last third of a run" in text
    without = summarise([a_record()], baseline="onnx-tf")
    assert "Sustained" not in tables.markdown(without) and "Sustained, ms" not in page_of(without)


def test_an_emulated_device_is_refused(tmp_path: Path) -> None:
    options = ZooOptions(models=["slice_relu"], devices=["arm-emulated"], sustained=1.0, out=tmp_path / "out")
    for run in (plan, zoo):
        with pytest.raises(BenchError, match=r"^--sustained: arm is emulated, so it never warms up; leave"):
            run(options)
    assert not (tmp_path / "out").exists()


def test_minutes_are_more_than_none() -> None:
    with pytest.raises(BenchError, match="sustained: must be more than 0, not 0"):
        ZooOptions(sustained=0)
