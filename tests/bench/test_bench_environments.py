"""Environments of competing converters: made once, whole or not at all, with clear words if not."""

import io
import os
import stat
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from bench.cli import main
from bench.errors import BenchError
from bench.peers.environments import Environment, find_python
from bench.progress import Reporter

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOBUCO_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def say() -> Reporter:
    return Reporter(Console(file=io.StringIO()))


class NoPackages(Environment):
    """An environment whose lock names nothing, so that it can be made without a network."""

    pins = ""


def test_it_is_made_once_also_after_an_interruption_and_removed(say: Reporter) -> None:
    environment = NoPackages("empty", "none.txt", HERE)
    environment.folder.mkdir(parents=True)
    (environment.folder / "half").write_text("made")
    assert not environment.installed
    interpreter = environment.ensure(say)
    assert interpreter.is_file() and environment.installed
    assert not (environment.folder / "half").exists()
    made = interpreter.lstat().st_mtime_ns
    assert environment.ensure(say).lstat().st_mtime_ns == made
    assert environment.remove(say)
    assert not environment.folder.exists() and not environment.remove(say)


def test_no_network_is_one_clear_message(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    result = CliRunner().invoke(main, ["baselines", "install", "onnx-tf"])
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert len(errors) == 1 and "Traceback" not in result.output
    assert (
        "onnx-tf" in errors[0] and "network" in errors[0] and "bench baselines install onnx-tf" in errors[0]
    )
    listed = CliRunner().invoke(main, ["baselines", "list"])
    assert "not installed" in listed.stdout


def test_a_missing_python_is_named_with_what_was_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        BenchError, match=rf"needs Python 3\.4: this is Python {HERE}, .* no working python3\.4"
    ):
        find_python("3.4", "onnx-tf")


def test_a_launcher_without_an_interpreter_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    launcher = tmp_path / "python3.4"
    launcher.write_text("#!/bin/sh\nexit 127\n")
    launcher.chmod(launcher.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(BenchError, match=r"no working python3\.4"):
        find_python("3.4", "onnx-tf")


def test_an_unknown_environment_is_named() -> None:
    result = CliRunner().invoke(main, ["baselines", "remove", "nobuco"])
    assert result.exit_code == 1 and "onnx-tf" in result.stderr
