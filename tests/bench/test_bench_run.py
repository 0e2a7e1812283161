"""A run started from Python: the same checks as the command, the same answer, and no word of click."""

import json
import platform
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click
import filelock
import pytest
from click.testing import CliRunner

from bench.artifact import Artifact
from bench.artifacts import ArtifactCache
from bench.cli import main
from bench.commands.zoo import CELLS_FAILED, command
from bench.converters.base import Reference
from bench.converters.nobuco_adapter import Nobuco
from bench.converters.onnx2tf_adapter import Onnx2Tf
from bench.converters.onnx_tf_adapter import OnnxTf
from bench.errors import BenchError
from bench.jobs.process import JobOutcome
from bench.peers.environments import Environment
from bench.progress import Reporter
from bench.run import ZooOptions, plan, zoo
from bench.run.planning import chosen_models
from devices import DeviceError
from models_zoo import UnknownModelError
from reports.store import RECORDS, RecordStore
from tests.reports.make_records import a_record

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

class Nested(nn.Module):
    def forward(self, *, x, bias):
        features = torch.relu(x) + bias
        return {"features": features, "score": features.sum((1, 2, 3)), "extra": [features * 2, features * 3]}

def make_nested():
    return Nested(), {"x": torch.linspace(-1, 1, 192).reshape(1, 3, 8, 8), "bias": torch.full((1, 3, 8, 8), 0.25)}

def make_broken():
    raise ValueError("no such thing as a flat sphere")
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


def test_a_failure_is_told_again_and_tried_again_on_demand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = small(tmp_path, models=[f"{tmp_path}/mine.py:make_unknown"])
    zoo(options)
    capsys.readouterr()
    (row,) = zoo(options).failures
    said = capsys.readouterr().err
    assert "not converted again, it failed in an earlier run: nobuco has no converter" in said
    assert "--retry-failed tries it again" in said and "Converting" not in said
    assert row.reason is not None and "nobuco has no converter" in row.reason
    zoo(replace(options, retry_failed=True))
    assert "Converting: " in capsys.readouterr().err


def test_a_broken_model_ends_its_own_cells_and_is_found_before_anything_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(OnnxTf, "environment", Environment("onnx-tf", "onnx-tf.txt", python="3.4"))
    models = [f"{tmp_path}/mine.py:{name}" for name in ("make_broken", "make")]
    result = zoo(small(tmp_path, models=models, converters=["nobuco", "onnx-tf"]))
    said = capsys.readouterr().err
    assert said.index("flat sphere") < said.index("needs Python 3.4")
    reasons = {(row.cell.model.rpartition(":")[2], row.cell.converter): row.reason for row in result.failures}
    assert reasons.keys() == {("make_broken", "nobuco"), ("make_broken", "onnx-tf"), ("make", "onnx-tf")}
    assert "flat sphere" in str(reasons["make_broken", "nobuco"])
    assert "there is no working python3.4 on the PATH" in str(reasons["make", "onnx-tf"])
    assert result.has_figures
    monkeypatch.undo()
    command = ["zoo", "--models", models[1], "--converter", "nobuco,onnx2tf", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(Onnx2Tf, "environment", Environment("onnx2tf", "onnx2tf.txt", python="3.4"))
    assert CliRunner().invoke(main, [*command, "--rounds", "1"]).exit_code == CELLS_FAILED


def test_outputs_of_one_shape_are_told_apart_by_name(tmp_path: Path) -> None:
    (row,) = zoo(small(tmp_path, models=[f"{tmp_path}/mine.py:make_nested"])).rows
    assert row["reason"] is None and isinstance(row["max_error"], float) and row["max_error"] < 1e-5


def test_models_that_all_fail_are_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"there is no model to convert: .*flat sphere"):
        zoo(small(tmp_path, models=[f"{tmp_path}/mine.py:make_broken"]))


