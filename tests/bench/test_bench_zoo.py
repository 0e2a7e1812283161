"""The whole way, with a tiny model of a user's own file on this host."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from reports.store import RECORDS, RecordStore

MODEL = """
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 8 * 8, 5))

def make_with_inputs():
    import torch
    return make(), (torch.linspace(-1, 1, 3 * 8 * 8).reshape(1, 3, 8, 8),)
"""


def zoo(folder: Path, *arguments: str) -> list[str]:
    model = folder / "mine.py"
    model.write_text(MODEL)
    options = ["--models", f"{model}:make_with_inputs", "--out", str(folder / "out"), *arguments]
    return [sys.executable, "-m", "bench.cli", "zoo", *options]


def launches(folder: Path) -> list[tuple[str, int]]:
    contents = RecordStore(folder / "out" / RECORDS).read()
    assert contents.complaints == []
    return [(record.cell.converter, record.round) for record in contents.records]


def wait_for(condition, what: str, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        time.sleep(0.02)


def test_killed_in_the_middle_it_goes_on_and_ends_in_table_and_chart(tmp_path: Path) -> None:
    command = zoo(tmp_path, "--converter", "nobuco", "--threads", "1,2", "--rounds", "3")
    records = tmp_path / "out" / RECORDS
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        wait_for(lambda: records.is_file() and records.read_bytes().count(b"\n") >= 2, "second record")
        os.kill(process.pid, signal.SIGKILL)
    before = records.read_bytes()
    assert 2 <= before.count(b"\n") < 6
    records.write_bytes(before + b'{"schema_version": 1, "torn')  # what a kill in mid-write would leave
    made = {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "artifacts").rglob("model.tflite")}

    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "torn last line" in done.stderr
    assert records.read_bytes().startswith(before)
    assert Counter(launches(tmp_path)) == {("nobuco", r): 2 for r in range(3)}
    assert {p: p.stat().st_mtime_ns for p in made} == made, "it converted again"

    rows = json.loads(done.stdout)
    assert [row["threads"] for row in rows] == [1, 2]
    assert all(row["latency"] > 0 and row["max_error"] < 1e-5 and row["launches"] == 3 for row in rows)
    written = {p.name for p in (tmp_path / "out").iterdir()}
    assert {"report.md", "report.csv", "records.jsonl"} <= written
    assert len([name for name in written if name.endswith(".png")]) == 2  # a chart for each number of threads

    again = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert again.returncode == 0, again.stderr
    assert len(launches(tmp_path)) == 6, "it measured again"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_asked_to_end_it_ends_with_one_line(tmp_path: Path, number: signal.Signals) -> None:
    command = zoo(tmp_path, "--converter", "nobuco")
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # tests that are run in the background have been told to ignore it, and would hand that on
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    ) as process:
        wait_for(lambda: (tmp_path / "out" / "artifacts").is_dir(), "first artifact")
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert "the same command goes on from here" in said and "Traceback" not in said
    assert not list((tmp_path / "out").rglob("result.json"))


@pytest.mark.baseline
def test_onnx_tf_gets_the_same_model_and_is_compared(tmp_path: Path) -> None:
    command = zoo(tmp_path, "--converter", "nobuco,onnx-tf", "--rounds", "3")
    done = subprocess.run(command, capture_output=True, text=True, timeout=550)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out" / "report.csv").open() as file:
        ours, theirs = csv.DictReader(file)
    assert (ours["converter"], theirs["converter"]) == ("nobuco", "onnx-tf")
    assert float(ours["max_error"]) < 1e-5 and float(theirs["max_error"]) < 1e-5
    assert float(ours["speedup"]) > 0 and int(theirs["transposes"]) > int(ours["transposes"])
    assert "onnx-tf" in done.stdout and "Speed-up over onnx-tf" in done.stdout
