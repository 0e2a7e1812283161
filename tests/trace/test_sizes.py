"""Sizes that Python reads where sizes are unknown: every use that is fixed in the converted model is told, and no other."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nobuco
from nobuco.graph.choose import choose
from nobuco.layout.planning import Plan
from nobuco.program import Program
from nobuco.validate.finished import FinishedModel
from nobuco.validate.other_sizes import OtherSizes
from nobuco.validate.report import Check, Report
from tests.effort import examples


def convert(function: Any, **options: Any) -> Any:
    x = torch.rand(2, 3, 24, 26)
    return nobuco.pytorch_to_keras(
        function, [x], input_shapes={x: (None, 3, None, None)}, verbose=False, **options
    )


def guarded(x):
    assert x.shape[2] < 10**7
    if x.shape[2] > 10**6:
        raise ValueError("too large")
    return x * 2


def aligned(x):
    assert x.shape[2] % 4 == 0
    return x * 2


FIXED = {
    "half": lambda x: x[:, :, : x.shape[2] // 2],
    "remainder": lambda x: x * (x.shape[2] % 5),
    "branch": lambda x: x + 1 if x.shape[2] > 20 else x - 1,
    "branch far away": lambda x: x + 1 if x.shape[2] > 400 else x - 1,
    "branch on an area": lambda x: x + 1 if x.shape[2] * x.shape[3] > 30000 else x - 1,
    "branch on a batch": lambda x: x + 1 if x.shape[0] > 50 else x - 1,
    "branch on one size": lambda x: x + 1 if x.shape[3] == 100 else x - 1,
    "branch on the rest": lambda x: x + 1 if x.shape[2] % 7 == 5 else x,
    "branch too far away": lambda x: x + 1 if x.shape[2] > 10**7 else x - 1,
    "truth of a size": lambda x: x if x.shape[2] % 13 else x + 1,
    "maximum": lambda x: x[:, :, : max(x.shape[2], 100)],
    "loop": lambda x: sum((x * i for i in range(x.shape[2])), x),
    "int": lambda x: x[:, :, : int(x.shape[2] * 0.5)],
    "ceil": lambda x: x[:, :, : math.ceil(x.shape[2] / 2)],
    "square root": lambda x: x * math.floor(math.sqrt(x.shape[2])),
    "list": lambda x: F.interpolate(x, size=[x.shape[2] * 2, x.shape[3]]),
    "key": lambda x: x * {"24": 2.0}.get(f"{x.size(2)}", 3.0),
    "length": lambda x: x / len(x),
    "count": lambda x: x / x.numel(),
    "slice of a shape": lambda x: F.interpolate(x[:, :, ::2], size=x.shape[2:]),
    "stride": lambda x: x * x.stride()[1],
    "view": lambda x: x.reshape(x.shape[0], -1),
    "table": lambda x: x + torch.arange(x.shape[3]),
    "no difference in the outputs": lambda x: x.clamp(max=x.shape[2]),
    "later": lambda x: x[:, :, ::2] * F.avg_pool2d(x, 2).shape[2],
}

FREE = {
    "flattened": lambda x: x.flatten(1),
    "known size": lambda x: x * x.shape[1] if x.shape[1] < 10 else x,
    "normalized": lambda x: F.layer_norm(x, x.shape[1:]),
    "checked": guarded,
    "aligned": aligned,
    "compared with itself": lambda x: x + 1 if x.shape == (x * 2).shape else x,
    "printed": lambda x: [x * 2, f"{x.shape[2] // 2}"][0],
    "always so": lambda x: x + 1 if x.shape[2] * x.shape[3] > 0 else x,
}


@pytest.mark.parametrize("name", FIXED)
def test_what_is_fixed_is_told_with_its_line(name: str) -> None:
    function = FIXED[name]
    line = function.__code__.co_firstlineno
    with pytest.warns(nobuco.BakedValueWarning, match=rf'{re.escape(__file__)}", line {line}'):
        convert(function, full_validation=False)
    with pytest.raises(nobuco.BakedValueError, match=f"line {line}"):
        convert(function, full_validation=False, strict=True)


@pytest.mark.parametrize("name", FREE)
def test_what_holds_for_all_sizes_is_not_told(name: str) -> None:
    converted = convert(FREE[name], strict=True)
    assert [check.inputs for check in converted.report.checks][-1] == "other sizes"


@pytest.mark.parametrize("name", ["half", "remainder", "list", "slice of a shape", "view", "table", "later"])
def test_traced_shapes_follow_it(name: str) -> None:
    convert(FIXED[name], trace_shape=True, strict=True)


def test_several_sizes_are_checked() -> None:
    converted = convert(lambda x: x * 2)
    assert converted.report.checks[-1].drawn.startswith("8 sizes")


# -- random programs: whole numbers made of sizes. What they are at all sizes in reach is found without nobuco.

_STEPS: dict[str, Any] = {
    "halved": lambda n, k: n // k,
    "rest": lambda n, k: n % k,
    "more": lambda n, k: n + k,
    "times": lambda n, k: n * k,
    "part": lambda n, k: int(n * (1 / (k + 1))),
    "ceil": lambda n, k: math.ceil(n / k),
    "at least": lambda n, k: max(n, 8 * k),
    "at most": lambda n, k: min(n, 8 * k),
    "root": lambda n, k: math.isqrt(abs(n)),
    "branch": lambda n, k: 1 if n > 9 * k else 2,
    "equal": lambda n, k: 1 if n == 5 * k else 2,
    "counted": lambda n, k: len(range(n)),
    "written": lambda n, k: int(f"{n:d}"),
    "listed": lambda n, k: len([k] * n),
    "odd": lambda n, k: 1 if n % 2 else 2,
    "fixed": lambda n, k: k,
}
_SOURCES: dict[str, Any] = {
    "height": lambda x: x.shape[2],
    "width": lambda x: x.size(3),
    "size": lambda x: x.size()[-1],
    "batch": lambda x: len(x),
    "rest of the shape": lambda x: x.shape[1:].numel(),
    "stride": lambda x: x.stride()[2],
    "pooled": lambda x: x[:, :, ::2].shape[2],
    "channels": lambda x: x.shape[1],
}
# From there on the number is a plain one. Where Python compares it, no size is sought at which that comes out otherwise:
# what the sizes tried show, is told.
_PLAIN = {"part", "root", "counted", "written", "listed", "at least", "at most", "batch", "rest of the shape"}
_COMPARING = {"at least", "at most", "branch", "equal", "odd"}
_SIZES = [(b, h, w) for b in (1, 2, 5) for h in range(6, 40, 3) for w in (7, 12, 18)]


def _number(program: tuple[str, list[tuple[str, int]]], x: Any) -> int:
    source, steps = program
    number = _SOURCES[source](x)
    for name, k in steps:
        number = _STEPS[name](number, k)
    return number


def _compares_a_plain_number(program: tuple[str, list[tuple[str, int]]]) -> bool:
    names = [program[0], *(name for name, _ in program[1])]
    plain = next((place for place, name in enumerate(names) if name in _PLAIN), len(names))
    return any(name in _COMPARING for name in names[plain:])


programs = st.tuples(
    st.sampled_from(sorted(_SOURCES)),
    st.lists(st.tuples(st.sampled_from(sorted(_STEPS)), st.integers(1, 6)), max_size=2),
).filter(lambda program: not _compares_a_plain_number(program))


def told(function: Any) -> list[str]:
    """What a conversion would say is fixed, without the Keras model."""
    x = torch.rand(2, 3, 12, 18)
    program = Program.of(function, [x], input_shapes={x: (None, 3, None, None)})
    graph = choose(program.trace(), program.dynamic)
    report = Report(graph.root, 1e-4)
    finished = FinishedModel(program, graph, Plan({}, program.layouts, []), trace_shape=False)
    OtherSizes(finished, lambda *_: Check("other sizes", 0.0), lambda _: None, report).validate()
    return report.fixed


@settings(
    max_examples=examples(1000), deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
@given(programs)
def test_random_programs(program: Any) -> None:
    numbers = {_number(program, torch.empty(b, 3, h, w)) for b, h, w in [(2, 12, 18), *_SIZES]}
    found = told(lambda x: x * _number(program, x))
    assert found or len(numbers) == 1, program
