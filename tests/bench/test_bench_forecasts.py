"""What GPU delegates are forecast to take is found when a converted file is inspected."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from bench.jobs import facts_job, forecasts
from reports.record import Conversion
from tests.delegates.test_check import file_of


def test_of_each_file_that_is_inspected(tmp_path: Path) -> None:
    file = file_of(tmp_path, lambda x: tf.nn.log_softmax(tf.pow(2.0, tf.nn.relu(x))), [(1, 8)])
    np.save(tmp_path / "x.npy", np.zeros((1, 8), np.float32))
    described = [{"shape": [1, 8], "file": "x.npy"}]
    item = {
        "file": file,
        "out": tmp_path / "facts",
        "reference": tmp_path,
        "samples": [],
        "layout": "channels last",
    }
    facts_job.work({"files": [{**item, "inputs": described, "outputs": described}]})
    facts = json.loads((tmp_path / "facts" / "facts.json").read_text())
    assert facts["error"] is None
    found = Conversion(forecasts=facts["forecasts"]).forecasts
    assert {name: (each.taken, each.nodes, each.partitions, each.wrong) for name, each in found.items()} == {
        "gpu-opencl": (2, 3, 1, 0),
        "gpu-webgpu": (2, 3, 1, 1),
    }
    assert found["gpu-opencl"].refused == {"LOG_SOFTMAX: no such op": 1}


def test_a_rule_that_stumbles_does_not_keep_a_file_from_being_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stumbling(path: Path, delegates: object) -> None:
        raise IndexError("of a rule")

    monkeypatch.setattr(forecasts, "check_delegates", stumbling)
    found = Conversion(forecasts=forecasts.forecasts(tmp_path / "m.tflite")).forecasts
    assert {name: each.error for name, each in found.items()} == {
        "gpu-opencl": "IndexError: of a rule",
        "gpu-webgpu": "IndexError: of a rule",
    }
    assert not any(each.whole for each in found.values())
    assert "IndexError: of a rule" in capsys.readouterr().err
