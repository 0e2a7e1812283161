"""Two jobs in a row leave one outcome: figures added up, and a failure of either on disk under the right name."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.converters import onnx_route
from bench.converters.base import Reference
from bench.jobs.process import JobOutcome, finished

REFERENCE = Reference(
    "net", {}, Path("/reference"), {"weights": "random", "seed": 0, "inputs": [], "outputs": [{}]}
)
EXPORTED = {"error": None, "file": "model.onnx", "seconds": 1.5, "cpu_seconds": 1.0, "peak_rss_mb": 900.0}
CONVERTED = {"error": None, "file": "model.tflite", "seconds": 4.0, "cpu_seconds": 3.0, "peak_rss_mb": 700.0}


def convert(
    folder: Path, monkeypatch: pytest.MonkeyPatch, exported: dict[str, Any], converted: dict[str, Any]
) -> JobOutcome:
    results = iter((exported, converted))

    def run_job(command: Sequence[str], job: Mapping[str, Any], at: Path, timeout: float) -> JobOutcome:
        result = next(results)
        at.mkdir(parents=True)
        (at / "result.json").write_text(json.dumps(result))
        return JobOutcome(at, result)

    monkeypatch.setattr(onnx_route, "run_job", run_job)
    return onnx_route.export_and_convert(REFERENCE, folder, ["python", "script.py"], opset=12, timeout=10)


def test_figures_of_both_steps_are_added_up_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = convert(tmp_path / "a", monkeypatch, EXPORTED, CONVERTED)
    assert finished(tmp_path / "a") == outcome
    assert {"seconds": 5.5, "cpu_seconds": 4.0, "peak_rss_mb": 900.0}.items() <= outcome.result.items()
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_failed_export_is_the_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    convert(tmp_path / "a", monkeypatch, {"error": "no symbolic for aten::foo"}, {})
    outcome = finished(tmp_path / "a")
    assert outcome is not None and outcome.error == "ONNX export: no symbolic for aten::foo"


def test_a_failed_conversion_is_the_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    convert(tmp_path / "a", monkeypatch, EXPORTED, {"error": "died"})
    outcome = finished(tmp_path / "a")
    assert outcome is not None and outcome.error == "died"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
