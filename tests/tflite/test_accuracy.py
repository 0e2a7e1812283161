"""The error of a quantised file by layer: against the right float file, and legible."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

import nobuco
from nobuco.errors import NobucoError
from nobuco.per_layer.shown import remarks
from nobuco.per_layer.tables import SHOWN, said
from nobuco.tflite.errors import TFLiteFileError
from tests.tflite.test_fake_quantised import CONFIGS, images_of, trained

SAMPLES = list(torch.randn(20, 1, 3, 10, 10, generator=torch.Generator().manual_seed(0)))


def converted(model: nn.Module | Callable) -> keras.Model:
    model = model.eval() if isinstance(model, nn.Module) else model
    return nobuco.pytorch_to_keras(model, [SAMPLES[0]], verbose=False)


class Unequal(nn.Module):
    """Two layers with channels in between that are up to ten thousand times apart, of which one reads none."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 3)
        by = torch.logspace(-2, 2, 8)
        with torch.no_grad():
            self.a.weight *= by[:, None, None, None]
            self.a.bias *= by  # type: ignore[operator]
            self.b.weight /= by[None, :, None, None]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(torch.relu(self.a(x)))


@pytest.fixture(scope="module")
def unequal() -> keras.Model:
    return converted(Unequal())


@pytest.fixture(scope="module")
def small() -> keras.Model:
    torch.manual_seed(0)
    return converted(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Hardswish(), nn.Conv2d(4, 2, 3)))


def exported(model: keras.Model, path: Path, precision: Any, **options: Any) -> nobuco.ExportedTFLite:
    return nobuco.export_tflite(model, path, precision=precision, calibration=SAMPLES, **options)


def figures(found: nobuco.Accuracy) -> list[dict[str, Any]]:
    return found.to_dict()["layers"]


# -- what a file is held against


@pytest.mark.parametrize("prepare", ["equalise", ("equalise", "bias")])
def test_no_layer_is_blamed_for_being_equalised(unequal: keras.Model, tmp_path: Path, prepare: Any) -> None:
    file = exported(unequal, tmp_path / "m.tflite", "int8", prepare=prepare)
    assert file.precision is not None and file.precision.prepared[0].kept and file.precision.snr > 30
    for given in (file, file.path):
        found = nobuco.accuracy(unequal, given, SAMPLES)
        assert found.keep == () and len(found.layers) == 2
        for layer in found.layers:
            assert layer.alone is not None and layer.alone > 30
            assert layer.tensor is not None and layer.tensor.snr > 30 and layer.tensor.clipped == 0


def test_of_integers_from_end_to_end_each_layer_is_tried(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = converted(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(256, 5), nn.Softmax(-1)))
    file = exported(model, tmp_path / "m.tflite", "int8", integer_io=True)
    softmax = next(
        layer for layer in nobuco.accuracy(model, file, SAMPLES).layers if layer.row.op == "SOFTMAX"
    )
    assert softmax.alone is not None and softmax.alone > 20
    assert softmax.tensor is not None and softmax.tensor.scale == pytest.approx(1 / 256)


