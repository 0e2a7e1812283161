"""`bench tune`: layers measured on a device, remembered, and a file made of what was found."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from bench.converters.registry import get_converter
from bench.errors import BenchError
from bench.tune import memory, tuning
from bench.tune.cost_file import save
from bench.tune.layers import WAYS, Layer
from bench.tune.memory import Memory
from tests.bench.stand_in_device import StandInDevice

MODEL = """
from torch import nn

def make():
    import torch
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 7, padding=3, groups=8)), (torch.rand(1, 3, 32, 32),)

def plain():
    import torch
    return nn.Sequential(nn.Linear(8, 4)), (torch.rand(2, 8),)
"""
FACTS = {"delegate": "xnnpack", "threads": 1, "optimize": "speed", "command": "bench tune net"}


def a_layer(formed: float, plain: float = 100.0, launches: int = 7, name: str = "A") -> Layer:
    layer = Layer("bands", name, "7x7", 2, {way: Path(f"{way}.tflite") for way in WAYS})
    for number in range(launches):
        layer.figures["plain"][number] = plain + number % 3
        layer.figures["formed"][number] = formed + number % 3
    return layer


def test_a_form_is_taken_only_where_it_is_certainly_cheaper() -> None:
    assert a_layer(80.0).cheaper(emulated=False)
    assert not a_layer(100.0).cheaper(emulated=False)
    assert not a_layer(120.0).cheaper(emulated=False)
    assert not a_layer(80.0, launches=3).cheaper(emulated=False), "too few launches for an interval"
    failed = a_layer(80.0)
    failed.failure = "it crashed"
    assert not failed.cheaper(emulated=False) and failed.ratio(emulated=False) is None


def test_of_counted_instructions_a_single_launch_decides() -> None:
    assert a_layer(98.0, launches=1).cheaper(emulated=True)
    assert not a_layer(99.8, launches=1).cheaper(emulated=True), "so much the same launch differs from itself"


def test_what_was_measured_is_known_to_the_next_model_in_the_same_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOBUCO_CACHE_DIR", str(tmp_path))
    place = {"device": "d", "runtime": "1"}
    Memory(place).keep([a_layer(80.0), a_layer(70.0, name="B")])
    Memory(place).keep([a_layer(60.0, name="C")])
    same, new = (Layer("bands", name, "7x7", 5, {}) for name in ("A", "D"))
    assert Memory(place).recall([same, new]) == 1
    assert same.figures == a_layer(80.0).figures and new.cost("plain") is None
    assert Memory({**place, "runtime": "2"}).recall([same]) == 1, "its own figures, of the layer itself"
    assert Memory({**place, "runtime": "2"}).recall([Layer("bands", "A", "7x7", 5, {})]) == 0
    Memory(place).path.write_text("{")
    with pytest.raises(BenchError, match="remove it to measure again"):
        Memory(place).recall([new])


def test_a_cost_file_gathers_the_layers_of_several_models(tmp_path: Path) -> None:
    path, device = tmp_path / "costs" / "phone.json", StandInDevice()
    save(path, [a_layer(80.0)], device, "r1", FACTS)  # type: ignore[arg-type]
    more = [a_layer(120.0, name="B"), Layer("bands", "unmeasured", "7x7", 1, {})]
    for _ in range(2):
        save(path, more, device, "r1", {**FACTS, "command": "bench tune other"})  # type: ignore[arg-type]
    content = json.loads(path.read_text())
    first, other = content["measured"].split("; ")
    assert first.endswith(FACTS["command"]) and other.endswith("bench tune other")
    save(path, more, device, "r1", {**FACTS, "command": "bench tune oth"})  # type: ignore[arg-type]
    assert len(json.loads(path.read_text())["measured"].split("; ")) == 3, (
        "not the same, though it begins alike"
    )
    assert {name: each["cheaper"] for name, each in content["layers"]["bands"].items()} == {
        "A": True,
        "B": False,
    }
    assert (content["target"], content["unit"], content["device"]) == ("arm", "us", "adb:PHONE (Stand-in)")
    save(path, [a_layer(80.0, name="C")], device, "r2", FACTS)  # type: ignore[arg-type]
    assert list(json.loads(path.read_text())["layers"]["bands"]) == ["C"], "another runtime: other costs"
    path.write_text("[]")
    with pytest.raises(BenchError, match="is no cost file"):
        save(path, [], device, "r2", FACTS)  # type: ignore[arg-type]


def test_a_cost_file_makes_a_converter(tmp_path: Path) -> None:
    path = tmp_path / "pixel.json"
    save(path, [a_layer(80.0)], StandInDevice(), "r", FACTS)  # type: ignore[arg-type]
    converter = get_converter(f"nobuco:{path}")
    assert converter.name == "nobuco:pixel"
    save(tmp_path / "arm.json", [], StandInDevice(), "r", FACTS)  # type: ignore[arg-type]
    assert get_converter(f"nobuco:{tmp_path / 'arm.json'}").name == "nobuco:arm.json", "nobuco:arm is another"
    before = converter.version()
    save(path, [a_layer(120.0)], StandInDevice(), "r", FACTS)  # type: ignore[arg-type]
    assert get_converter(f"nobuco:{path}").version() != before, "other costs make another file"
    with pytest.raises(BenchError, match="cost file cannot be read: No such file"):
        get_converter(f"nobuco:{tmp_path / 'none.json'}")
    path.write_text("[]")
    with pytest.raises(BenchError, match="`bench tune` writes them"):
        get_converter(f"nobuco:{path}")


def run(folder: Path, *words: str) -> Result:
    (folder / "mine.py").write_text(MODEL)
    return CliRunner().invoke(main, ["tune", *words, "--out", str(folder / "out"), "--settle", "0"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("no-such-model",), "no-such-model"),
        (("readme",), "is a group of 3 models; tune one at a time"),
        (("slice_relu", "--device", "phone"), "phone"),
        (("slice_relu", "--delegate", "gpu"), "gpu"),
        (("slice_relu", "--rounds", "2"), "rounds: must be 5 or more, for an interval, not 2"),
    ],
)
def test_what_cannot_be_tuned_is_said_before_anything_is_done(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    result = run(tmp_path, *words)
    assert result.exit_code == 1 and said in result.output and "Traceback" not in result.output
    assert not (tmp_path / "out" / "artifacts").exists()


def test_from_a_model_to_its_fastest_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = tuning.launch

    def counted(device: Any, request: Any) -> Any:
        asked.append(request.model.name)
        return real(device, request)

    monkeypatch.setattr(tuning, "launch", counted)
    monkeypatch.setattr(memory, "cache_folder", lambda name: tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    words = (f"{tmp_path / 'mine.py'}:make", "--rounds", "5", "--file", str(tmp_path / "best.tflite"))
    result = run(tmp_path, *words, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [layer["form"] for layer in found["layers"]] == ["bands", "whole strides"]
    for layer in found["layers"]:
        assert layer["plain"] > 0 and layer["ratio_low"] <= layer["ratio"] <= layer["ratio_high"]
    assert {cell["converter"]: cell["max_error"] < 1e-5 for cell in found["cells"]} == {
        "nobuco": True,
        "nobuco:host": True,
    }
    assert (tmp_path / "best.tflite").is_file()
    assert json.loads((tmp_path / "out" / "host.json").read_text())["layers"]["bands"]
    assert len(asked) == 20
    shown = run(tmp_path, *words)
    assert shown.exit_code == 0 and len(asked) == 20, "what was measured is not measured again"
    assert "The usual file has the fastest forms already" in shown.output
    assert "bands" in shown.output and "7x7, 8→8, 16x16" in shown.output
    assert f"target='{tmp_path / 'out' / 'host.json'}'" in shown.output.replace("\n", "")
