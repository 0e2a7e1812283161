"""Files that are no TFLite models, and how an inspected one is shown."""

import io
from pathlib import Path

import keras
import pytest
from keras import layers
from rich.console import Console

from nobuco.tflite import TFLiteFileError, export_tflite, inspect_tflite


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    x = keras.Input(batch_shape=(1, 8, 6, 3), name="image")
    y = layers.Conv2D(4, 3, padding="same")(layers.Permute((2, 1, 3))(x))
    return export_tflite(keras.Model(x, y), tmp_path_factory.mktemp("m") / "m.tflite").path


def test_counts(model_file: Path) -> None:
    info = inspect_tflite(model_file)
    assert info.ops == {"CONV_2D": 1, "TRANSPOSE": 1}
    assert (info.n_ops, info.transposes, info.custom_ops, info.flex_ops) == (2, 1, (), ())
    assert info.size_bytes == model_file.stat().st_size


def test_text(model_file: Path) -> None:
    text = str(inspect_tflite(model_file))
    assert "2 ops, 1 transposes" in text
    assert "image: float32 (1, 8, 6, 3)" in text


def test_table(model_file: Path) -> None:
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(inspect_tflite(model_file))
    text = console.export_text()
    assert "TRANSPOSE" in text and "1×6×8×3" in text and "448" in text


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(TFLiteFileError, match=r"absent\.tflite: cannot be read: No such file"):
        inspect_tflite(tmp_path / "absent.tflite")
    with pytest.raises(TFLiteFileError, match="Is a directory"):
        inspect_tflite(tmp_path)


@pytest.mark.parametrize("content, reason", [(b"", "it is empty"), (b"PK\x03\x04 a zip file", "starts with")])
def test_other_file(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "m.tflite"
    file.write_bytes(content)
    with pytest.raises(TFLiteFileError, match=f"not a TFLite model: .*{reason}"):
        inspect_tflite(file)


@pytest.mark.parametrize("part", [0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_truncated_file(tmp_path: Path, model_file: Path, part: float) -> None:
    data = model_file.read_bytes()
    file = tmp_path / "cut.tflite"
    file.write_bytes(data[: max(8, int(len(data) * part))])
    with pytest.raises(TFLiteFileError, match="truncated or damaged"):
        inspect_tflite(file)
