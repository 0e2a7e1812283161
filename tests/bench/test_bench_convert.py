"""Files made ahead: side by side within the memory there is, never twice, and with every failure's reason."""

import json
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import bench.run.site
from bench.artifact import ModelVariant
from bench.cli import main
from bench.commands.zoo import CELLS_FAILED
from bench.run.memory import MemoryShares, expected_bytes
from models_zoo import resolve

MODEL = """
import torch
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), (torch.linspace(-1, 1, 192).reshape(1, 3, 8, 8),)

class Unknown(nn.Module):
    def forward(self, x):
        return torch.special.airy_ai(x)

def make_unknown():
    return Unknown(), (torch.eye(6) + 1,)
"""


def run(tmp_path: Path, *arguments: str) -> Result:
    (tmp_path / "mine.py").write_text(MODEL)
    models = ",".join(f"{tmp_path}/mine.py:{name}" for name in ("make_unknown", "make"))
    command = ["convert", "--models", models, "--jobs", "2", "--out", str(tmp_path / "out"), *arguments]
    return CliRunner().invoke(main, command)


def test_a_line_a_model_once_and_zoo_takes_the_files(tmp_path: Path) -> None:
    first = run(tmp_path, "--table", str(tmp_path / "table.md"))
    assert first.exit_code == CELLS_FAILED, first.output
    lines = [line for line in first.stdout.splitlines() if f"{tmp_path}/mine.py:make " in line]
    assert len(lines) == 1 and " right " in lines[0]
    assert "make_unknown, nobuco: conversion failed: nobuco has no converter" in first.stdout
    assert "1 of 2 files right" in first.stdout
    assert "no converter for" in (tmp_path / "table.md").read_text()
    store = (tmp_path / "out" / "conversions.jsonl").read_bytes()
    files = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("model.tflite")}
    again = run(tmp_path, "--json")
    assert [record["ok"] for record in json.loads(again.stdout)] == [False, True]
    assert (tmp_path / "out" / "conversions.jsonl").read_bytes() == store, "checked again"
    assert {p: p.stat().st_mtime_ns for p in files} == files, "converted again"
    plan = ["zoo", "--models", f"{tmp_path}/mine.py:make", "--converter", "nobuco", "--dry-run", "--json"]
    planned = CliRunner().invoke(main, [*plan, "--out", str(tmp_path / "out")])
    assert [conversion["made"] for conversion in json.loads(planned.stdout)["conversions"]] == [True]


def test_what_no_memory_can_hold_is_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.run.site, "expected_bytes", lambda model: 1e15)
    result = run(tmp_path)
    assert "not tried: a model of its size takes about 1000000 GB" in result.stdout


def test_larger_models_are_expected_to_take_more_memory() -> None:
    small, large = (
        expected_bytes(ModelVariant(spec, "random", 0)) for spec in resolve(["mobilenet_v2", "vit_h_14"])
    )
    assert 1e9 < small < 2e9 < 30e9 < large


def test_shares_of_memory_are_never_more_than_there_is() -> None:
    shares, together, most = MemoryShares(10), [0.0], [0.0]
    gate = threading.Lock()

    def take(size: float) -> None:
        with shares.share(size):
            with gate:
                together[0] += size
                most[0] = max(most[0], together[0])
            threading.Event().wait(0.01)
            with gate:
                together[0] -= size

    threads = [threading.Thread(target=take, args=(size,)) for size in (4, 6, 5, 9, 1, 10, 3, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert 0 < most[0] <= 10


def test_what_is_larger_than_everything_waits_until_it_is_alone() -> None:
    shares, order = MemoryShares(10), []

    def huge() -> None:
        with shares.share(99):
            order.append("huge")

    with shares.share(1):
        thread = threading.Thread(target=huge)
        thread.start()
        threading.Event().wait(0.05)
        order.append("small")
    thread.join(30)
    assert order == ["small", "huge"]
