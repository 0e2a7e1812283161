"""`carry_state=True`: what a module keeps between calls goes in and out of the converted one."""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import nobuco
from nobuco import ChannelOrder
from tests.effort import examples

SHARED = {"level": torch.zeros(3)}


class Kept(nn.Module):
    level = torch.zeros(3)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.weight = nn.Parameter(torch.ones(3))
        self.plain = torch.zeros(3)
        self.last = {"frames": [torch.zeros(3), torch.ones(3)]}
        self.window = deque([torch.zeros(3), torch.ones(3)], maxlen=2)
        self.count = torch.zeros((), dtype=torch.int32)


WRITES: dict[str, Any] = {
    "in place": lambda m, x: m.mean.mul_(0.5).add_(x),
    "a part in place": lambda m, x: m.mean[1:].add_(x[1:]),
    "replaced": lambda m, x: setattr(m, "plain", m.plain * 0.5 + x),
    "a buffer replaced": lambda m, x: setattr(m, "mean", m.mean + x),
    "by way of data": lambda m, x: m.weight.data.mul_(0.9).add_(x),
    "in a list": lambda m, x: m.last["frames"].__setitem__(1, m.last["frames"][1] + x),
    "a window": lambda m, x: m.window.append(x),
    "a count": lambda m, x: m.count.add_(1),
    "of its class": lambda m, x: setattr(Kept, "level", Kept.level * 0.5 + x),
    "of its module": lambda m, x: SHARED.update(level=SHARED["level"] * 0.5 + x),
}
READS: dict[str, Any] = {
    "mean": lambda m, x: x + m.mean,
    "plain": lambda m, x: x * m.plain,
    "weight": lambda m, x: x * m.weight,
    "frames": lambda m, x: x + m.last["frames"][1],
    "window": lambda m, x: sum(m.window, x),
    "count": lambda m, x: x * m.count,
    "class": lambda m, x: x + Kept.level,
    "module": lambda m, x: x - SHARED["level"],
}


class Program(Kept):
    def __init__(self, steps: list[tuple[str, str]]) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for write, read in self.steps:
            WRITES[write](self, x)
            x = READS[read](self, x) * 0.5
        return x


@pytest.fixture(autouse=True)
def fresh() -> Any:
    yield
    Kept.level, SHARED["level"] = torch.zeros(3), torch.zeros(3)


def _calls(module: nn.Module, file: Path | None = None, strict: bool = True) -> None:
    """Four calls in a row, of the module and of what has become of it."""
    inputs = torch.linspace(-1, 1, 12).reshape(4, 3)
    converted = nobuco.pytorch_to_keras(module, [inputs[0]], carry_state=True, strict=strict, verbose=False)
    state = converted.initial_state
    assert sorted(state) == sorted(each.name for each in converted.inputs[1:])
    if file is not None:
        nobuco.export_tflite(converted, file)
    for x in inputs:
        want = module(x).detach()
        if file is not None:
            interpreter = Interpreter(str(file))
            found = interpreter.get_signature_runner()(x=x.numpy(), **state)
            output, state = found["output"], {name: found[name] for name in state}
        else:
            given_state = [state[each.name] for each in converted.inputs[1:]]
            found = converted([x.numpy(), *given_state] if state else x.numpy())
            output = found["output"].numpy() if state else found.numpy()
            state = {name: found["state"][name.removeprefix("state.")].numpy() for name in state}
        np.testing.assert_allclose(output, want.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("write", "read"),
    [
        ("in place", "mean"), ("a part in place", "mean"), ("replaced", "plain"), ("a buffer replaced", "mean"),
        ("by way of data", "weight"), ("in a list", "frames"), ("a window", "window"), ("a count", "count"),
        ("of its class", "class"), ("of its module", "module"),
    ],
)  # fmt: skip
def test_each_kind_of_state_in_a_file(write: str, read: str, tmp_path: Path) -> None:
    _calls(Program([(write, read)]), tmp_path / "m.tflite")


@settings(
    max_examples=examples(1000),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(WRITES)), st.sampled_from(sorted(READS))), min_size=1, max_size=4
    )
)
def test_random_programs(program: list[tuple[str, str]]) -> None:
    Kept.level, SHARED["level"] = torch.zeros(3), torch.zeros(3)
    _calls(Program(program))


