"""Every example runs, and finds itself right."""

import pytest

from examples.__main__ import names, purpose, run

THIRD_PARTY = {"converter_inside_converter"}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.baseline if n in THIRD_PARTY else ()) for n in names()]
)
def test_example(name):
    done = run(name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "relative error" in done.stdout or ": yes" in done.stdout


@pytest.mark.parametrize("name", names())
def test_examples_say_what_they_show(name):
    assert purpose(name)
