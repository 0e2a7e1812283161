"""The scripts for other converters' environments, run with stand-ins for what is installed there."""

import sys
from pathlib import Path

import pytest

from bench.jobs.process import JobOutcome, run_job
from bench.peers.scripts import script_command

ONNX2TF = """
import pathlib

def convert(input_onnx_file_path, output_folder_path, **_):
    assert pathlib.Path("calibration_image_sample_data_20x128x128x3_float32.npy").is_file(), "would download"
    folder = pathlib.Path(output_folder_path)
    folder.mkdir()
    (folder / "net_float32.tflite").write_bytes(pathlib.Path(input_onnx_file_path).read_bytes())
    (folder / "net_float16.tflite").write_bytes(b"")
    (folder / "net_integer_quant.tflite").write_bytes(b"int8")
    (folder / "net_full_integer_quant.tflite").write_bytes(b"int8, inputs too")
"""
ONNX = """
import pathlib

def load(path):
    return pathlib.Path(path).read_bytes()
"""
ONNX_TF = """
import pathlib

class prepare:
    def __init__(self, model):
        self.model = model

    def export_graph(self, folder):
        if self.model == b"bad":
            raise ValueError("no such op")
        pathlib.Path(folder).mkdir()
        (pathlib.Path(folder) / "graph").write_bytes(self.model)
"""
TENSORFLOW = """
import pathlib
from types import SimpleNamespace

def from_saved_model(folder):
    return SimpleNamespace(convert=(pathlib.Path(folder) / "graph").read_bytes)

lite = SimpleNamespace(TFLiteConverter=SimpleNamespace(from_saved_model=from_saved_model))
"""
NUMPY = """
import pathlib
from types import SimpleNamespace

float32 = "float32"
random = SimpleNamespace(default_rng=lambda seed: SimpleNamespace(random=lambda shape, dtype: b"noise"))

def save(path, array):
    pathlib.Path(path).write_bytes(array)
"""
INSTALLED = {
    "numpy.py": NUMPY,
    "onnx2tf.py": ONNX2TF,
    "onnx.py": ONNX,
    "onnx_tf/__init__.py": "",
    "onnx_tf/backend.py": ONNX_TF,
    "tensorflow.py": TENSORFLOW,
}


# The interpreter below this program's own environment: like a converter's, it has none of our packages.
BARE_PYTHON = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the stand-ins importable, and work in a folder of its own."""
    for name, content in INSTALLED.items():
        file = tmp_path / "installed" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "installed"))
    monkeypatch.chdir(tmp_path)


def convert(script: str, content: bytes = b"net", precision: str = "fp32") -> JobOutcome:
    """Run a script as an adapter does, with relative paths."""
    Path("model.onnx").write_bytes(content)
    command = script_command(BARE_PYTHON, script)
    return run_job(
        command,
        {"onnx": Path("model.onnx"), "precision": precision, "calibration": []},
        Path("results") / "made",
        timeout=60,
    )


@pytest.mark.parametrize("script", ["onnx_tf_script.py", "onnx2tf_script.py"])
def test_a_relative_output_folder_gets_the_file_and_nothing_else(script: str) -> None:
    outcome = convert(script)
    assert outcome.error is None, outcome.log.read_text()
    assert Path("results/made/model.tflite").read_bytes() == b"net"
    assert {"file", "seconds", "cpu_seconds", "peak_rss_mb"} <= outcome.result.keys()
    names = {path.name for path in Path("results/made").iterdir()}
    assert names == {"model.tflite", "result.json", "job.json", "log.txt"}


def test_a_converter_that_raises_is_an_outcome_with_its_words() -> None:
    outcome = convert("onnx_tf_script.py", b"bad")
    assert outcome.error == "ValueError: no such op"
    assert "Traceback" in outcome.log.read_text()


@pytest.mark.parametrize(("precision", "content"), [("int8", b"int8"), ("int8-io", b"int8, inputs too")])
def test_onnx2tf_s_file_of_a_precision_is_taken(precision: str, content: bytes) -> None:
    outcome = convert("onnx2tf_script.py", precision=precision)
    assert outcome.error is None, outcome.log.read_text()
    assert Path("results/made/model.tflite").read_bytes() == content


def test_a_precision_that_onnx2tf_left_no_file_of_is_an_outcome() -> None:
    outcome = convert("onnx2tf_script.py", precision="int16x8")
    assert outcome.error == "onnx2tf left no integer_quant_with_int16_act file, and its log says why"