class Smoothed(nn.Module):
    """State with channels, in a submodule."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Module()
        self.inner.register_buffer("map", torch.zeros(1, 4, 6, 5))
        self.convolution = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.inner.map.mul_(0.5).add_(self.convolution(x))
        return torch.relu(self.inner.map)


@pytest.mark.parametrize("order", ChannelOrder)
def test_state_goes_out_in_the_order_in_which_it_comes_in(order: ChannelOrder) -> None:
    module, x = Smoothed().eval(), torch.rand(1, 3, 6, 5)
    converted = nobuco.pytorch_to_keras(
        module, [x], inputs_channel_order=order, carry_state=True, strict=True, verbose=False
    )
    there = (0, 1, 2, 3) if order is ChannelOrder.PYTORCH else (0, 2, 3, 1)
    state = converted.initial_state["state.inner.map"]
    for _ in range(3):
        found = converted([x.permute(there).numpy(), state])
        state = found["state"]["inner.map"].numpy()
        module(x)
        np.testing.assert_allclose(state, module.inner.map.permute(there).detach(), rtol=1e-5, atol=1e-6)


def test_a_function_with_state_around_it() -> None:
    level = torch.zeros(3)

    def smoothed(x: torch.Tensor) -> torch.Tensor:
        nonlocal level
        level = level * 0.5 + x
        return level

    converted = nobuco.pytorch_to_keras(
        smoothed, [torch.rand(3)], carry_state=True, strict=True, verbose=False
    )
    assert list(converted.initial_state) == ["state.level"] and torch.equal(level, torch.zeros(3))
    found = converted([np.ones(3, np.float32), np.full(3, 4, np.float32)])
    assert found["state"]["level"].numpy().tolist() == [3, 3, 3]


def test_a_model_without_state_is_as_ever() -> None:
    converted = nobuco.pytorch_to_keras(nn.ReLU(), [torch.rand(3)], carry_state=True, verbose=False)
    assert converted.initial_state == {} and tuple(converted(np.ones(3, np.float32)).shape) == (3,)


def _grows(m: Any, x: torch.Tensor) -> torch.Tensor:
    m.plain = torch.cat([m.plain, x])
    return x + m.plain.sum()


def _appends(m: Any, x: torch.Tensor) -> torch.Tensor:
    m.last["frames"].append(x)
    return x + m.last["frames"][0] + len(m.last["frames"])


def _begins_with_none(m: Any, x: torch.Tensor) -> torch.Tensor:
    m.first = x if getattr(m, "first", None) is None else m.first + x
    return m.first


def _counts(m: Any, x: torch.Tensor) -> torch.Tensor:
    m.number = m.number + 1
    return x * m.number


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (
            _grows,
            "plain is a tensor of shape (3,) of torch.float32 before the call, and (6,) of torch.float32 after it",
        ),
        (_appends, "last['frames'] holds 2 before the call, and 3 after it"),
        (_begins_with_none, "first is None or not there before the call"),
        (_counts, "number is a int before the call: only tensors of fixed shape"),
    ],
)
def test_what_cannot_be_carried_is_named(forward: Any, message: str) -> None:
    module = type("Model", (Kept,), {"forward": forward})()
    module.number = 0
    with pytest.raises(nobuco.StateError, match=re.escape(message)):
        nobuco.pytorch_to_keras(module, [torch.rand(3)], carry_state=True, verbose=False)
    assert module.number == 0 and module.plain.shape == (3,) and len(module.last["frames"]) == 2


def test_two_paths_of_one_name() -> None:
    class Alike(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.held = [torch.zeros(3)]
            self.__dict__["held.0"] = torch.zeros(3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.held[0] = self.held[0] + x
            self.__dict__["held.0"] = self.__dict__["held.0"] + x
            return self.held[0] * self.__dict__["held.0"]

    with pytest.raises(nobuco.StateError, match=r"held\[0\] and held\.0 would have the same name"):
        nobuco.pytorch_to_keras(Alike(), [torch.rand(3)], carry_state=True, verbose=False)