def test_a_conversion_without_time_is_tried_once_more_by_itself(tmp_path: Path) -> None:
    options = small(tmp_path)
    (model,) = chosen_models(options)
    tries: list[float] = []

    class Slow(Nobuco):
        def convert(self, reference: Reference, folder: Path, timeout: float, say: Reporter) -> JobOutcome:
            tries.append(timeout)
            result = {"error": "took longer than that, its time limit", "limit_seconds": timeout}
            folder.mkdir(exist_ok=True)
            (folder / "result.json").write_text(json.dumps(result))
            return JobOutcome(folder, result)

    def artifact(timeout: float) -> Artifact:
        cache = ArtifactCache(tmp_path / "out", timeout, Reporter())
        return cache.artifacts([model], cache.references([model]), [Slow()])[0]

    for _ in range(3):
        assert artifact(300).error == "took longer than that, its time limit"
    assert len(tries) == 2, "once, and once more"
    artifact(301)
    assert len(tries) == 3, "more time than it had deserves another attempt"


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
        ({"interval": 2}, "interval: must be between 0 and 1, not 2"),
        ({"interval": 0.02, "rounds": 5}, "interval: takes as many rounds as it needs; leave rounds out"),
        ({"min_alike": 1.5}, "min_alike: must be from 0 to 1, not 1.5"),
        ({"precisions": ("int9",)}, "unknown precision 'int9'; did you mean int8"),
        ({"settle": -1}, "settle: must be 0 or more, not -1"),
        ({"timeout": 0}, "timeout: must be 1 or more, not 0"),
        ({"tolerance": -1e-3}, "tolerance: must be 0 or more"),
        ({"weights": "best"}, "weights: must be random or taught or default, not 'best'"),
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


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"delegates": ["gpu-opencl"]}, BenchError, "device host has no delegate gpu-opencl"),
        (
            {"delegates": ["gpu-webgpu"], "devices": ["arm-emulated"]},
            BenchError,
            "arm has no delegate gpu-webgpu",
        ),
        ({"cores": "0-4096"}, DeviceError, "goes beyond"),
        ({"cores": "3", "devices": ["arm-emulated"]}, DeviceError, "arm"),
        ({"benchmark_binary": "nowhere"}, BenchError, "nowhere: cannot be read"),
    ],
)
def test_a_plan_checks_what_the_run_checks(
    changes: dict[str, Any], error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        plan(small(tmp_path, **changes))


def test_a_plan_names_what_will_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnnxTf, "environment", Environment("onnx-tf", "onnx-tf.txt", python="3.4"))
    (tmp_path / "bad.py").write_text("def make(:\n")
    models = [f"{tmp_path}/bad.py:make", f"{tmp_path}/mine.py:mak", f"{tmp_path}/mine.py:make"]
    options = small(tmp_path, models=models, converters=["nobuco", "onnx-tf"])
    said = plan(options).problems
    assert [word in text for text, word in zip(said, ("3.4", "line 1", "no function 'mak'"), strict=True)]
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match="file is no folder"):
        plan(small(tmp_path, out=tmp_path / "file" / "out"))


def test_a_plan_of_everything_is_short(tmp_path: Path) -> None:
    command = ["zoo", "--models", "all", "--device", "host,arm-emulated", "--dry-run", "--out", str(tmp_path)]
    said = CliRunner().invoke(main, command).stdout
    assert len(said.splitlines()) < 12
    assert "127: alexnet, " in said and "(121 more)" in said and "254 to be made (about " in said
    assert (
        "host: xnnpack; threads 1: 254 cells, up to 12 launches each, 0 done, 3048 left, about 1 h 24 min"
        in said
    )


def test_the_command_has_every_option_with_the_same_default() -> None:
    context = command.make_context("zoo", [])
    shown = ("dry_run", "columns", "as_json")
    where = ("lab", "certificates", "patience")
    given = {name: value for name, value in context.params.items() if name not in (*shown, *where)}
    assert given.keys() == {field.name for field in fields(ZooOptions)}
    assert ZooOptions(**given) == ZooOptions()
