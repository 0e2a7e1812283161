"""Cost files: layers cut out of a model in both forms, and forms chosen by what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import nn

import nobuco
from nobuco.tflite import TFLiteExportError, export_tflite
from nobuco.tflite.forms import Aim
from nobuco.tflite.forms.costs import Costs, shipped
from nobuco.tflite.trials import Trial, layer_trials
from nobuco.validate.compare import relative_error

HEAD = {
    "format": 1, "device": "board", "delegate": "xnnpack", "threads": 1, "runtime": "r", "unit": "us", "target": "x86",
    "optimize": "speed", "measured": "today",
}  # fmt: skip
INPUT = (1, 3, 32, 32)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1), nn.SiLU(), nn.Conv2d(16, 16, 3, padding=1), nn.SiLU(),
        nn.Conv2d(16, 16, 7, padding=3, groups=16), nn.ConvTranspose2d(16, 8, 2, 2),
    ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return nobuco.pytorch_to_keras(network(), [torch.randn(INPUT)], verbose=False)


@pytest.fixture(scope="module")
def trials(model: keras.Model) -> dict[str, Trial]:
    return {trial.form: trial for trial in layer_trials(model, Aim(optimize="speed"))}


def run(data: bytes) -> list[np.ndarray]:
    interpreter = Interpreter(model_content=data)
    interpreter.allocate_tensors()
    random = np.random.default_rng(0)
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], random.standard_normal(detail["shape"]).astype(np.float32))
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def test_each_layer_is_cut_out_once_in_both_forms(trials: dict[str, Trial]) -> None:
    assert {form: trial.count for form, trial in trials.items()} == {
        "tanh gates": 2,
        "whole strides": 1,
        "winograd": 1,
        "bands": 1,
        "tiles": 1,
    }
    assert trials["bands"].layer == (
        "DepthwiseConv2dNative (1, 16, 16, 16) (7, 7, 16, 1), strides 1x1, padding same, dilations 1x1"
    )
    for trial in trials.values():
        assert trial.plain != trial.formed
        (plain,), (made,) = run(trial.plain), run(trial.formed)
        assert relative_error(made, plain) < 1e-5, trial.form


def test_what_is_not_to_grow_has_no_trial_of_it(model: keras.Model) -> None:
    assert "winograd" not in {trial.form for trial in layer_trials(model)}


def cost_file(folder: Path, trials: dict[str, Trial], cheaper: dict[str, bool], **changes: Any) -> Path:
    layers = {
        form: {trials[form].layer: {"plain": 2.0, "formed": 1.0 if better else 3.0, "cheaper": better}}
        for form, better in cheaper.items()
    }
    path = folder / "board.json"
    path.write_text(json.dumps({**HEAD, "layers": layers, **changes}))
    return path


def ops_for(model: keras.Model, target: Any, folder: Path) -> dict[str, int]:
    return dict(export_tflite(model, folder / "m.tflite", target=target, optimize="speed").info.ops)


def test_forms_are_chosen_by_what_was_measured(
    model: keras.Model, trials: dict[str, Trial], tmp_path: Path
) -> None:
    usual = ops_for(model, "x86", tmp_path)
    assert "TRANSPOSE_CONV" not in usual and "TANH" not in usual and usual["DEPTHWISE_CONV_2D"] == 3
    unusual = dict.fromkeys(trials, True) | {"bands": False, "tiles": False}
    made = ops_for(model, cost_file(tmp_path, trials, unusual), tmp_path)
    assert made["TRANSPOSE_CONV"] == 1 and made["TANH"] == 2 and "LOGISTIC" not in made
    assert made["DEPTHWISE_CONV_2D"] == 16 + 1, "Winograd's, and the large kernel as it is"


def test_layers_that_were_not_measured_are_as_usual_for_the_processor(
    model: keras.Model, tmp_path: Path
) -> None:
    assert ops_for(model, cost_file(tmp_path, {}, {}), tmp_path) == ops_for(model, "x86", tmp_path)
    arm = cost_file(tmp_path, {}, {}, target="arm")
    assert ops_for(model, arm, tmp_path) == ops_for(model, "arm", tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "the cost file cannot be read: No such file"),
        ("[]", "is no cost file such as `bench tune` writes"),
        ("{", "is no cost file such as `bench tune` writes"),
        (json.dumps({**HEAD, "format": 2, "layers": {}}), "it has another format"),
        (json.dumps({**HEAD, "target": "gpu", "layers": {}}), "it has another format"),
        (json.dumps({**HEAD, "layers": {"bands": {"x": {"plain": 1}}}}), "is no cost file"),
    ],
)
def test_what_is_no_cost_file_is_refused(
    model: keras.Model, tmp_path: Path, content: str | None, said: str
) -> None:
    path = tmp_path / "costs.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(TFLiteExportError, match=said):
        export_tflite(model, tmp_path / "m.tflite", target=path)
    assert not (tmp_path / "m.tflite").exists()


def test_a_word_that_is_no_target_names_cost_files_too(model: keras.Model, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no target 'phone'.*cost file, NAME\.json"):
        export_tflite(model, tmp_path / "m.tflite", target="phone")


@pytest.mark.parametrize("name", ["cortex-a76"])
def test_costs_of_processors_come_with_nobuco(name: str) -> None:
    aim = Aim.of(name, "speed")
    assert aim.costs == Costs.read(shipped()[name]) and aim.target == "arm"
    assert aim.costs.unit == "kinstr" and name in aim.costs.device.lower()
    assert {"tanh gates", "winograd", "bands", "tiles"} <= aim.costs.layers.keys()
    assert all("bench tune" in each for each in aim.costs.measured.split("; "))


def test_an_unknown_target_is_told_the_processors() -> None:
    with pytest.raises(ValueError, match=r"no target 'cortex-a7': .*'cortex-a76'.*NAME\.json"):
        Aim.of("cortex-a7", "balanced")
