"""A run started from Python: the same checks as the command, the same answer, and no word of click."""

import platform
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import filelock
import pytest
from make_records import a_record

from bench.commands.zoo import command
from bench.errors import BenchError
from bench.run import ZooOptions, plan, zoo
from devices import DeviceError
from models_zoo import UnknownModelError
from reports.store import RECORDS, RecordStore

MODEL = """
import torch
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), (torch.linspace(-1, 1, 192).reshape(1, 3, 8, 8),)

class Unknown(nn.Module):
    def forward(self, x):
        return torch.special.airy_ai(x)

def make_unknown():
    return Unknown(), (torch.eye(6) + 1,)
"""


def small(tmp_path: Path, **changes: Any) -> ZooOptions:
    """A run of one tiny model with nobuco alone."""
    (tmp_path / "mine.py").write_text(MODEL)
    options: dict[str, Any] = {
        "models": [f"{tmp_path}/mine.py:make"],
        "converters": ["nobuco"],
        "rounds": 1,
        "out": tmp_path / "out",
    }
    return ZooOptions(**{**options, **changes})


def test_a_run_gives_the_folder_and_what_is_in_it(tmp_path: Path) -> None:
    result = zoo(small(tmp_path, rounds=3))
    assert result.out == tmp_path / "out" and result.troubles == [] and result.has_figures
    (row,) = result.rows
    assert row["converter"] == "nobuco" and row["launches"] == 3
    assert isinstance(row["max_error"], float) and row["max_error"] < 1e-5
    assert {path.name for path in result.written} == {"report.md", "report.csv", "chart.png", "chart.svg"}
    assert all(path.is_file() for path in result.written)
    before = (tmp_path / "out" / "records.jsonl").read_bytes()
    assert zoo(small(tmp_path, rounds=3)).rows == result.rows
    assert (tmp_path / "out" / "records.jsonl").read_bytes() == before, "it measured again"


def test_the_report_is_of_all_that_is_in_the_folder(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "out" / RECORDS)
    store.append(a_record("earlier"))
    result = zoo(small(tmp_path))
    assert [row["model"] for row in result.rows] == [f"{tmp_path}/mine.py:make"]
    for name in ("report.md", "report.csv"):
        text = (tmp_path / "out" / name).read_text()
        assert "earlier" in text and "mine.py:make" in text


def test_a_launch_is_known_by_its_runner_and_system(tmp_path: Path) -> None:
    zoo(small(tmp_path))
    (record,) = RecordStore(tmp_path / "out" / RECORDS).read().records
    assert record.provenance.runner == record.runner and "LiteRT" in str(record.runner)
    assert record.provenance.system is not None and platform.release() in record.provenance.system


def test_a_failed_conversion_is_a_result_with_its_reason(tmp_path: Path) -> None:
    result = zoo(small(tmp_path, models=[f"{tmp_path}/mine.py:make_unknown"]))
    assert not result.has_figures
    assert "nobuco has no converter for" in str(result.rows[0]["reason"])


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"models": ["mobilenet_v3_larg"]}, UnknownModelError, "mobilenet_v3_large"),
        ({"converters": ["onnx_tf"]}, BenchError, "unknown converter 'onnx_tf'; did you mean .*onnx-tf"),
        ({"devices": ["hots"]}, DeviceError, "host"),
        ({"delegates": ["xnpack"]}, BenchError, "did you mean xnnpack"),
        ({"cores": "0-4096"}, DeviceError, "goes beyond"),
        ({"baseline": "onnx2tf"}, BenchError, "onnx2tf is not among the converters"),
        ({"baseline": "onnx2t"}, BenchError, "unknown converter 'onnx2t'; did you mean onnx2tf"),
        ({"benchmark_binary": "nowhere"}, BenchError, "nowhere: cannot be read"),
    ],
)
def test_what_does_not_exist_is_named_before_anything_is_made(
    changes: dict[str, Any], error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words) as raised:
        zoo(small(tmp_path, **changes))
    assert not isinstance(raised.value, click.ClickException)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"threads": [1, 0]}, "threads: must be 1 or more, not 0"),
        ({"rounds": 0}, "rounds: must be 1 or more, not 0"),
        ({"minutes": 0}, "minutes: must be more than 0, not 0"),
        ({"precision": 2}, "precision: must be between 0 and 1, not 2"),
        ({"precision": 0.02, "rounds": 5}, "precision: takes as many rounds as it needs; leave rounds out"),
        ({"settle": -1}, "settle: must be 0 or more, not -1"),
        ({"timeout": 0}, "timeout: must be 1 or more, not 0"),
        ({"tolerance": -1e-3}, "tolerance: must be 0 or more"),
        ({"weights": "best"}, "weights: must be random or default, not 'best'"),
        ({"devices": []}, "devices: give at least one"),
        ({"models": "slice_relu"}, r"models: takes a list, not one string; write \['slice_relu'\]"),
    ],
)
def test_values_out_of_range_are_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BenchError, match=words):
        ZooOptions(**changes)


def test_a_folder_in_use_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with filelock.FileLock(tmp_path / "out" / ".lock"), pytest.raises(BenchError, match="another bench"):
        zoo(small(tmp_path))


def test_a_plan_makes_nothing(tmp_path: Path) -> None:
    planned = plan(small(tmp_path, threads=[1, 2], rounds=None, minutes=2))
    assert [(cell.device, cell.threads) for cell in planned.cells] == [("host", 1), ("host", 2)]
    assert [conversion.made for conversion in planned.conversions] == [False]
    assert (planned.rounds, planned.minutes) == (12, 2)
    assert not (tmp_path / "out").exists()


def test_the_command_has_every_option_with_the_same_default() -> None:
    context = command.make_context("zoo", [])
    given = {
        name: value for name, value in context.params.items() if name not in ("dry_run", "columns", "as_json")
    }
    assert given.keys() == {field.name for field in fields(ZooOptions)}
    assert ZooOptions(**given) == ZooOptions()