class Chain(nn.Module):
    """Each layer is the second of one pair and the first of the next."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.depthwise = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=8)
        self.pointwise, self.head = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 5, 1)
        by = torch.logspace(0, 2, 8)
        with torch.no_grad():
            self.depthwise.weight *= by[:, None, None, None]
            self.depthwise.bias *= by  # type: ignore[operator]
            self.pointwise.weight /= by[None, :, None, None]
            self.pointwise.weight *= by.flip(0)[:, None, None, None]
            self.head.weight /= by.flip(0)[None, :, None, None]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.depthwise(torch.relu(self.first(x))))
        return self.head(torch.relu(self.pointwise(x)))


def test_what_is_equalised_in_a_row_is_read_off_in_a_row(tmp_path: Path) -> None:
    model = converted(Chain())
    file = exported(model, tmp_path / "m.tflite", "int8", prepare="equalise")
    assert file.precision is not None and int(file.precision.prepared[0].said.split()[0]) >= 2
    found = nobuco.accuracy(model, file.path, SAMPLES)
    assert found.keep == ()
    assert min(layer.tensor.snr for layer in found.layers if layer.tensor) > 25


def test_a_file_that_is_not_equalised_is_held_against_the_plain_one(
    unequal: keras.Model, tmp_path: Path
) -> None:
    with pytest.warns(nobuco.PrecisionWarning):
        file = exported(unequal, tmp_path / "m.tflite", "int8")
    found = nobuco.accuracy(unequal, file, SAMPLES)
    first = next(layer for layer in found.layers if layer.row.name != "output_0")
    assert first.tensor is not None and first.tensor.high > 100
    assert len(found.keep) == 2


def test_a_recipe_by_tensorflow_is_measured_as_it_is_written(small: keras.Model, tmp_path: Path) -> None:
    recipe = nobuco.Recipe(engine="tensorflow")
    file = exported(small, tmp_path / "m.tflite", recipe)
    found = nobuco.accuracy(small, file, SAMPLES)
    assert file.precision is not None and found.outputs == file.precision.outputs
    last = next(layer for layer in found.layers if layer.row.name == "output_0")
    # what bears the output's name is made by DEQUANTIZE: the layer itself computes with integers
    assert last.tensor is not None and last.tensor.scale is not None
    assert figures(nobuco.accuracy(small, recipe, SAMPLES)) == figures(found)


@pytest.mark.parametrize("precision", ["fp16", "int8", "int8-weights", "auto"])
def test_a_precision_is_measured_as_it_is_written(small: keras.Model, tmp_path: Path, precision: str) -> None:
    file = exported(small, tmp_path / "m.tflite", precision)
    found, of_file = (nobuco.accuracy(small, each, SAMPLES) for each in (precision, file))
    assert file.precision is not None and found.outputs == of_file.outputs == file.precision.outputs
    assert figures(found) == figures(of_file)


def test_a_model_with_scales_of_its_own_is_measured_by_them(tmp_path: Path) -> None:
    model = trained(CONFIGS["uint8, affine, weights a channel"], fx=False)
    images = images_of(20)
    keras_model = nobuco.pytorch_to_keras(model, [images[:1]], verbose=False)
    file = nobuco.export_tflite(keras_model, tmp_path / "m.tflite", precision="int8", calibration=images)
    assert file.precision is not None
    written = {layer["tensor"]: layer for layer in figures(nobuco.accuracy(keras_model, file, images))}
    for given in ("int8", file.path):
        found = nobuco.accuracy(keras_model, given, images)
        assert found.outputs == file.precision.outputs
        assert {layer["tensor"]: layer for layer in figures(found)} == written
    # the model's own rounding is none of the file's errors, and no layer
    assert not {"MUL", "ROUND", "MINIMUM", "QUANTIZE", "DEQUANTIZE"} & {
        each["op"] for each in written.values()
    }
    assert all(each["snr"] > 40 and each["alone"] > 40 for each in written.values())
    assert {each["op"] for each in written.values()} >= {"CONV_2D", "MEAN", "FULLY_CONNECTED"}


@pytest.mark.filterwarnings("ignore::nobuco.PrecisionWarning")
def test_a_file_of_fake_quantisation_that_another_engine_made(tmp_path: Path) -> None:
    model = trained(CONFIGS["int8, symmetric"], fx=False)
    images = images_of(20)
    keras_model = nobuco.pytorch_to_keras(model, [images[:1]], verbose=False)
    recipe = nobuco.Recipe(engine="tensorflow")
    file = nobuco.export_tflite(keras_model, tmp_path / "m.tflite", precision=recipe, calibration=images)
    found = nobuco.accuracy(keras_model, file, images)
    assert any(layer.tensor is not None and layer.tensor.scale is not None for layer in found.layers)
    assert len(nobuco.accuracy(keras_model, file.path, images).layers) == len(found.layers)


def test_infinities_that_are_meant_are_no_error(tmp_path: Path) -> None:
    weights = torch.eye(10)

    def masked(x: torch.Tensor) -> torch.Tensor:
        x = torch.nn.functional.linear(x, weights)
        return torch.softmax(x.masked_fill(x > 1, -torch.inf), 1)

    found = nobuco.accuracy(converted(masked), "int8-weights", SAMPLES)
    for layer in found.layers:
        assert layer.tensor is not None and layer.tensor.snr > 30
        assert np.isfinite(layer.tensor.low) and np.isfinite(layer.tensor.high)


# -- what cannot be measured


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("fp32", "'fp32' is the float file itself.*give a precision .*int8.*auto"),
        ("int9", "'int9' is no precision, and there is no such file: give a precision .*nobuco.Recipe"),
        ("missing.tflite", "missing.tflite: cannot be read"),
        (None, "file is a NoneType: give a precision"),
        (nobuco.Recipe, "file is a type"),
    ],
)
def test_what_is_no_file_and_no_precision(small: keras.Model, file: Any, said: str) -> None:
    with pytest.raises(NobucoError, match=said):
        nobuco.accuracy(small, file, SAMPLES)


@pytest.mark.parametrize(("value", "said"), [(np.nan, "NaN"), (np.inf, "infinity")], ids=["NaN", "infinity"])
def test_samples_that_are_no_numbers(small: keras.Model, tmp_path: Path, value: float, said: str) -> None:
    bad = [each.clone() for each in SAMPLES]
    bad[7][0, 1, 2, 3] = value
    for file in ("int8", exported(small, tmp_path / "m.tflite", "int8")):
        with pytest.raises(
            nobuco.CalibrationError, match=f"^sample 7 holds {said} in input 'input': leave it out"
        ):
            nobuco.accuracy(small, file, bad)


# -- how it looks


@pytest.fixture(scope="module")
def many() -> nobuco.Accuracy:
    """Of calls that several ops are made from, some of which stay float."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Softplus(), nn.Flatten(), nn.LayerNorm(256), nn.Linear(256, 5)
    )
    return nobuco.accuracy(converted(model), "int8", SAMPLES)


