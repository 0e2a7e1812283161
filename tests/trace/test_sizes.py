"""Sizes that Python reads where sizes are unknown: every use that is fixed in the converted model is told, and no other."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from ai_edge_litert.interpreter import Interpreter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import nobuco
from nobuco import ChannelOrder
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


CHOSEN = {
    "mask": lambda x: x[x > 0.5] / x[x > 0.5].shape[0],
    "length of a mask": lambda x: torch.zeros(len(x[x > 0.5])) + 1,
    "constant of the length": lambda x: (x.sum(), torch.ones(len(x[x[:, 0, 0, 0] > 0.5]))),
    "nonzero": lambda x: x * len((x > 0.5).nonzero()),
    "where": lambda x: x * (torch.where(x > 0.5)[0].numel() // 2),
    "masked_select": lambda x: x if x.masked_select(x > 0.5).shape[0] % 2 else x + 1,
}


@pytest.mark.parametrize("name", CHOSEN)
def test_how_many_elements_are_chosen_is_no_constant(name: str) -> None:
    function = CHOSEN[name]
    x = torch.linspace(0, 1, 24).reshape(6, 1, 2, 2)
    line = function.__code__.co_firstlineno
    with pytest.warns(nobuco.BakedValueWarning, match=rf'{re.escape(__file__)}", line {line}'):
        nobuco.pytorch_to_keras(function, [x], verbose=False)


@pytest.mark.parametrize("name", FREE)
def test_what_holds_for_all_sizes_is_not_told(name: str) -> None:
    converted = convert(FREE[name], strict=True)
    assert [check.inputs for check in converted.report.checks][-1] == "other sizes"


@pytest.mark.parametrize("name", ["half", "remainder", "list", "slice of a shape", "view", "table", "later"])
def test_traced_shapes_follow_it(name: str) -> None:
    convert(FIXED[name], trace_shape=True, strict=True)


FOLLOWED = {
    "ceil": FIXED["ceil"],
    "floor": lambda x: x[:, :, : math.floor(x.shape[2] / 2)],
    "trunc": lambda x: x[:, :, : math.trunc(x.shape[2] * 0.7)],
    "round": lambda x: x[:, :, : round(x.shape[2] / 2)],
    "ceil of a whole number": lambda x: x[:, :, : math.ceil(x.shape[2] // 2)],
    "square": lambda x: x * x.shape[2] ** 2,
    "root": lambda x: x * x.shape[2] ** 0.5,
    "half as a factor": lambda x: x * (x.shape[2] / 2),
    "maximum": lambda x: x * torch.maximum(torch.as_tensor(x.shape[2]), torch.as_tensor(x.shape[3])),
    "product": lambda x: x.reshape(x.shape[0], x.shape[1] * x.shape[2] * x.shape[3]),
    "ratio of sizes": lambda x: F.interpolate(x, size=[math.ceil(x.shape[2] / 3), x.shape[3]]),
    "how many elements": lambda x: x / x.numel(),
    "how many in part": lambda x: x * torch.numel(x[0, 0]) + x[:, 0].nelement(),
    "how many of a shape": lambda x: x * x.shape[2:].numel(),
    "shapes put together": lambda x: (x[None] + torch.zeros((2,) + x.shape)).reshape((-1,) + x.shape[1:]),  # noqa: RUF005
    "quotient and rest": lambda x: x * divmod(x.shape[2], 5)[0] + divmod(x.shape[3], 4)[1],
    "divided by a size": lambda x: x * divmod(1000, x.shape[2])[1],
    "mean of all places": lambda x: F.avg_pool2d(x, x.shape[2:]).flatten(1),
    "maximum of all places": lambda x: F.max_pool2d(x, x.shape[2:], stride=(x.size(2), x.size(3))),
    "maximum of rows": lambda x: F.max_pool2d(x, (1, x.shape[3])),
    "windows of a part": lambda x: F.avg_pool2d(x, x.shape[2] // 4, 2, 1),
    "unpooled to a size": lambda x: F.max_unpool2d(
        *F.max_pool2d(x, 2, return_indices=True), 2, output_size=x.shape
    ),
    "rolled by half": lambda x: torch.roll(x, x.shape[2] // 2, 2),
    "rolled by halves": lambda x: torch.roll(x, (x.shape[2] // 2, x.shape[3] // 2), (2, 3)),
}

TOLD = {
    "int": FIXED["int"],
    "max": lambda x: x * max(x.shape[2], x.shape[3]),
    "min": lambda x: x[:, :, : min(x.shape[2], 20)],
    "float": lambda x: x * float(x.shape[2]),
    "math.sqrt": lambda x: x * math.sqrt(x.shape[2]),
    "range": FIXED["loop"],
    "length": FIXED["length"],
    "branch": FIXED["branch"],
    "index": lambda x: x * ([1, 2] * 20)[x.shape[2]],
    "places": lambda x: x * round(x.shape[2] / 7, 1),
    "bits": lambda x: x[..., : x.shape[2].bit_length()],
    "ratio": lambda x: x * x.shape[2].as_integer_ratio()[0],
    "numpy": lambda x: x * float(np.prod(x.shape)),
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_pythons_arithmetic_on_traced_sizes_is_followed(name: str, tmp_path: Path) -> None:
    order = ChannelOrder.PYTORCH
    options: Any = {"inputs_channel_order": order, "outputs_channel_order": order}
    converted = convert(FOLLOWED[name], trace_shape=True, strict=True, full_validation=False, **options)
    file = nobuco.export_tflite(converted, tmp_path / "m.tflite").path
    for shape in ((1, 3, 17, 41), (2, 3, 30, 9)):
        x = torch.rand(shape)
        want = FOLLOWED[name](x).numpy()
        np.testing.assert_allclose(converted(x.numpy()), want, rtol=1e-5, atol=1e-5)
        interpreter = Interpreter(str(file))
        place = interpreter.get_input_details()[0]["index"]
        interpreter.resize_tensor_input(place, shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(place, x.numpy())
        interpreter.invoke()
        found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", TOLD)
def test_numbers_made_of_traced_sizes_are_told_with_their_line(name: str) -> None:
    function = TOLD[name]
    line = function.__code__.co_firstlineno
    with pytest.warns(
        nobuco.BakedValueWarning, match=rf'{re.escape(__file__)}", line {line}: Python makes a number'
    ):
        convert(function, trace_shape=True, full_validation=False)


def test_a_traced_scale_factor_is_refused_with_the_way_out() -> None:
    for factor in (lambda x: x.shape[2] / 12, lambda x: (x.shape[2] / 12, x.shape[3] / 13)):
        with pytest.raises(
            nobuco.ConversionError, match=r"F\.interpolate at .* line \d+.*give size=\(\.\.\.\)"
        ):
            convert(lambda x, f=factor: F.interpolate(x, scale_factor=f(x)), trace_shape=True)


def test_rounding_is_pythons_own_again() -> None:
    names = ("__ceil__", "__floor__", "__trunc__", "__round__", "__divmod__", "__rdivmod__")
    before = {name for name in names if name in vars(torch.Tensor)}
    convert(FOLLOWED["ceil"], trace_shape=True, full_validation=False)
    assert before == {name for name in names if name in vars(torch.Tensor)}
    assert math.ceil(torch.tensor(1.5)) == 2


def test_static_sizes_stay_plain_numbers() -> None:
    def model(x: Any) -> Any:
        assert x.size(1) == 3 and type(x.size(1)) is int
        if x.size(1) > 2:
            x = x * x.size(1)
        pooled = F.adaptive_avg_pool2d(x, 4)[0]
        assert type(pooled.shape) is torch.Size and pooled.shape[1:] == (4, 4)
        return x + pooled.mean((1, 2))[:, None, None]

    converted = convert(model, trace_shape=True, strict=True, full_validation=False)
    asked = [call.inputs[0].shape for call in converted.report.calls if call.name == "nobuco.shape"]
    assert asked == []  # each shape that was asked for has an unknown size, but none of those was used


def test_sizes_that_depend_on_values_are_not_static() -> None:
    def model(x: Any) -> Any:
        kept = x[x > 0.5]
        return kept * kept.shape[0]

    x = torch.rand(20, generator=torch.Generator().manual_seed(0))
    converted = nobuco.pytorch_to_keras(model, [x], trace_shape=True, strict=True, verbose=False)
    other = torch.linspace(0, 1, 20) ** 2
    np.testing.assert_allclose(converted(other.numpy()), model(other), rtol=1e-5)


class OnPooled(nn.Module):
    """Tokens of a known number, taken from an image of unknown size."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)
        self.decoder = nn.TransformerDecoder(layer, 1)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Any, padding: Any) -> Any:
        tokens = F.adaptive_avg_pool2d(x, 4).flatten(2).transpose(1, 2)
        decoded = self.decoder(tokens, tokens[:, 3:9], tgt_key_padding_mask=padding)
        return self.attention(decoded, decoded, decoded, key_padding_mask=padding, need_weights=False)[
            0
        ] * math.ceil(x.shape[2] / 3)


@pytest.mark.parametrize("known", [True, False])
def test_pytorchs_own_checks_of_static_sizes_hold(known: bool) -> None:
    torch.manual_seed(0)
    model, order = OnPooled().eval(), ChannelOrder.PYTORCH
    x, padding = torch.rand(2, 8, 16, 12), torch.arange(16).expand(2, 16) > 11
    converted = nobuco.pytorch_to_keras(
        model, [x, padding], input_shapes={} if known else {x: (2, 8, None, None)}, inputs_channel_order=order,
        outputs_channel_order=order, trace_shape=True, strict=True, verbose=False, full_validation=False,
    )  # fmt: skip
    other, hidden = (x if known else torch.rand(2, 8, 13, 21)), torch.arange(16).expand(2, 16) > 5
    got = converted([other.numpy(), hidden.numpy()])
    np.testing.assert_allclose(got, model(other, hidden).detach(), atol=1e-4)


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
