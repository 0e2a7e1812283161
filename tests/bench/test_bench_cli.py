"""The command line: quick to answer, clear about what is wrong, and never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.called import bench_command
from bench.cli import COMMANDS, main
from bench.commands.zoo import NOTHING_MEASURED
from bench.converters.nobuco_adapter import OPTIMIZE, TARGETS
from bench.converters.registry import get_converter

HEAVY = ("torch", "torchvision", "tensorflow", "keras", "numpy", "pandas", "matplotlib", "scipy")


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def complaint(*arguments: str) -> str:
    """The message of a command that must fail with one message."""
    result = bench(*arguments)
    assert result.exit_code != 0
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert "Traceback" not in result.output
    assert sum(line.startswith("Error:") for line in lines) == 1, lines
    return "\n".join(lines)


@pytest.mark.parametrize("arguments", [["--help"], ["zoo", "--help"], ["zoo", "--dry-run"], ["models"]])
def test_light_commands_import_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    heavy = (
        HEAVY if arguments == ["--help"] else ("torch", "torchvision", "tensorflow", "keras", "matplotlib")
    )
    script = (
        "import sys\nfrom bench.cli import main\n"
        f"main({arguments!r}, standalone_mode=False)\n"
        f"print('HEAVY', [name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_every_command_is_there_and_has_help() -> None:
    assert all(name in bench("--help").output for name in COMMANDS)
    for name in COMMANDS:
        assert bench(name, "--help").exit_code == 0


def test_an_unknown_model_gets_the_nearest_names() -> None:
    assert "mobilenet_v3_large" in complaint("zoo", "--models", "mobilenet_v3_larg", "--dry-run")


def test_an_unknown_device_gets_the_nearest_names() -> None:
    assert "host" in complaint("zoo", "--device", "hots", "--dry-run")


def test_an_unknown_delegate_gets_the_nearest_names(tmp_path: Path) -> None:
    assert "xnnpack" in complaint("zoo", "--delegate", "xnpack", "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_the_host_is_a_device() -> None:
    listed = json.loads(bench("devices", "list", "--json").stdout)
    assert {"host", "arm", "x86"} <= {row["name"] for row in listed}
    told = json.loads(bench("devices", "info", "host", "--json").stdout)
    assert told["info"]["cores"] >= 1 and "taken_at" in told["state"]


def test_commands_to_type_are_those_that_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / ".venv" / "bin" / "bench"
    tool.parent.mkdir(parents=True)
    tool.touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(tool.with_name("python")))
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.chdir(tmp_path)
    assert bench_command() == ".venv/bin/bench"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert bench_command() == str(tool)
    monkeypatch.setenv("PATH", str(tool.parent))
    assert bench_command() == "bench"


def test_only_emulated_machines_can_be_built() -> None:
    assert "arm and x86" in complaint("devices", "create", "host")


def test_the_doctor_names_what_it_looked_at() -> None:
    findings = json.loads(bench("doctor", "--json").stdout)
    assert {"Python", "torch", "environment of onnx-tf"} <= {finding["what"] for finding in findings}
    assert all(finding["detail"] for finding in findings)


def test_an_unknown_converter_gets_the_nearest_names() -> None:
    assert "onnx-tf" in complaint("zoo", "--converter", "onnx_tf", "--dry-run")


def test_an_unknown_command_is_a_usage_error() -> None:
    assert bench("zooo").exit_code == 2


@pytest.mark.parametrize("value", ["0", "-1", "two", ""])
def test_threads_must_be_numbers_from_one(value: str) -> None:
    assert bench("zoo", "--threads", value, "--dry-run").exit_code == 2


def test_an_output_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = complaint(
        "zoo", "--models", "slice_relu", "--converter", "nobuco", "--out", str(tmp_path / "file" / "out")
    )
    assert "file/out: cannot be written" in said and "--out" in said


def test_an_output_folder_in_use_is_named(tmp_path: Path) -> None:
    import filelock

    with filelock.FileLock(tmp_path / ".lock"):
        said = complaint("zoo", "--models", "slice_relu", "--converter", "nobuco", "--out", str(tmp_path))
    assert "another bench is writing" in said


def test_a_model_file_that_raises_is_named_with_what_it_said(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def make():\n    raise ValueError('no such thing as a flat sphere')\n")
    said = complaint(
        "zoo", "--models", f"{tmp_path}/mine.py:make", "--converter", "nobuco", "--out", str(tmp_path / "out")
    )
    assert "mine.py" in said and "flat sphere" in said


def test_an_op_without_a_converter_is_named_in_one_line(tmp_path: Path) -> None:
    code = "import torch\nfrom torch import nn\n\nclass Model(nn.Module):\n    def forward(self, x):\n"
    code += (
        "        return torch.special.airy_ai(x)\n\ndef make():\n    return Model(), (torch.eye(6) + 1,)\n"
    )
    (tmp_path / "mine.py").write_text(code)
    out = tmp_path / "out"
    result = bench(
        "zoo",
        "--models",
        f"{tmp_path}/mine.py:make",
        "--converter",
        "nobuco",
        "--out",
        str(out),
        "--rounds",
        "1",
    )
    assert result.exit_code == NOTHING_MEASURED
    (line,) = [line for line in result.stderr.splitlines() if "FAILED" in line]
    assert "nobuco has no converter for" in line and "mine.py" in line and "def " not in line
    log = Path(line.rpartition("(log: ")[2].rstrip(")"))
    assert "def " in log.read_text()  # the converter to fill in
    assert not list(out.glob("chart*"))


def test_a_report_of_nothing_says_how_to_get_records(tmp_path: Path) -> None:
    assert "bench zoo" in complaint("report", "--out", str(tmp_path))


def test_a_dry_run_writes_nothing_and_tells_the_plan(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = bench(
        "zoo", "--models", "slice_relu", "--threads", "1,2", "--dry-run", "--json", "--out", str(out)
    )
    plan = json.loads(result.stdout)
    assert [c["converter"] for c in plan["conversions"]] == ["nobuco", "onnx-tf"]
    assert [c["threads"] for c in plan["cells"]] == [1, 1, 2, 2]
    assert not out.exists()


def test_flag_over_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def rounds(*arguments: str) -> int:
        return json.loads(bench("zoo", "--models", "slice_relu", "--dry-run", "--json", *arguments).stdout)[
            "rounds"
        ]

    assert rounds() == 12
    Path("pyproject.toml").write_text("[tool.bench]\nrounds = 3\nmodels = ['slice_relu']\n")
    assert rounds() == 3
    Path("bench.toml").write_text("rounds = 4\n[zoo]\nrounds = 5\n")
    assert rounds() == 5
    monkeypatch.setenv("BENCH_ROUNDS", "6")
    assert rounds() == 6
    assert rounds("--rounds", "7") == 7


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("rouns = 3", "rounds"),
        ("[zo]\nrounds = 3", "zoo"),
        ("rounds =", "TOML"),
        ("[zoo]\nrouns = 3", "rounds"),
    ],
)
def test_a_wrong_settings_file_is_named(
    content: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bench.toml").write_text(content)
    said = complaint("zoo", "--dry-run")
    assert "bench.toml" in said and word in said


def test_models_are_listed_as_json() -> None:
    listed = json.loads(bench("models", "--json").stdout)
    assert set(listed["groups"]["readme"]) <= set(listed["models"])


def test_settings_of_the_environment_do_not_leak_into_tests() -> None:
    assert not [name for name in os.environ if name.startswith("BENCH_")]


def test_models_are_listed_with_shapes_and_parameters() -> None:
    result = bench("models", "raft_small", "mobilenet_v2@96", "segmentation")
    lines = result.stdout.splitlines()
    assert lines[1].split() == ["raft_small", "1x3x256x256", "+", "1x3x256x256", "1.0", "M", "optical_flow"]
    assert lines[2].split()[:4] == ["mobilenet_v2@96", "1x3x96x96", "3.5", "M"] and len(lines) == 3 + 6
    assert "raw predictions" in result.stderr  # what a detection model is


def test_a_size_is_for_all_models_and_told_in_their_names() -> None:
    command = ["zoo", "--models", "resnet18,slice_relu@64", "--size", "320", "--converter", "nobuco"]
    planned = json.loads(bench(*command, "--dry-run", "--json").stdout)
    assert [c["model"] for c in planned["conversions"]] == ["resnet18@320", "slice_relu@64"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--threads", "two"], "'two': is not a whole number"),
        (
            ["--delegate", "gpu"],
            "did you mean gpu-webgpu or gpu-webgpu-fp16 or gpu-opencl or gpu-opencl-fp16?",
        ),
        (["--sustained", "0"], "0.0 is not in the range x>0"),
    ],
)
def test_a_wrong_value_is_told_in_words_for_users(arguments: list[str], words: str) -> None:
    assert words in complaint("zoo", "--models", "slice_relu", "--dry-run", *arguments)


def test_help_tells_defaults_and_converters_as_they_are() -> None:
    said = " ".join(CliRunner().invoke(main, ["zoo", "--help"], terminal_width=100).output.split())
    assert "[default: 95%]" in said and "(95%)" not in said
    for word in (*TARGETS, *OPTIMIZE, "arm-speed"):
        assert f"nobuco:{word}" in said
        assert get_converter(f"nobuco:{word}").name == f"nobuco:{word}"


NOT_A_NUMBER = """
import torch

class Lost(torch.nn.Module):
    def forward(self, x):
        return x * float("nan")

def make():
    return Lost(), (torch.ones(1, 4),)
"""


def test_a_model_that_computes_no_numbers_has_no_figure(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(NOT_A_NUMBER)
    args = ["--models", f"{tmp_path}/mine.py:make", "--converter", "nobuco", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, ["convert", *args])
    assert result.exit_code != 0 and "Traceback" not in result.output
    assert "all that it returns is NaN or infinite" in " ".join(result.output.split())
