"""What `import nobuco` costs and says: nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import nobuco

ROOT = Path(nobuco.__file__).parents[1]


def python(program: str, **environment: str) -> subprocess.CompletedProcess:
    clean = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", program], env={**clean, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "program",
    [
        "import nobuco",
        "from nobuco.tflite import inspect_tflite",
        "import nobuco; nobuco.inspect_tflite, nobuco.TFLiteError, nobuco.NobucoError",
        "from nobuco.validate.compare import relative_error",
    ],
)
def test_what_reads_files_loads_neither_torch_nor_tensorflow(program):
    heavy = "('torch', 'tensorflow', 'keras')"
    done = python(f"{program}\nimport sys\nprint([name for name in {heavy} if name in sys.modules])")
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_tensorflow_starts_quietly():
    program = """
import nobuco, torch
nobuco.pytorch_to_keras(torch.nn.Softsign(), [torch.rand(3)], verbose=False)
"""
    done = python(program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_log_that_a_user_asks_for_is_shown():
    done = python("import nobuco; nobuco.pytorch_to_keras", TF_CPP_MIN_LOG_LEVEL="0")
    assert done.returncode == 0
    assert "TensorFlow binary" in done.stderr


def test_every_public_name_is_there():
    assert sorted(nobuco.__all__) == nobuco.__all__
    for name in nobuco.__all__:
        assert getattr(nobuco, name) is not None
    assert set(nobuco.__all__) <= set(dir(nobuco))
    with pytest.raises(AttributeError, match="no attribute 'pytorch_to_kears'"):
        nobuco.pytorch_to_kears  # noqa: B018
