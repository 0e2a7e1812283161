"""Branches as choices: right on both ways, whatever is computed on the other; and those that have to stay branches."""

# ruff: noqa: SIM108 - the programs are as people write them

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

import devices
import nobuco
from devices.runners.embedded.vulkan import vulkan_environment
from examples.checking import run_tflite
from nobuco.delegates import check_delegates
from nobuco.tflite.forms import Aim, without_branches
from tests.delegates.webgpu import on_webgpu
from tests.effort import FULL
from tests.lift.programs import Writer
from tests.lift.test_lift import inputs

MEANS = (1.2, 0.4, 2.0, -1.2, -0.4, -2.0)  # three inputs for each way


class Net(nn.Module):
    """An image goes one way or another; a layer is shared by both, and with what follows."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.yes, self.no, self.shared = (
            nn.Conv2d(*channels, 3, padding=1) for channels in ((3, 8), (8, 8), (8, 8), (8, 8))
        )

    def forward(self, x):
        x = self.first(x)
        if x.mean() > 0:
            x = self.shared(torch.tanh(self.yes(x))) + 1
        else:
            x = self.shared(torch.sigmoid(self.no(x)))
        return self.shared(x)


def nested(x):
    if x.mean() > 0:
        if x.max() > 3.5:
            x = x * 0.5
        y = torch.tanh(x)
    else:
        y = x.abs() if x.min() < -3.5 else x.exp()
    return y


def several_results(x):
    y, z = x, x
    if x.mean() > 0 and not x.max() > 3.5:
        y, z = torch.tanh(x), x[:, :2]
    elif x.mean() < -1 or x.min() < -3.5:
        z = x[:, 1:3]
    else:
        y, z = x.exp(), x[:, 2:]
    return y, z


def of_nothing(x):
    """What is no number, or is infinite, on each way alone, and where it is not taken."""
    if x.mean() > 0:
        return torch.log(x.mean()) * x
    return torch.sqrt(-x.mean()) * x / (x.mean() - x.mean().clamp(min=0))


def constants(x):
    y = torch.zeros_like(x) if x.mean() > 0 else torch.arange(4.0).expand(x.shape)
    return y, x * (3.0 if x.mean() > 1 else 0.5)


def a_scalar(x):
    scale = x.mean() if x.mean() > 0 else x.min()
    return x * scale


FUNCTIONS = [nested, several_results, of_nothing, constants, a_scalar]


def convert(model: Any, *args: torch.Tensor, **kwargs: Any) -> Any:
    order = nobuco.ChannelOrder.PYTORCH
    return nobuco.pytorch_to_keras(
        model, list(args), verbose=False, inputs_channel_order=order, outputs_channel_order=order, **kwargs
    )


def examples_of(*shape: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=generator) + mean for mean in MEANS]


def compare(file: Path, model: Any, given: Sequence[torch.Tensor]) -> None:
    for each in given:
        wanted = model(each.clone())
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        for ours, theirs in zip(run_tflite(file, [each.numpy()]), wanted, strict=True):
            np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-4, atol=1e-4)


@pytest.fixture
def webgpu() -> None:
    try:
        vulkan_environment()
    except devices.DeviceError as error:
        pytest.skip(str(error))


def test_a_net_is_taken_whole(tmp_path: Path, webgpu: None) -> None:
    torch.manual_seed(0)
    model, given = Net().eval(), examples_of(1, 3, 8, 8)
    assert {bool(model.first(each).mean() > 0) for each in given} == {True, False}
    converted = convert(model, given[0])
    file = nobuco.export_tflite(converted, tmp_path / "m.tflite", target="gpu")
    assert "IF" not in file.info.ops and file.info.ops["SELECT_V2"] == 1
    compare(file.path, model, given)
    assert all(check.whole and check.right for check in check_delegates(file))
    assert all(row.origins for row in nobuco.inspect_tflite(file, converted).rows)
    for each in given[::2]:
        real = on_webgpu(file.path, [each.numpy()])
        assert real.taken == real.nodes and real.error is not None and real.error < 1e-4


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("target", ["gpu", "cpu"])
def test_both_ways(function: Callable[..., Any], target: Any, tmp_path: Path) -> None:
    given = examples_of(3, 4)
    file = nobuco.export_tflite(convert(function, given[0]), tmp_path / "m.tflite", target=target)
    compare(file.path, function, given)
    if target == "gpu":
        assert "IF" not in file.info.ops
        assert all(check.whole and check.right for check in check_delegates(file)), check_delegates(file)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_both_ways_on_webgpu(function: Callable[..., Any], tmp_path: Path, webgpu: None) -> None:
    given = examples_of(3, 4)
    file = nobuco.export_tflite(convert(function, given[0]), tmp_path / "m.tflite", target="gpu")
    for each in (given[0], given[-1]):
        real = on_webgpu(file.path, [each.numpy()])
        assert real.taken == real.nodes and real.error is not None and real.error < 1e-4, real


def test_sizes_that_are_unknown(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, given = Net().eval(), examples_of(1, 3, 8, 8)
    converted = convert(model, given[0], input_shapes={given[0]: (None, 3, None, None)})
    file = nobuco.export_tflite(converted, tmp_path / "m.tflite", target="gpu")
    assert "IF" not in file.info.ops
    compare(file.path, model, [*given, *examples_of(2, 3, 6, 10)])


def test_unknown_sizes_that_may_not_fit_where_a_way_is_not_taken(tmp_path: Path) -> None:
    def joined(x, y):
        return x + y if x.mean() > 0 else x * 2

    (x, *_), (y, *_) = examples_of(3, 4), examples_of(3, 4)
    converted = convert(joined, x, y, input_shapes={x: (None, 4), y: (None, 4)})
    with pytest.warns(
        UserWarning, match=r"no GPU delegate takes an IF.*AddV2 on sizes .*nobuco.cond at File .*line"
    ):
        file = nobuco.export_tflite(converted, tmp_path / "m.tflite", target="gpu")
    assert "IF" in file.info.ops
    for given in (x.abs(), -x.abs()):
        (ours,) = run_tflite(file.path, [given.numpy(), y.numpy()])
        np.testing.assert_allclose(ours, joined(given, y).numpy(), rtol=1e-6)


def test_places_that_may_not_be_there(tmp_path: Path) -> None:
    table = torch.arange(12.0).view(3, 4)

    def looked_up(x, place):
        if place.max() < 3:
            x = x + table[place]
        return x

    x, place = torch.zeros(2, 4), torch.tensor([0, 2])
    converted = convert(looked_up, x, place)
    with pytest.warns(
        UserWarning, match=r"Gather\w* by numbers that are computed.*nobuco.cond at File .*line"
    ):
        file = nobuco.export_tflite(converted, tmp_path / "m.tflite", target="gpu")
    assert "IF" in file.info.ops
    for places in ([0, 2], [1, 1], [9, 0], [0, 3]):
        place = torch.tensor(places)
        (ours,) = run_tflite(file.path, [x.numpy(), place.numpy()])
        np.testing.assert_allclose(ours, looked_up(x, place).numpy())


def kept(*functions: Callable[..., Any], dtype: tf.DType = tf.float32) -> list[str]:
    """Why a branch with these two ways is kept, for a GPU."""
    yes, no = functions if len(functions) == 2 else (*functions, lambda x: x)
    concrete = tf.function(
        lambda x, p: tf.cond(p, lambda: yes(x), lambda: no(x)), autograph=False
    ).get_concrete_function(tf.TensorSpec((4,), dtype), tf.TensorSpec((), tf.bool))
    return [reason for _, reason in without_branches(concrete, Aim("gpu")).kept]


def test_what_keeps_a_branch() -> None:
    seen = tf.Variable(tf.zeros(()))

    def counted(x):
        seen.assign_add(1.0)
        return x

    assert "a loop" in kept(lambda x: tf.while_loop(lambda y: y[0] < 3.0, lambda y: (y + 1.0,), (x,))[0])[0]
    assert "AssignAddVariableOp" in kept(counted)[0]
    assert "other sizes" in kept(lambda x: x[:2])[0]
    assert "whole numbers" in kept(lambda x: x // tf.reverse(x, [0]), dtype=tf.int32)[0]
    assert (
        "a loop"
        in kept(  # of a branch inside
            lambda x: tf.cond(
                x[0] > 0.0,
                lambda: tf.while_loop(lambda y: y[0] < 3.0, lambda y: (y + 1.0,), (x,))[0],
                lambda: x,
            )
        )[0]
    )
    assert kept(lambda x: x // 2, dtype=tf.int32) == []
    assert kept(lambda x: tf.gather(x, [3, 2, 1, 0])) == []
    assert kept(lambda x: tf.cond(x[0] > 0.0, lambda: x * 2.0, lambda: tf.exp(x))) == []


def test_unknown_sizes_are_followed_through_many_ops() -> None:
    def deep(x):
        for _ in range(300):
            x = x + tf.nn.tanh(x)
        return x

    concrete = tf.function(
        lambda x: tf.cond(tf.reduce_mean(x) > 0.0, lambda: deep(x) + deep(x) * x, lambda: deep(x)),
        autograph=False,
    ).get_concrete_function(tf.TensorSpec((None, 4)))
    before = tf.function(
        lambda x: (lambda y: tf.cond(y[0, 0] > 0.0, lambda: x + y, lambda: y))(deep(x)), autograph=False
    )
    for function in (concrete, before.get_concrete_function(tf.TensorSpec((None, 4)))):
        chosen = without_branches(function, Aim("gpu"))
        assert chosen.kept == [] and "If" not in {op.type for op in chosen.function.graph.get_operations()}


@pytest.mark.parametrize(
    ("count", "way", "expected"),
    [
        (16, lambda x: x * 2, "SELECT_V2"),
        (2048, lambda x: x * 2, "IF"),
        (16, torch.tanh, "IF"),
        (16, lambda x: ((((x * 2) - 1).abs() + 3) * 5).relu(), "IF"),
    ],
)
def test_little_is_chosen_for_every_target(count: int, way: Any, expected: str, tmp_path: Path) -> None:
    def model(x):
        return way(x) if x.mean() > 0 else x + 1

    given = examples_of(1, count)
    file = nobuco.export_tflite(convert(model, given[0]), tmp_path / "m.tflite")
    assert {"IF", "SELECT_V2"} & file.info.ops.keys() == {expected}
    compare(file.path, model, given)


@pytest.mark.parametrize("aim", [Aim("gpu"), Aim()], ids=["gpu", "cpu"])
def test_random_programs(aim: Aim) -> None:
    """Of branches, loops and writes in place, whatever is made of them."""
    given, changed = inputs(3, 4), 0
    for seed in range(12 if FULL else 5):
        module = Writer(seed).module()
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = convert(module, given[0], full_validation=False)
        traced = tf.function(lambda x, model=model: model(x), autograph=False)
        original = traced.get_concrete_function(tf.TensorSpec((3, 4)))
        made = without_branches(original, aim).function
        changed += made is not original
        for each in given:
            pairs = zip(
                *(tf.nest.flatten(f(tf.constant(each.numpy()))) for f in (original, made)), strict=True
            )
            for a, b in pairs:
                np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-4, atol=1e-4, err_msg=module.source)
    assert changed > (3 if FULL else 1)
