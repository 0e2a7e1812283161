"""Exported files: order and names of inputs and outputs, numbers, and what happens when it goes wrong."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from ai_edge_litert.interpreter import Interpreter
from keras import layers

import nobuco
from nobuco.tflite import (
    TFLiteExportError,
    TFLiteFileError,
    TFLiteMismatchError,
    export_tflite,
    inspect_tflite,
)


@pytest.fixture(scope="module")
def small() -> keras.Model:
    image = keras.Input(batch_shape=(1, 8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same")(image)
    return keras.Model(image, layers.ReLU()(layers.BatchNormalization()(x)))


def _three_in_five_out(as_dict: bool = False) -> keras.Model:
    # names whose alphabetical order is not the order of the inputs
    z, a, m = (keras.Input(batch_shape=(1, 4), name=name) for name in ("zeta", "alpha", "mid"))
    doubled, tripled = layers.Rescaling(2.0)(z), layers.Rescaling(3.0)(a)
    total = layers.Add()([m, z])
    if as_dict:
        return keras.Model([z, a, m], {"zz": doubled, "bb": tripled, "aa": total})
    return keras.Model([z, a, m], [doubled, tripled, total, doubled, z])


def _run_by_index(path: Path, values: list[float]) -> list[float]:
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), values, strict=True):
        interpreter.set_tensor(detail["index"], np.full(detail["shape"], value, np.float32))
    interpreter.invoke()
    return [float(interpreter.get_tensor(d["index"]).flat[0]) for d in interpreter.get_output_details()]


def test_order_is_the_models_own(tmp_path: Path) -> None:
    result = export_tflite(_three_in_five_out(), tmp_path / "m.tflite")
    assert [t.name for t in result.info.inputs] == ["zeta", "alpha", "mid"]
    assert [t.name for t in result.info.outputs] == [f"output_{i}" for i in range(5)]
    assert _run_by_index(result.path, [1, 10, 100]) == [2, 30, 101, 2, 1]


def test_signature_agrees_with_the_order(tmp_path: Path) -> None:
    result = export_tflite(_three_in_five_out(as_dict=True), tmp_path / "m.tflite")
    assert [t.name for t in result.info.outputs] == ["zz", "bb", "aa"]
    assert _run_by_index(result.path, [1, 10, 100]) == [2, 30, 101]
    runner = Interpreter(str(result.path)).get_signature_runner("serving_default")
    named = {"zeta": 1.0, "alpha": 10.0, "mid": 100.0}
    outputs = runner(**{name: np.full((1, 4), value, np.float32) for name, value in named.items()})
    assert {name: float(value[0, 0]) for name, value in outputs.items()} == {"aa": 101, "bb": 30, "zz": 2}


def test_many_outputs_keep_their_order(tmp_path: Path) -> None:
    x = keras.Input(batch_shape=(1, 12))
    pieces = layers.Lambda(lambda t: tf.split(t, 12, axis=-1))(x)
    path = export_tflite(keras.Model(x, pieces), tmp_path / "m.tflite").path
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.arange(12, dtype=np.float32)[None])
    interpreter.invoke()
    found = [float(interpreter.get_tensor(d["index"])[0, 0]) for d in interpreter.get_output_details()]
    assert found == list(range(12))


def test_result_is_validated_and_usable_as_a_path(small: keras.Model, tmp_path: Path) -> None:
    result = export_tflite(small, tmp_path / "new" / "m.tflite")
    assert result.max_relative_error is not None and result.max_relative_error < 1e-5
    assert os.fspath(result) == str(tmp_path / "new" / "m.tflite")
    assert result.info.path == result.path and result.info.size_bytes == result.path.stat().st_size
    assert [p.name for p in result.path.parent.iterdir()] == ["m.tflite"]
    assert export_tflite(small, tmp_path / "m.tflite", validate=False).max_relative_error is None


def test_same_model_gives_same_bytes(small: keras.Model, tmp_path: Path) -> None:
    one = export_tflite(small, tmp_path / "1.tflite", validate=False).path.read_bytes()
    assert one == export_tflite(small, tmp_path / "2.tflite", validate=False).path.read_bytes()


def test_dynamic_sizes_stay_dynamic(tmp_path: Path) -> None:
    x = keras.Input((None, None, 3))
    model = keras.Model(x, layers.Conv2D(2, 3)(x))
    result = export_tflite(model, tmp_path / "m.tflite")
    assert result.info.inputs[0].shape_signature == (-1, -1, -1, 3)
    assert result.max_relative_error is not None and result.max_relative_error < 1e-5
    given = export_tflite(model, tmp_path / "m.tflite", sample_inputs=[np.ones((2, 9, 5, 3), np.float32)])
    assert given.max_relative_error is not None


def test_input_too_small_for_the_model(tmp_path: Path) -> None:
    x = keras.Input((None, None, 3))
    model = keras.Model(x, layers.Conv2D(2, 65)(x))
    with pytest.raises(TFLiteExportError, match=r"does not run on inputs of shape \(1, 64, 64, 3\)"):
        export_tflite(model, tmp_path / "m.tflite")


def test_integer_and_boolean_inputs(tmp_path: Path) -> None:
    index = keras.Input(batch_shape=(1, 5), dtype="int32")
    keep = keras.Input(batch_shape=(1, 5), dtype="bool")
    masked = layers.Lambda(lambda t: tf.where(t[1], t[0] + 1, 0), output_shape=(5,))([index, keep])
    result = export_tflite(keras.Model([index, keep], masked), tmp_path / "m.tflite")
    assert [t.dtype for t in result.info.inputs] == ["int32", "bool"]


def test_sequential_model(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    assert export_tflite(model, tmp_path / "m.tflite").info.ops == {"FULLY_CONNECTED": 1}


def contrast(x: Any) -> Any:
    """What TFLite runs with TensorFlow's own op only."""
    images = tf.reshape(x, [1, 2, 2])
    return tf.reshape(tf.raw_ops.AdjustContrastv2(images=images, contrast_factor=2.0), [1, 4])


