"""In-place writes that stand in branches: into tensors of the program, and into the model's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import nobuco


def into_a_variable(x):
    t = x[0] * 2
    if x.mean() > 0:
        t += x[1]
    return t


def row_by_row(x):
    t = x[0] * 2
    for i in range(3):
        if x[i].mean() > 0:
            t *= x[i].mean()
        else:
            t[1:] -= x[i, 1:]
    return t


def nested_and_seen_elsewhere(x):
    t = x[0] * 2
    s, part = t, t[1:]
    if x.mean() > 0:
        if x.max() > 3:
            t += x[1]
        part *= 2
    return t, s, part


def said_twice(x):
    y = x * 2
    if x.mean() > 0:
        y.add_(x)
        y = y
    return y


def sums_in_a_loop(x):
    acc, count, turns = torch.ones(4), torch.zeros(()), 0
    while acc.sum() < 30 + x.mean():
        acc *= 2
        acc += x.mean().abs()
        count += 1
        turns += 1
    return acc * turns, count


def views_in_a_loop(x):
    acc = x[0] * 2
    same, part = acc, acc[1:]
    while acc.abs().sum() < 40:
        acc += x[1] + 0.3
        if x.mean() > 0:
            part *= 1.5
    return acc, same, part


def new_and_then_written(x):
    acc = x[0] * 2
    first = acc
    while acc.abs().sum() < 40:
        acc = acc * 1.2
        acc += x[1] * 0.3
    return acc, first


@pytest.mark.parametrize(
    "function",
    [
        into_a_variable,
        row_by_row,
        nested_and_seen_elsewhere,
        said_twice,
        sums_in_a_loop,
        views_in_a_loop,
        new_and_then_written,
    ],
    ids=lambda each: each.__name__,
)
def test_writes(function):
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    model = nobuco.pytorch_to_keras(function, [x], verbose=False, strict=True)
    assert model.report.ok
    for each in (x, -x, x * 5, x + 2, x - 2):
        wanted, found = function(each.clone()), model(each.numpy())
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        for ours, theirs in zip(found if isinstance(found, list | tuple) else [found], wanted, strict=True):
            assert np.allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-4)


class WrittenAfterAConvolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        if x.mean() > 0:
            y = self.conv(x) * 2
        else:
            y = self.conv(x).relu()
            y[:, 0] = 0
        return y


@pytest.mark.parametrize("sign", [1, -1])
def test_what_a_block_has_made_is_compared_as_it_was_made(sign):
    x = sign * torch.rand(1, 3, 6, 6)
    model = nobuco.pytorch_to_keras(WrittenAfterAConvolution(), [x], verbose=False, strict=True)
    assert model.report.ok


def test_a_decision_inside_a_branch_that_yields_nothing_is_told():
    def model(x):
        if x.mean() > 0 and (x.sum() if x.max().item() > 1 else x.mean()) > 0:
            pass
        return x + 1

    with pytest.warns(nobuco.BakedValueWarning, match="Tensor.item gave"):
        nobuco.pytorch_to_keras(model, [torch.rand(2, 4)], verbose=False)


class Stateful(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.n: torch.Tensor
        self.register_buffer("n", torch.zeros(4))


class Counts(Stateful):
    def forward(self, x):
        if x.mean() > 0:
            self.n += 1
        return x + self.n


class CountsWhereNothingGets(Stateful):
    def forward(self, x):
        if x.mean() > 1e3:
            self.n.mul_(0.5).add_(1)
        return x + self.n


class Scratch(Stateful):
    def forward(self, x):
        if x.mean() > 0:
            self.n.copy_(x[0])
            x = x * self.n
        return x


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("kind", [Counts, CountsWhereNothingGets])
def test_state_written_in_either_branch_is_told_and_carried(kind, sign):
    x = sign * torch.rand(2, 4)
    model = kind()
    with pytest.raises(nobuco.BakedValueError, match=r"changes n .*carry_state=True"):
        nobuco.pytorch_to_keras(model, [x], verbose=False, strict=True)
    carried = nobuco.pytorch_to_keras(model, [x], verbose=False, carry_state=True)
    assert set(carried.initial_state) == {"state.n"}
    for each in (x, -x, x + 3e3):
        found = carried([each.numpy(), np.full(4, 3, np.float32)])
        model.n.fill_(3)
        assert np.allclose(found["output"], model(each).numpy(), rtol=1e-4)
        assert np.allclose(found["state"]["n"], model.n.numpy())


@pytest.mark.parametrize("sign", [1, -1])
def test_what_a_branch_overwrites_before_it_reads_it_is_no_state(sign):
    model = nobuco.pytorch_to_keras(Scratch(), [sign * torch.rand(2, 4)], verbose=False, strict=True)
    assert model.report.carried == []
