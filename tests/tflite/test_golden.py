"""No file gets worse: more ops, more transposes, more that a delegate leaves, more instructions.

Counting takes an emulated machine and minutes: what is tested here is that each file is still the one that was counted."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import nobuco
from nobuco.tflite import export_tflite
from tests.devices.conftest import boot
from tests.effort import slow
from tests.tflite.golden import DEVICE, RECORD, SMALL, ZOO, counts, instructions, worse
from tests.tflite.graph_digest import graph_digest

_THEN = json.loads(RECORD.read_text())


@pytest.mark.parametrize("name", [*SMALL, *(pytest.param(name, marks=slow) for name in ZOO)])
def test_no_worse(name: str, tmp_path: Path) -> None:
    now, then = counts(name, tmp_path), _THEN[name]
    again = f"python -m tests.tflite.golden '{name}' counts it"
    assert not worse(now, then), f"{now}; {again} (--accept: although it is worse)"
    assert now["graph"] == then.get("graph"), (
        f"another file than the one whose instructions are known: {again}"
    )


@pytest.mark.emulator
@slow
def test_instructions_are_as_recorded(tmp_path: Path) -> None:
    name = "small vit"
    now = counts(name, tmp_path)
    device = boot(DEVICE)
    try:
        now["kinstr"] = instructions(tmp_path / "m.tflite", device)
    finally:
        device.close()
    assert now["kinstr"] == pytest.approx(_THEN[name]["kinstr"], rel=2e-3)


def test_worse_is_noticed() -> None:
    then = {"ops": {"CONV_2D": 2, "TRANSPOSE": 1}, "partitions": 1, "left": [], "kinstr": 1000.0}
    assert not worse(then, then)
    assert worse({**then, "kinstr": 1010.0}, then) == ["1,010.0 thousand instructions, 1,000.0 before"]
    assert worse({**then, "ops": {"CONV_2D": 1, "TRANSPOSE": 2}}, then) == ["2 transposes, 1 before"]
    assert worse({**then, "partitions": 2, "left": ["GATHER"]}, then) == [
        "2 partitions, 1 before", "1 ops outside the delegate, 0 before",
    ]  # fmt: skip


def test_a_digest_knows_graphs_and_not_weights(tmp_path: Path) -> None:
    def digest(module: nn.Module) -> str:
        model = nobuco.pytorch_to_keras(module.eval(), args=[torch.ones(1, 3, 8, 8)], verbose=False)
        return graph_digest(export_tflite(model, tmp_path / "m.tflite", validate=False))

    one = digest(nn.Conv2d(3, 4, 3))
    assert digest(nn.Conv2d(3, 4, 3)) == one  # other weights
    others = [
        digest(nn.Conv2d(3, 4, 3, stride=2)),
        digest(nn.Conv2d(3, 5, 3)),
        digest(nn.ZeroPad2d((1, 2, 0, 0))),
    ]
    others += [digest(nn.ZeroPad2d((2, 1, 0, 0)))]
    assert len({one, *others}) == 5