def printed(found: nobuco.Accuracy, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(found)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_call_has_the_remark_of_its_worst_op(many: nobuco.Accuracy) -> None:
    layer = next(layer for layer in many.layers if layer.calls)
    worst_first = tuple(replace(layer, alone=alone) for alone in (3.0, 35.0, 60.0))
    remark = remarks(replace(many, layers=worst_first))[layer.calls[-1]]
    assert remark.text.startswith("3.0 dB alone") and remark.level == "bad"


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_all_figures_are_legible_at_any_width(many: nobuco.Accuracy, width: int) -> None:
    shown = printed(many, width)
    lines = shown.splitlines()
    assert max(map(len, lines)) <= width
    words = " ".join(line.strip("│├─└ ") for line in lines)
    for layer in many.layers[:SHOWN]:
        assert "".join(layer.name.split()) in "".join(words.split()) or width == 200
    if width >= 80:
        assert all(said(layer.alone) in shown for layer in many.layers[:SHOWN])
        assert all(f"{layer.tensor.high:.3g}" in shown for layer in many.layers[:SHOWN] if layer.tensor)
        assert "…" not in shown
    # the tree's remarks, folded rather than cut off
    assert "".join(words.split()).count("dBsofar") == len(remarks(many))


def test_a_remark_stands_where_no_window_cuts_it_off(many: nobuco.Accuracy, tmp_path: Path) -> None:
    many.save_html(tmp_path / "page.html")
    rows = (tmp_path / "page.html").read_text(encoding="utf-8").split('<span class="row ')[1:]
    remarked = [row for row in rows if 'class="remark ' in row]
    assert len(remarked) == len(remarks(many))
    assert all(row.index('class="remark ') < row.index('class="shapes"') for row in remarked)


def test_where_a_page_cannot_be_written_is_told(many: nobuco.Accuracy, tmp_path: Path) -> None:
    for save in (many.save_html, many.save_node_data):
        with pytest.raises(
            TFLiteFileError, match=r"nodir.x: cannot be written: there is no folder .*make it"
        ):
            save(tmp_path / "nodir" / "x")
        with pytest.raises(TFLiteFileError, match="cannot be written: Is a directory: give another path"):
            save(tmp_path)
    many.save_node_data(tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text())["results"]
