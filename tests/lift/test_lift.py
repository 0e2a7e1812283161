"""Branches and loops on tensors, lifted: right whichever way they go, or told with the reason."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

import nobuco
from examples.checking import run_tflite
from nobuco.contract.control_flow import CONTROL_FLOW
from tests.effort import FULL
from tests.lift.programs import Writer

SCALES = ((1, 0), (-1, 1), (3, -0.5), (0.1, 0), (3, 1), (1, -1), (0.01, 0.4), (30, 5))


def convert(model: Any, *args: Any, **kwargs: Any) -> Any:
    return nobuco.pytorch_to_keras(model, list(args), verbose=False, **kwargs)


def inputs(*shape: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=generator) * scale + shift for scale, shift in SCALES]


def run(model: keras.Model, *given: torch.Tensor) -> list[np.ndarray]:
    results = model([each.numpy() for each in given] if len(given) > 1 else given[0].numpy())
    return [np.asarray(each) for each in (results if isinstance(results, list | tuple) else [results])]


def assert_same(ours: list[np.ndarray], theirs: Any) -> None:
    wanted = theirs if isinstance(theirs, tuple) else (theirs,)
    assert len(ours) == len(wanted)
    for each, want in zip(ours, wanted, strict=True):
        assert np.allclose(each, want.detach().numpy(), rtol=1e-4, atol=1e-4)


def elif_else(x):
    if x.mean() > 0.5:
        y = x + 1
    elif x.mean() > -0.5:
        y = x * 2
    else:
        y = -x
    return y


def early_returns(x):
    if x.mean() > 0.5:
        return x + 1
    y = torch.tanh(x)
    if y.sum() > 0:
        return y * 3
    return y


def nested(x):
    if x.mean() > 0:
        if x.max() > 2:
            x = x * 0.5
        y = x + 1
    else:
        y = x.abs() if x.min() < -1 else x
    return y


def operators(x):
    s, t = x.sum(), x.max()
    a = x + 1 if s > 0 and not t > 2 else x - 1
    b = x * 2 if bool((x > 1).any()) or s < -1 else x
    if -1 < s < 1:
        a = a * 0
    return a, b


def numbers(x):
    n, scale = 0, 1.0
    if x.sum() > 0:
        n += 2
        scale = 0.25
    k = n
    n += 1
    return x * scale + n * 10 + k


def numbers_of_both_kinds(x):
    if x.mean() > 0.5:
        a = 0.5
    elif x.mean() > -0.5:
        a = 2
    else:
        a = 1
    b = (1 if x.max() > 2 else 3) if x.mean() > 0 else (0.25 if x.max() > 2 else 0.75)
    return x * a + b


def returns_alone_end_it(x):
    n = 0
    while True:
        x = x * 1.5
        n += 1
        if x.abs().mean() > 4:
            return x + n
        if n > 3:
            return x - n


def rows(x):
    out = torch.zeros(4)
    for row in x:
        out = out + row if row.sum() > 0 else out - row
    return out


def in_place(x):
    y = x * 2
    z = y[0]
    if x.sum() > 0:
        y[0] = 1.0
    else:
        y[:, 1] += 3
    z = z + 1
    if z.sum() > 5:
        z.mul_(2)
    return y, z


def while_with_break(x):
    k = 0
    kept = torch.zeros(3, 4)
    while True:
        kept[k % 3] = x[0] + k
        k += 1
        x = x * 1.5 + 0.1
        if x.abs().max() > 20 or k >= 7:
            break
    return x, kept


def return_in_a_loop(x):
    while x.abs().sum() < 50:
        x = x * 2
        if x.max() > 5:
            return x + 100
    return x


def nested_loops(x):
    total = torch.zeros(())
    while x.abs().max() > 1:
        y = x
        while y.abs().max() > 2:
            y = y * 0.25
            total = total + 1
        x = x * 0.5 + y * 0
    return x, total


def continued(x):
    turns = 0
    while x.abs().max() > 1:
        x = x * 0.7
        if x.sum() > 0:
            continue
        turns += 1
    return x + turns


def helper(x):
    return x * 2 if x.sum() > 0 else x - 1


def in_functions(x):
    def inner(y):
        if y.max() > 1:
            return y / 2
        return y

    return inner(helper(x))


class Shared(nn.Module):
    """A module called in both ways of a branch, in a loop over modules, and after it; and one with a parent's forward."""

    class Child(nn.Linear):
        def forward(self, x):
            return super().forward(x) if x.mean() > 0 else -super().forward(x)

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        self.child = self.Child(4, 4)

    def forward(self, x):
        for number, layer in enumerate(self.layers):
            if x.sum() > 0:
                x = torch.relu(layer(x)) - number
            else:
                x = self.layers[0](x)
                if x.max() > 1:
                    break
        return self.child(self.layers[0](x))


