"""The inputs a finished model is tried on: of the kind that the model takes, and other than the example."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
import torch
from torch import nn

import nobuco
from nobuco.validate.samples import BOLD, GENTLE, MILD, draw
from nobuco.validate.uses import Use

WRONG = nobuco.ChannelOrderingStrategy.MINIMUM_TRANSPOSITIONS


def _drawn(example: torch.Tensor, use: Use = Use(), degree: int = BOLD) -> torch.Tensor:  # noqa: B008
    tensor, said = draw(example, tuple(example.shape), use, degree, torch.Generator().manual_seed(0))
    assert said and (tensor.shape, tensor.dtype) == (example.shape, example.dtype)
    return tensor


def _kind(example: torch.Tensor) -> str:
    """Tests are collected by several processes, whose random numbers differ."""
    return f"{example.dtype}-{tuple(example.shape)}"


@pytest.mark.parametrize(
    "example",
    [
        torch.zeros(2, 3), torch.ones(4), torch.full((2, 5), -7.0), torch.zeros(()), torch.rand(3, 4), torch.randn(9),
        torch.zeros(3, dtype=torch.complex64), torch.zeros(4, dtype=torch.float16),
        torch.zeros(8, dtype=torch.int64), torch.ones(8, dtype=torch.int32), torch.full((3,), 5), torch.tensor(3),
        torch.arange(9), torch.zeros(5, dtype=torch.uint8), torch.ones(16, dtype=torch.bool), torch.zeros(16).bool(),
        torch.tensor([0.0, float("-inf"), 0.0, 0.0]),
    ],
    ids=_kind,
)  # fmt: skip
@pytest.mark.parametrize("degree", [BOLD, MILD])
def test_they_differ_from_the_example(example: torch.Tensor, degree: int) -> None:
    assert not torch.equal(_drawn(example, degree=degree), example)


@pytest.mark.parametrize(
    "example", [torch.rand(3), torch.zeros(3), torch.arange(3), torch.ones(3).bool()], ids=_kind
)
def test_the_gentlest_stay_near(example: torch.Tensor) -> None:
    near = _drawn(example, degree=GENTLE)
    assert torch.allclose(near.float(), example.float(), atol=0.02)


def test_ids_are_below_the_size_they_pick_from() -> None:
    ids = _drawn(torch.zeros(1000, dtype=torch.int64), Use(below=7))
    assert set(ids.tolist()) == set(range(7))


def test_masks_are_zero_and_one() -> None:
    assert set(_drawn(torch.full((50,), 1), Use(mask=True)).tolist()) == {0, 1}


@nobuco.traceable
def _operation(x: torch.Tensor) -> torch.Tensor:
    return x.abs()


class Ids(nn.Module):
    def __init__(self, take: Any) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 4)
        self.take = take

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.take(self.table, ids)


IDS = {
    "embedding": lambda table, ids: table(ids),
    "reshaped": lambda table, ids: table(ids.view(-1).long()),
    "index": lambda table, ids: table.weight[ids],
    "index_select": lambda table, ids: torch.index_select(table.weight, 0, ids.flatten()),
    "gather": lambda table, ids: table.weight.gather(0, ids),
    "one_hot": lambda table, ids: nn.functional.one_hot(ids, 11) @ table.weight.long(),
}


@pytest.mark.parametrize("name", IDS)
def test_the_trace_tells_which_ids_a_model_takes(name: str) -> None:
    converted = nobuco.pytorch_to_keras(
        Ids(IDS[name]), [torch.zeros(2, 4, dtype=torch.int64)], verbose=False, strict=True
    )
    assert converted.report.checks[1].drawn == "ids: whole numbers from 0 to 10"
    assert "ids: whole numbers from 0 to 10" in str(converted.report)


@pytest.mark.parametrize(
    ("example", "wrong"),
    [
        (torch.zeros(1, 3, 4, 4), lambda x: lambda x: x),
        (torch.ones(1, 3), lambda x: lambda x: x),
        (torch.full((2, 3), 0.5), lambda x: lambda x: x * 0 + 0.5),
        (torch.zeros(6, dtype=torch.int32), lambda x: lambda x: x * 2),
    ],
    ids=["zeros", "ones", "full", "ids"],
)
def test_a_wrong_converter_is_seen_whatever_the_example(example: torch.Tensor, wrong: Any) -> None:
    nobuco.converter(_operation, channel_ordering_strategy=WRONG)(wrong)
    with pytest.warns(nobuco.DiscrepancyWarning, match="on fresh inputs"):
        nobuco.pytorch_to_keras(lambda x: _operation(x), [example], verbose=False, full_validation=False)


def test_inputs_that_the_model_refuses_give_way_to_gentler_ones() -> None:
    def model(x: torch.Tensor) -> torch.Tensor:
        if not torch.equal(x, x.clamp(0, 1)):
            raise ValueError("not an image")
        return x * 2

    with pytest.warns(nobuco.BakedValueWarning, match="equal gave True"):
        converted = nobuco.pytorch_to_keras(model, [torch.zeros(2, 3)], verbose=False)
    assert converted.report.checks[1].drawn == "x: even between 0 and 1"


def test_inputs_without_a_finite_answer_give_way_to_gentler_ones() -> None:
    converted = nobuco.pytorch_to_keras(torch.log, [torch.ones(2, 3)], verbose=False, strict=True)
    assert converted.report.checks[1].drawn.endswith(": even between 0 and 1")


def test_inputs_on_which_float32_is_nothing_but_rounding_give_way_to_gentler_ones() -> None:
    def chaotic_on_noise(x: torch.Tensor) -> torch.Tensor:
        rough = (x[..., 1:] - x[..., :-1]).abs().mean(dim=(1, 2, 3), keepdim=True)
        rate = 2 + 2 * torch.clamp(3 * rough, max=0.99)
        y = 0.3 + 0.1 * torch.sigmoid(x)
        for _ in range(60):
            y = rate * y * (1 - y)
        return y

    smooth = torch.linspace(0, 1, 64).repeat(1, 3, 64, 1)
    converted = nobuco.pytorch_to_keras(chaotic_on_noise, [smooth], verbose=False, strict=True)
    assert converted.report.checks[1].drawn.endswith("mirrored and moved")
    assert converted.report.checks[1].rounding is None


def test_what_a_program_does_in_float64_alone_is_no_rounding() -> None:
    def copies_bytes(x: torch.Tensor) -> torch.Tensor:
        y = torch.empty_like(x)
        ctypes.memmove(y.data_ptr(), x.data_ptr(), 4 * x.numel())  # of float32, and half of them of float64
        return y * 2

    with pytest.warns(nobuco.DiscrepancyWarning, match="fresh inputs: relative error 1,"):
        nobuco.pytorch_to_keras(copies_bytes, [torch.zeros(1, 3, 4, 4)], verbose=False)
