"""Profiles: launches of their own that nothing is judged by, each op led back to the user's program where that is known."""

import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from torch import nn

from bench.jobs.models import FlatOutputs
from bench.jobs.origins import write_origins
from bench.measure.launching import Launcher
from bench.measure.op_times import op_times
from bench.measure.profiling import profile_delegates, take_profiles
from bench.measure.schedule import History, Rounds, Schedule
from bench.measure.workload import Workload
from bench.progress import Reporter
from bench.run import zoo
from devices.launches import OpProfile
from nobuco.contract.sites import Site
from nobuco.keras_model.origins import Origin
from nobuco.tflite import TFLiteInfo, TFLiteOp
from reports.record import LaunchRecord
from reports.store import RECORDS, RecordStore
from reports.summary import summarise
from tests.bench.fake_launcher import FakeLauncher, workload
from tests.bench.test_bench_run import small


def profiled(
    cells: list[Workload], launcher: FakeLauncher, records: list[LaunchRecord], retry_failed: bool = False
) -> list[LaunchRecord]:
    """The records of a run that measures and profiles, after those of earlier runs."""
    kept: list[LaunchRecord] = []
    schedule = Schedule(cells, Rounds(5), History(records, retry_failed), seed=0)
    schedule.run(cast(Launcher, launcher), kept.append, Reporter())
    take_profiles(schedule, cast(Launcher, launcher), kept.append, Reporter())
    return [*records, *kept]


def test_cells_with_a_figure_are_profiled_once(tmp_path: Path) -> None:
    cells = [workload("a", origins=tmp_path), workload("b"), workload("wrong"), workload("failing")]
    launcher = FakeLauncher(wrong="wrong", failing="failing")
    records = profiled(cells, launcher, [])
    # Without a delegate only where that tells more: a file without origins names no modules either way.
    assert launcher.profiled == [("a", "xnnpack"), ("a", "cpu"), ("b", "xnnpack")]
    again = FakeLauncher()
    assert profiled(cells, again, records) == records and again.profiled == []


def test_a_profile_changes_no_figure() -> None:
    records = profiled([workload("a")], FakeLauncher(), [])
    figures = [record for record in records if record.purpose == "figure"]
    assert len(figures) == len(records) - 1
    (with_profile,) = summarise(records, baseline="onnx-tf")[0].rows
    (without,) = summarise(figures, baseline="onnx-tf")[0].rows
    assert with_profile.profiles and with_profile.latency == without.latency
    assert replace(with_profile, profiles=()) == without


def test_a_profile_that_fails_is_kept_as_such_and_tried_again_on_demand() -> None:
    records = profiled([workload("a")], FakeLauncher(unprofiled="a"), [])
    (row,) = summarise(records, baseline="onnx-tf")[0].rows
    assert row.latency is not None and row.reason is None
    assert [record.error for record in row.profiles] == ["no profiler"]
    again = FakeLauncher()
    profiled([workload("a")], again, records)
    assert again.profiled == []
    profiled([workload("a")], again, records, retry_failed=True)
    assert again.profiled == [("a", "xnnpack")]


@pytest.mark.parametrize(
    ("delegate", "delegates"),
    [("xnnpack", ["xnnpack", "cpu"]), ("cpu", ["cpu"]), ("gpu-opencl", ["gpu-opencl"])],
)
def test_what_cells_are_profiled_with(delegate: str, delegates: list[str], tmp_path: Path) -> None:
    cell = replace(workload("a", origins=tmp_path), delegate=delegate)
    assert profile_delegates(cell, FakeLauncher.device.info()) == delegates


def test_ops_are_led_back_only_where_the_file_and_the_runtime_agree(tmp_path: Path) -> None:
    origins = tmp_path / "origins.json"
    nodes = [
        {"op": op, "module": f"m{n}", "source": f"net.py:{n}"} for n, op in enumerate(["ADD", "MUL", "SUB"])
    ]
    origins.write_text(json.dumps(nodes))

    def op(name: str, node: int | None, delegated: bool = False) -> OpProfile:
        return OpProfile(name=name, node=node, partition=None, time=1.0, calls=1, delegated=delegated)

    ops = [op("ADD", 0), op("MUL", 2), op("SUB", None), op("MUL", 1, delegated=True), op("ADD", 7)]
    found = op_times(ops, origins)
    assert [(time.module_path, time.source) for time in found] == [("m0", "net.py:0"), *[(None, None)] * 4]
    assert [time.name for time in op_times(ops, None)] == [op.name for op in ops]


def an_op(path: str, *, known: bool = True, subgraph: int = 0) -> TFLiteOp:
    site = Site("/home/me/net.py", 12)
    origins = (Origin("transpose", path, Site("x.py", 1), transpose=True), Origin("F.relu", path, site))
    return TFLiteOp("RELU", "relu", None, (), (), 0, subgraph, (), (), origins=origins if known else ())


def test_origins_name_modules_as_the_users_model_does(tmp_path: Path) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = nn.ReLU()

    def modules(converted: nn.Module, *ops: TFLiteOp) -> list[str | None]:
        write_origins(TFLiteInfo(tmp_path, 0, (), (), ops), converted, tmp_path)
        rows = json.loads((tmp_path / "origins.json").read_text())
        assert all(row["source"] in ("net.py:12", None) and row["op"] == "RELU" for row in rows)
        return [row["module"] for row in rows]

    ops = an_op("Net"), an_op("module"), an_op("", known=False), an_op("module", subgraph=1)
    assert modules(Net(), *ops) == ["", "module", None]
    wrapped = an_op("FlatOutputs"), an_op("module"), an_op("module.module"), an_op("FlatOutputs.Conv2d")
    assert modules(FlatOutputs(Net()), *wrapped) == ["", "", "module", "Conv2d"]


def test_a_real_profile_leads_each_op_back_to_its_module(tmp_path: Path) -> None:
    options = small(tmp_path, profile=True)
    zoo(options)
    records = RecordStore(tmp_path / "out" / RECORDS).read().records
    assert [(r.purpose, r.profile_delegate) for r in records] == [
        ("figure", None),
        ("profile", "xnnpack"),
        ("profile", "cpu"),
    ]
    with_delegate, without = records[1].profile, records[2].profile
    assert with_delegate and all(op.delegated and op.module_path is None for op in with_delegate)
    # The ReLU is fused into the convolution, so the op belongs to the module around both.
    assert [(op.name, op.delegated, op.module_path, op.source) for op in without] == [
        ("CONV_2D", False, "", None)
    ]
    assert records[1].accuracy is None and not records[1].counts
    assert "### " not in (tmp_path / "out" / "report.md").read_text()
    assert "Where the time goes" in (tmp_path / "out" / "report.md").read_text()
    zoo(options)
    assert len(RecordStore(tmp_path / "out" / RECORDS).read().records) == 3, "it profiled again"
