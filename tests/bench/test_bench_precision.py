"""Precision as a dimension of a cell: which files are made, by what they are judged, and what a reader sees."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from bench.artifact import Answers
from bench.cli import main
from bench.commands.options import Precisions
from bench.converters.precisions import PRECISIONS, check_precision
from bench.converters.registry import NAMES, get_converter, precisions_of
from bench.errors import BenchError
from bench.jobs.models import shuffled
from bench.measure.accuracy import Answer, accuracy_of
from bench.measure.workload import MIN_ALIKE
from bench.run import ZooOptions, plan, zoo
from bench.run.planning import without_a_way
from nobuco.tflite.precision.recipe import RECIPES
from reports import tables
from reports.record import Accuracy, Cell
from reports.store import RecordStore
from reports.summary import summarise
from tests.bench.test_bench_accuracy import an_artifact
from tests.reports.make_records import a_record

MODEL = """
import torch
from torch import nn

def make():
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 12)
    return nn.Sequential(*layers), (torch.randn(1, 3, 8, 8),)

def make_words():
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(40, 32), nn.Linear(32, 4)), (torch.tensor([[1, 2]]),)
"""


def options(tmp_path: Path, **changes: Any) -> ZooOptions:
    (tmp_path / "mine.py").write_text(MODEL)
    given = {"models": [f"{tmp_path}/mine.py:make"], "converters": ["nobuco"], "rounds": 1, "out": tmp_path}
    return ZooOptions(**{**given, **changes})


def test_the_names_are_those_of_the_library() -> None:
    assert set(PRECISIONS) == {"fp32", "auto", "int8-io", *RECIPES}


def test_every_way_that_is_promised_has_a_name() -> None:
    for name in NAMES:
        assert set(precisions_of(name)) <= set(PRECISIONS)
        for precision in precisions_of(name):
            assert get_converter(name, precision).precision == precision
    versions = {get_converter("nobuco", each).version() for each in ("fp32", "int8")}
    assert len(versions) == 2, "files made from samples are known by them"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("2%", "how narrow intervals are to become is --interval 2%"),
        ("0.02", "is --interval 0.02"),
        ("int-8", "did you mean int8"),
        ("half", "there are fp32, fp16"),
    ],
)
def test_what_is_no_precision_says_what_was_meant(given: str, words: str) -> None:
    with pytest.raises(BenchError, match=words):
        check_precision(given)
    result = CliRunner().invoke(main, ["zoo", "--precision", f"fp32,{given}"])
    assert result.exit_code == 2 and words in " ".join(result.output.split())


def test_each_precision_is_named_once() -> None:
    assert Precisions().convert("int8, fp32,int8", None, None) == ("int8", "fp32")


def test_a_converter_is_left_out_of_what_it_has_no_way_to(tmp_path: Path) -> None:
    both = options(tmp_path, converters=["nobuco", "onnx-tf"], precisions=["fp32", "int8"])
    cells = [(cell.converter, cell.precision) for cell in plan(both).cells]
    assert cells == [("nobuco", "fp32"), ("nobuco", "int8"), ("onnx-tf", "fp32")]
    (line,) = without_a_way(both)
    assert line.startswith("onnx-tf: left out of int8")
    with pytest.raises(
        BenchError, match=r"none of onnx-tf has a way to it; nobuco, onnx2tf, litert-torch have"
    ):
        plan(options(tmp_path, converters=["onnx-tf"], precisions=["int8"]))


def test_a_run_measures_each_precision_and_gives_integers_to_a_file_that_takes_them(tmp_path: Path) -> None:
    result = zoo(options(tmp_path, precisions=["fp32", "int8-io"]))
    plain, integers = (row for group in result.groups for row in group.rows)
    assert (plain.cell.precision, integers.cell.precision) == ("fp32", "int8-io")
    assert plain.accuracy is not None and plain.accuracy.alike is None
    assert plain.accuracy.tolerance is not None and plain.of_fp32 is None
    found = integers.accuracy
    assert found is not None and found.right and found.tolerance is None
    assert found.alike_samples == 100 and found.alike is not None and found.alike >= MIN_ALIKE
    assert found.max_error > 1e-3, "it would be wrong by the error"
    assert found.snr is not None and found.snr > 20
    assert integers.of_fp32 is not None
    sizes = {path.stat().st_size for path in tmp_path.glob("artifacts/*/nobuco-int8-io-*/facts-*/*.bin")}
    assert sizes == {3 * 8 * 8}, "a byte each"
    again = zoo(options(tmp_path, precisions=["fp32", "int8-io"]))
    assert again.rows == result.rows, "it measured again"


def test_a_model_without_samples_has_what_needs_none(tmp_path: Path) -> None:
    precisions = ["fp32", "int8", "fp16", "int8-dynamic"]
    words = options(tmp_path, models=[f"{tmp_path}/mine.py:make_words"], precisions=precisions)
    rows = {row.cell.precision: row for group in zoo(words).groups for row in group.rows}
    for name in ("fp32", "fp16", "int8-dynamic"):
        assert rows[name].latency is not None, rows[name].reason
    reason = rows["int8"].reason
    assert reason is not None and "whole numbers, and which ones it takes is not known" in reason
    assert "fp16, int8-dynamic, int8-weights" in reason and "calibration=" in reason


def judged(tmp_path: Path, alike: float, *given: np.ndarray, expected: np.ndarray) -> Accuracy:
    artifact = an_artifact(tmp_path, *[expected] * len(given))
    object.__setattr__(artifact, "answers", Answers(alike, 100, (20.0,) * len(given)))
    return accuracy_of(artifact, [Answer([each]) for each in given], None, MIN_ALIKE)


def test_a_file_with_integers_is_judged_by_its_answers_and_its_device(tmp_path: Path) -> None:
    expected = np.linspace(-1, 1, 12, dtype=np.float32)[None]
    near, far = expected + 0.05, expected + 0.5
    assert judged(tmp_path, 0.97, near, near, expected=expected).right
    few = judged(tmp_path, 0.9, near, expected=expected)
    assert few.fault == "90.0% of 100 samples come out as PyTorch's, less than 95%"
    broken = judged(tmp_path, 0.97, near, far, expected=expected)
    assert broken.fault is not None and "on the device, where this host's own answers lead" in broken.fault
    assert broken.snr is not None and broken.snr < 10 and broken.least_snr == 14.0


def test_precision_was_the_delegate_s_in_older_records(tmp_path: Path) -> None:
    old = json.loads(a_record().model_dump_json())
    old["cell"]["precision"], old["schema_version"] = "fp16", 4
    (tmp_path / "records.jsonl").write_text(json.dumps(old) + "\n")
    (read,) = RecordStore(tmp_path / "records.jsonl").read().records
    assert read.cell.precision == "fp32"


def test_a_table_shows_precisions_where_there_are_some() -> None:
    def record(precision: str, time: float, alike: float | None = None) -> Any:
        cell = Cell(
            model="net", converter="nobuco", device="arm", delegate="xnnpack", threads=1, precision=precision
        )
        accuracy = Accuracy(
            max_error=0.1,
            per_output=(0.1,),
            tolerance=None if alike else 1.0,
            alike=alike,
            alike_samples=100,
            min_alike=0.95,
            snr=20.0,
            least_snr=14.0,
        )
        return a_record(cell=cell, times=(time,), accuracy=accuracy, emulated=True)

    (group,) = summarise([record("fp32", 1000.0), record("int8", 250.0, 0.99)], baseline="nobuco")
    assert [row.of_fp32 and row.of_fp32.value for row in group.rows] == [None, 0.25]
    assert all(row.speedup is None for row in group.rows), "over the same precision alone"
    page = tables.markdown([group])
    assert (
        "| Precision |" in page and "0.250x" in page and "99 %" in page and "less than 95% is wrong" in page
    )
    (group,) = summarise([record("fp32", 1000.0), record("int8", 250.0, 0.5)], baseline="nobuco")
    assert group.rows[1].latency is None and "50.0% of 100 samples" in str(group.rows[1].reason)
    (plain,) = summarise([record("fp32", 1000.0)], baseline="nobuco")
    assert "Precision" not in tables.markdown([plain])


def test_shuffling_leaves_whole_numbers_alone() -> None:
    import torch

    assert shuffled(torch.tensor([3, 1, 2]), 0).tolist() == [3, 1, 2]