FUNCTIONS = [
    elif_else,
    early_returns,
    nested,
    operators,
    numbers,
    numbers_of_both_kinds,
    returns_alone_end_it,
    rows,
    in_place,
    while_with_break,
    return_in_a_loop,
    nested_loops,
    continued,
    in_functions,
]


def _name(each):
    return each if isinstance(each, str) else getattr(each, "__name__", type(each).__name__)


@pytest.mark.parametrize("function", FUNCTIONS, ids=_name)
def test_functions(function):
    given = inputs(3, 4)
    model = convert(function, given[0])
    assert any(call.op in CONTROL_FLOW for call in model.report.root.walk())
    assert model.report.ok
    for each in given:
        assert_same(run(model, each), function(each.clone()))


@pytest.mark.parametrize("model", [operators, in_place, while_with_break, nested_loops, Shared()], ids=_name)
def test_tflite(model, tmp_path):
    given = inputs(3, 4)
    torch.manual_seed(0)
    converted = convert(model, given[0])
    file = nobuco.export_tflite(converted, tmp_path / "model.tflite")
    assert {"IF", "WHILE"} & set(file.info.ops)
    for each in given:
        assert_same(run_tflite(file.path, [each.numpy()]), model(each.clone()))


def test_weights_are_shared_and_have_their_paths():
    model = convert(Shared().eval(), torch.randn(3, 4))
    kernels = [weight.path for weight in model.trainable_weights if weight.path.endswith("kernel")]
    assert len(kernels) == 4, kernels


def test_a_count_of_turns_that_is_an_input():
    def model(x, steps):
        for number in range(int(steps)):
            x = x * 0.5 + number
        return x

    x = torch.randn(2, 3)
    converted = convert(model, x, torch.tensor(2, dtype=torch.int32))
    for steps in (0, 1, 5):
        count = torch.tensor(steps, dtype=torch.int32)
        assert_same(run(converted, x, count), model(x, count))


def test_it_is_exported_and_not_saved_as_a_keras_model(tmp_path):
    given = inputs(3, 4)
    model = convert(early_returns, given[0])
    with pytest.raises(nobuco.NobucoError, match=r"cannot be saved.*keras_model.export work"):
        model.save(tmp_path / "model.keras")
    model.export(tmp_path / "exported", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "exported"))
    for each in given:
        assert_same([loaded.serve(each.numpy()).numpy()], early_returns(each))


def test_each_call_inside_is_checked_and_leads_back():
    model = convert(Shared().eval(), torch.randn(3, 4))
    inside = [call for call in model.report.root.walk() if call.parent is not None and not call.blocks]
    linear = [model.report.calls[call] for call in inside if call.name == "F.linear"]
    assert len(linear) > 4
    assert all(
        found.error is not None and call.user_line
        for call, found in model.report.calls.items()
        if found in linear
    )


# -- what is not lifted


def of_other_shapes(x):
    return x[0] if x.sum() > 0 else x


def of_other_dtypes(x):
    return x if x.sum() > 0 else x > 0


def of_another_structure(x):
    return (x, x) if x.sum() > 0 else (x,)


def that_prints(x):
    if x.sum() > 0:
        print("here")
        x = x + 1
    return x


def that_appends(x):
    found = []
    if x.sum() > 0:
        found.append(x + 1)
    return x + len(found)


def that_raises(x):
    if x.sum() > 1e6:
        raise ValueError("too large")
    return x + 1


def that_reads_a_number(x):
    if x.sum().item() > 0:
        return x + 1
    return x


def that_returns_a_number(x):
    return x + 1, 3 if x.sum() > 0 else 4


def that_grows(x):
    while x.sum() < 10:
        x = torch.cat([x, x + 1])
    return x


def that_returns_nothing(x):
    y = {"out": x}
    if x.sum() > 0:
        y = None
    return x if y is None else x + 1


def that_may_return_nothing(x):
    n = 0
    while n < x.sum().abs():
        n += 1
        if x.mean() > 0:
            return x + n
    return None