def test_unsupported_op_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    x = keras.Input(batch_shape=(1, 4))
    model = keras.Model(x, layers.Lambda(contrast)(x))
    with pytest.raises(TFLiteExportError, match=r"no op for AdjustContrastv2 .*allow_flex=True") as caught:
        export_tflite(model, tmp_path / "m.tflite")
    assert "tf.AdjustContrastv2(tensor<1x2x2xf32>, tensor<f32>)" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_flex_on_request(tmp_path: Path) -> None:
    x = keras.Input(batch_shape=(1, 4))
    model = keras.Model(x, layers.Lambda(contrast)(x))
    with pytest.warns(UserWarning, match="not compared .* Flex delegate for FlexAdjustContrastv2"):
        result = export_tflite(model, tmp_path / "m.tflite", allow_flex=True)
    assert result.max_relative_error is None
    assert result.info.flex_ops == ("FlexAdjustContrastv2",) and result.info.custom_ops == ()


def test_mismatch_leaves_the_old_file(
    small: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.tflite"
    path.write_text("old")
    monkeypatch.setattr("nobuco.tflite.compare._run", lambda *_: [np.ones((1, 8, 8, 4), np.float32)])
    with pytest.raises(TFLiteMismatchError, match=r"output 'output_0' .* tolerance of 1e-03"):
        export_tflite(small, path)
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_unwritable_places(small: keras.Model, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TFLiteFileError, match=r"file/m\.tflite: cannot be written"):
        export_tflite(small, tmp_path / "file" / "m.tflite")
    (tmp_path / "folder.tflite").mkdir()
    with pytest.raises(TFLiteFileError, match=r"folder\.tflite: cannot be written: is a directory"):
        export_tflite(small, tmp_path / "folder.tflite")


def test_bad_models_and_samples(small: keras.Model, tmp_path: Path) -> None:
    with pytest.raises(TFLiteExportError, match="not function"):
        export_tflite(lambda x: x, tmp_path / "m.tflite")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TFLiteExportError, match="no known inputs"):
        export_tflite(keras.Sequential([layers.Dense(2)]), tmp_path / "m.tflite")
    with pytest.raises(TFLiteExportError, match="has 0 arrays, the model takes 1"):
        export_tflite(small, tmp_path / "m.tflite", sample_inputs=[])
    with pytest.raises(TFLiteExportError, match=r"'image' takes shape \(1, 8, 8, 3\), not \(1, 3, 8, 8\)"):
        export_tflite(small, tmp_path / "m.tflite", sample_inputs=[np.zeros((1, 3, 8, 8), np.float32)])


def test_no_chatter(small: keras.Model, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    export_tflite(small, tmp_path / "m.tflite")
    assert capfd.readouterr() == ("", "")


def test_inspecting_what_was_written(small: keras.Model, tmp_path: Path) -> None:
    path = export_tflite(small, tmp_path / "m.tflite", validate=False).path
    (row,) = inspect_tflite(path).rows
    assert (row.op, row.activation) == ("CONV_2D", "relu")
    assert (row.input_shapes[0], row.output_shapes) == ((1, 8, 8, 3), ((1, 8, 8, 4),))
    assert row.weight_bytes == 4 * (4 * 3 * 3 * 3 + 4)


def test_half_precision_is_named_as_the_reason(tmp_path: Path) -> None:
    x = keras.Input(batch_shape=(1, 4, 3), name="x", dtype="float16")
    model = keras.Model(x, layers.Permute((2, 1), dtype="float16")(x))
    with pytest.raises(TFLiteExportError, match=r"the model computes in float16.*in float32"):
        export_tflite(model, tmp_path / "m.tflite")


def test_a_loop_over_a_batch_of_unknown_size_says_to_fix_it(tmp_path: Path) -> None:
    x = keras.Input(shape=(5, 4), name="x")
    model = keras.Model(x, layers.LSTM(3)(x))
    with pytest.raises(TFLiteExportError, match="with a fixed batch size"):
        export_tflite(model, tmp_path / "m.tflite")


def test_inputs_that_nothing_reads_or_that_are_returned(tmp_path: Path) -> None:
    for function, outputs in ((lambda x, y: y * 2, 1), (lambda x, y: (x, y * 2), 2)):
        model = nobuco.pytorch_to_keras(function, [torch.rand(2, 3), torch.rand(2, 3)], verbose=False)
        info = nobuco.export_tflite(model, tmp_path / "m.tflite").info
        assert (len(info.inputs), len(info.outputs)) == (2, outputs)
