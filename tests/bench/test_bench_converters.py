"""Converters by name, and what their files are made for."""

from pathlib import Path
from typing import Any, get_args

import pytest

from bench.converters import nobuco_adapter
from bench.converters.nobuco_adapter import OPTIMIZE, TARGETS, Nobuco
from bench.converters.registry import NAMES, get_converter
from bench.errors import BenchError
from bench.progress import Reporter
from nobuco.tflite.forms import Optimize, Target


@pytest.mark.parametrize(
    ("name", "aim"),
    [
        ("nobuco", {}),
        ("nobuco:arm", {"target": "arm"}),
        ("nobuco:cortex-a76", {"target": "cortex-a76", "optimize": "speed"}),
        ("nobuco:speed", {"optimize": "speed"}),
        ("nobuco:x86-size", {"target": "x86", "optimize": "size"}),
    ],
)
def test_what_files_are_made_for_is_part_of_the_name(
    name: str, aim: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[dict[str, Any]] = []
    monkeypatch.setattr(nobuco_adapter, "run_job", lambda command, job, folder, timeout: jobs.append(job))

    class Reference:
        def job(self) -> dict[str, Any]:
            return {"model": {}}

    converter = get_converter(name)
    assert converter.name == name
    converter.convert(Reference(), Path(), 1.0, Reporter())  # type: ignore[arg-type]
    assert jobs == [{"model": {}, "aim": aim, "precision": "fp32"}]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nobuco:phone", "one of arm, x86, gpu"),
        ("nobuco:speed-arm", "nobuco:arm-speed"),
        ("nobuco:", "behind nobuco:"),
        ("nobucco", "did you mean nobuco"),
        ("onnx-tf:arm", "unknown converter 'onnx-tf:arm'"),
    ],
)
def test_other_names_are_refused(name: str, words: str) -> None:
    with pytest.raises(BenchError, match=words):
        get_converter(name)


def test_names_are_those_of_the_library() -> None:
    assert set(TARGETS) == set(get_args(Target)) - {"cpu"}
    assert set(OPTIMIZE) == set(get_args(Optimize)) - {"balanced"}
    assert Nobuco().name in NAMES
