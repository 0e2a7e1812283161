"""Outputs are compared on several inputs, element by element, and a classifier's answers one by one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.artifact import Artifact, Output
from bench.converters.base import Reference
from bench.jobs.reference_job import FURTHER_SAMPLES, work
from bench.measure import launching
from bench.measure.accuracy import Answer, accuracy_of
from bench.measure.launching import Launcher
from bench.measure.workload import Effort, Workload
from devices import LaunchRequest, LaunchResult
from reports.record import Accuracy, Conversion, Environment
from tests.bench.stand_in_device import StandInDevice


def an_artifact(folder: Path, *expected: np.ndarray, outputs: int = 1) -> Artifact:
    """A file that should answer each input with the array given, in channels-last order."""
    described: list[dict[str, Any]] = []
    for number, array in enumerate(expected):
        np.save(folder / f"{number}.npy", array)
        described.append({"file": f"{number}.npy", "shape": list(array.shape)})
    samples = [{"inputs": [], "outputs": [each]} for each in described[1:]]
    result = {
        "weights": "own",
        "seed": 0,
        "inputs": [],
        "outputs": [described[0]] * outputs,
        "samples": samples,
    }
    reference = Reference("net", {}, folder, result)
    axes = (0, 2, 3, 1) if expected[0].ndim == 4 else tuple(range(expected[0].ndim))
    file = folder / "model.tflite"
    file.write_bytes(b"")
    return Artifact(
        reference,
        "nobuco",
        "1",
        None,
        file,
        "sha",
        (),
        (Output(0, axes),),
        Conversion(),
        folder / "log",
        ((), ()),
    )


def compared(folder: Path, expected: list[np.ndarray], *given: np.ndarray) -> Accuracy:
    return accuracy_of(an_artifact(folder, *expected), [Answer([each]) for each in given], 1e-3)


def scores(*rows: list[float]) -> np.ndarray:
    return np.asarray(rows, dtype=np.float32)


def test_an_error_on_any_input_counts(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    expected = [random.normal(size=(1, 2, 3, 4)).astype(np.float32) for _ in range(3)]
    given = [each.transpose(0, 2, 3, 1) for each in expected]
    right = compared(tmp_path, expected, *given)
    assert (right.max_error, right.samples, right.worst_element, right.top1_rows) == (0.0, 3, 0.0, None)
    assert not compared(tmp_path, expected, given[0], given[1], given[2] * 1.1).right


def test_the_worst_element_is_named_where_the_largest_hides_it(tmp_path: Path) -> None:
    expected, given = scores([1000.0, 1.0, -500.0]), scores([1000.0, 1.5, -500.0])
    accuracy = compared(tmp_path, [expected], given)
    assert accuracy.right and accuracy.max_error == pytest.approx(5e-4)
    assert accuracy.worst_element == pytest.approx(0.5)
    assert accuracy.worst_at == "input 0, output 0 [0, 1]: 1.5 for 1"
    tiny = compared(tmp_path, [scores([1000.0, 0.0])], scores([1000.0, 0.1]))
    assert tiny.worst_element == pytest.approx(0.1), "next to a thousand, zero counts as one"


def test_what_is_not_a_number_is_the_worst_there_is(tmp_path: Path) -> None:
    accuracy = compared(tmp_path, [scores([1.0, 2.0])], scores([1.0, np.nan]))
    assert accuracy.worst_element == np.inf and not accuracy.right
    same = compared(tmp_path, [scores([np.inf, 2.0])], scores([np.inf, 2.0]))
    assert same.worst_element == 0.0


def test_a_classifier_s_first_places_are_counted(tmp_path: Path) -> None:
    expected = np.eye(12, dtype=np.float32)[[3, 7]]
    expected[1, 8] = 0.9999
    given = expected.copy()
    given[1, 8] = 1.0001
    accuracy = compared(tmp_path, [expected, expected], expected, given)
    assert accuracy.right and (accuracy.top1_agreeing, accuracy.top1_rows) == (3, 4)


def test_a_missing_output_is_infinitely_wrong(tmp_path: Path) -> None:
    artifact = an_artifact(tmp_path, scores([1.0]), outputs=2)
    assert accuracy_of(artifact, [Answer([scores([1.0])])], 1e-3).per_output == (0.0, np.inf)


MODEL = """
import torch
from torch import nn

class Shapes(nn.Module):
    def forward(self, x):
        return x[x > 0][:4] if x.flatten()[0] == 0 else x[x > 1]

class Picky(nn.Module):
    def forward(self, x):
        if x.flatten()[0] != 0:
            raise ValueError("starts with zero")
        return x

def plain():
    return nn.Linear(64, 3), (torch.arange(64.0).reshape(1, 64),)

def shapes():
    return Shapes(), (torch.arange(64.0),)

def picky():
    return Picky(), (torch.arange(64.0),)

def whole():
    return nn.Embedding(4, 2), (torch.tensor([1, 2]),)
"""


def job(tmp_path: Path, factory: str) -> dict[str, Any]:
    (tmp_path / "mine.py").write_text(MODEL)
    model = {
        "name": factory,
        "file": f"{tmp_path}/mine.py",
        "factory": factory,
        "weights": "random",
        "seed": 0,
    }
    return work({"model": model, "out": tmp_path})


def test_further_inputs_hold_the_model_s_own_values_in_another_order(tmp_path: Path) -> None:
    samples = job(tmp_path, "plain")["samples"]
    assert len(samples) == FURTHER_SAMPLES
    arrays = [np.load(tmp_path / sample["inputs"][0]["file"]) for sample in samples]
    assert all(sorted(array.ravel()) == list(range(64)) for array in arrays)
    assert len({array.tobytes() for array in arrays}) == FURTHER_SAMPLES


@pytest.mark.parametrize(
    ("factory", "words"),
    [("picky", "takes no shuffled inputs"), ("shapes", "outputs of other shapes"), ("whole", "")],
)
def test_a_model_that_takes_no_other_input_has_its_own(
    factory: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job(tmp_path, factory)["samples"] == []
    assert words in capsys.readouterr().out


def test_further_inputs_are_launched_once_and_not_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[LaunchRequest] = []

    def launch(device: StandInDevice, request: LaunchRequest) -> LaunchResult:
        asked.append(request)
        ok = len(asked) < 3
        return LaunchResult(
            ok, None if ok else "out of memory", "xnnpack", "xnnpack", True, 1, 7, 7, 1.0, 1.0,
            [5000.0] * request.num_runs, "us", 1, [], [scores([1.0])] if ok else [], "", "stand-in",
        )  # fmt: skip

    monkeypatch.setattr(launching, "launch", launch)
    workload = Workload(an_artifact(tmp_path, *[scores([1.0])] * 3), "adb:PHONE", "id", "xnnpack", 1)
    facts = Environment(python="3", platform="p", cpu="c", versions={})
    launcher = Launcher(StandInDevice(), Effort(settle_seconds=0.0), None, facts, tmp_path)
    record = launcher.launch(workload, 0, check_output=True)
    assert [request.num_runs for request in asked] == [Effort.num_runs, 1, 1]
    assert record.timing is not None and record.timing.runs == Effort.num_runs
    assert record.accuracy is not None and not record.accuracy.right
    assert record.accuracy.worst_at == "input 2: launch failed: out of memory"
    asked.clear()
    launcher.launch(workload, 1, check_output=False)
    assert len(asked) == 1