class WithAttribute(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            self.seen = True
        return x + 1


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            of_other_shapes,
            r"what it returns is a tensor of shape \(4,\).* and a tensor of shape \(3, 4\)|the outcome is a",
        ),
        (of_other_dtypes, "float32 on one way and a tensor of shape .* bool"),
        (of_another_structure, "values on one way"),
        (that_prints, "it prints"),
        (that_appends, "it changes found"),
        (that_raises, "raises ValueError: too large"),
        (that_reads_a_number, "Tensor.item gave"),
        (that_returns_a_number, "the model returns a Python number"),
        (that_grows, r"x is a tensor of shape \(3, 4\).* before a turn and a tensor of shape \(6, 4\)"),
        (that_may_return_nothing, "the function returns None one way"),
        (that_returns_nothing, "y is .* on the other"),
        (WithAttribute(), "it changes .*seen"),
    ],
    ids=_name,
)
def test_what_cannot_be_lifted_is_told_with_the_reason(model, reason):
    x = torch.full((3, 4), 0.1)
    with pytest.warns(nobuco.BakedValueWarning, match=reason) as said:
        converted = convert(model, x)
    assert f'{__file__}", line' in str(said[0].message)
    assert len(run(converted, x)) >= 1


def test_the_finished_model_is_tried_both_ways():
    """Shuffled inputs have much the same mean; and the exported file is tried on what the model was."""

    def model(x):
        return x * 2 if x.mean() > 0 else x - 1

    converted = nobuco.pytorch_to_keras(model, [torch.rand(3, 4)], verbose=False)
    (check,) = [each for each in converted.report.checks if each.inputs == "inputs for other branches"]
    assert check.error is not None and check.error < 1e-6 and "3 inputs" in check.drawn
    assert {bool(inputs[0].mean() > 0) for inputs in converted.report.samples} == {True, False}


def test_inputs_on_which_the_program_never_ends_are_left_out_and_told():
    def model(x):
        z = x
        while z.abs().mean() < 4:
            z = z * z * 0.5 + x
        return z

    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)) * 2
    converted = nobuco.pytorch_to_keras(model, [x], verbose=False)
    skipped = [each for each in converted.report.checks if each.skipped]
    assert "did not end" in str(converted.report) and "times 0.1" in skipped[0].skipped
    assert converted.report.ok


def test_a_branch_on_a_shape_is_untouched(monkeypatch):
    def model(x):
        n = 3
        if x.shape[0] > 2 and n > 1:
            return x + 1
        return x

    monkeypatch.setattr("nobuco.lift.tracing.rewrite", lambda function: pytest.fail("rewritten"))
    converted = convert(model, torch.randn(3, 4))
    assert not any(call.op in CONTROL_FLOW for call in converted.report.root.walk())


def test_the_program_is_as_it_was():
    code = helper.__code__
    convert(helper, torch.randn(3, 4))
    assert helper.__code__ is code


# -- random programs


def differing(seed: int, folder: Path | None = None) -> str | None:
    """What is wrong with the conversion of a random program; None where it is right, or told that it cannot be. The file is
    tried, too, where there is a `folder` for it."""
    module = Writer(seed).module()
    given = inputs(3, 4)
    with torch.no_grad():
        wanted = [module(each.clone()) for each in given]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = convert(module, given[0], full_validation=False)
    if any("Python reads" in str(each.message) for each in said):
        return None
    concrete = tf.function(lambda x: model(x), autograph=False).get_concrete_function(tf.TensorSpec((3, 4)))
    file = nobuco.export_tflite(model, folder / "model.tflite") if folder is not None else None
    for each, want in zip(given, wanted, strict=True):
        found = concrete(tf.constant(each.numpy()))
        ways = [[np.asarray(a) for a in (found if isinstance(found, list | tuple) else [found])]]
        if file is not None:
            ways.append(run_tflite(file.path, [each.numpy()]))
        for outputs in ways:
            for a, b in zip(outputs, want if isinstance(want, tuple) else (want,), strict=True):
                if not np.allclose(a, b.numpy(), rtol=1e-3, atol=1e-3):
                    return f"{np.abs(a - b.numpy()).max()} off\n{module.source}"
    return None


@pytest.mark.parametrize("block", range(20 if FULL else 1))
def test_random_programs(block, tmp_path):
    for seed in range(50 * block, 50 * block + (50 if FULL else 10)):
        assert differing(seed, tmp_path if FULL or seed % 4 == 0 else None) is None, seed
