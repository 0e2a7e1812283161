"""No file gets worse: more ops, more transposes, more that a delegate leaves."""

import json
from pathlib import Path

import pytest

from tests.effort import slow
from tests.tflite.golden import RECORD, SMALL, ZOO, counts, worse

_THEN = json.loads(RECORD.read_text())


@pytest.mark.parametrize("name", [*SMALL, *(pytest.param(name, marks=slow) for name in ZOO)])
def test_no_worse(name: str, tmp_path: Path) -> None:
    now = counts(name, tmp_path)
    assert not worse(now, _THEN[name]), f"{now}; to accept it: python -m tests.tflite.golden '{name}'"


def test_worse_is_noticed() -> None:
    then = {"ops": {"CONV_2D": 2, "TRANSPOSE": 1}, "partitions": 1, "left": []}
    assert not worse(then, then)
    assert worse({**then, "ops": {"CONV_2D": 1, "TRANSPOSE": 2}}, then) == ["2 transposes, 1 before"]
    assert worse({**then, "partitions": 2, "left": ["GATHER"]}, then) == [
        "2 partitions, 1 before", "1 ops outside the delegate, 0 before",
    ]  # fmt: skip
