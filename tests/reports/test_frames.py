"""Frames are tidy, have the dtypes they should have, and say the same as the tables."""

from pathlib import Path

import pandas as pd
import pytest

import reports
from reports.columns import COLUMNS
from reports.errors import ReportError
from reports.frames import _CELLS, frames
from reports.record import LaunchRecord, OpTime
from reports.store import RECORDS, RecordStore
from tests.reports.make_records import a_record


def records() -> list[LaunchRecord]:
    made = [
        a_record(model, converter, r, times=(base * (1 + r / 1000),))
        for model in ("net", "other")
        for r in range(6)
        for converter, base in (("nobuco", 1000.0), ("onnx-tf", 1500.0))
    ]
    return [*made, a_record("broken", failure="crashed")]


def test_a_folder_is_loaded_as_frames(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / RECORDS)
    for record in records():
        store.append(record)
    loaded = reports.load(tmp_path)
    assert len(loaded.cells) == 5 and len(loaded.launches) == 25
    cells = loaded.cells.set_index(["model", "converter"])
    assert cells.loc[("net", "nobuco"), "speedup"] == pytest.approx(1.5)
    assert cells.loc[("broken", "nobuco"), "reason"] == "launch failed: crashed"
    assert pd.isna(cells.loc[("broken", "nobuco"), "latency"])
    assert loaded.cells.equals(reports.load(tmp_path / RECORDS).cells)


def test_every_column_has_the_dtype_of_what_is_in_it() -> None:
    loaded = frames(records())
    assert set(_CELLS) == {column.key for column in COLUMNS}
    dtypes = loaded.launches.dtypes
    assert str(dtypes["started"]) == "datetime64[ns, UTC]"
    assert (str(dtypes["median"]), str(dtypes["ok"]), str(dtypes["round"])) == ("Float64", "boolean", "Int64")
    assert str(loaded.cells.dtypes["model"]) == "category"
    for frame in (loaded.cells, loaded.launches, loaded.ops, loaded.profile):
        assert not [name for name, dtype in frame.dtypes.items() if str(dtype) == "object"]


def test_ops_and_profiles_are_tidy() -> None:
    op = OpTime(name="CONV_2D", time=500.0, calls=1, delegated=True, node=3, module_path="features.0")
    profiled = a_record(round_number=0, profile=(op,), purpose="profile")
    loaded = frames([*records(), profiled])
    ops = loaded.ops[(loaded.ops["model"] == "net") & (loaded.ops["converter"] == "nobuco")]
    assert ops[["op", "count"]].to_numpy().tolist() == [["CONV_2D", 7]]
    (row,) = loaded.profile.to_dict("records")
    assert (row["op"], row["time"], row["module_path"], row["node"]) == ("CONV_2D", 0.5, "features.0", 3)
    assert not loaded.launches["counts"].iloc[-1], "a profiled launch has no time of its own"
    assert frames([*records(), profiled]).cells.equals(frames(records()).cells)


def test_plots_show_what_may_stand_side_by_side() -> None:
    axes = frames(records()).plot("speedup")
    assert [patch.get_width() for patch in axes.patches] == pytest.approx([1.5, 1.5])
    latency = frames(records()).plot()
    assert latency.get_xlabel() == "latency, ms" and len(latency.patches) == 4
    elsewhere = [r.model_copy(update={"cell": r.cell.model_copy(update={"threads": 2})}) for r in records()]
    with pytest.raises(ReportError, match=r"differ in threads \(1, 2\); choose one first"):
        frames([*records(), *elsewhere]).plot()
    with pytest.raises(ReportError, match="no cell has a latency"):
        frames([a_record(failure="crashed")]).plot()


def test_a_folder_without_records_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="no records; `bench zoo --out"):
        reports.load(tmp_path)
