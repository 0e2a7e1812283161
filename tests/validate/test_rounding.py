"""What PyTorch's own float32 result leaves open: only rounding is an excuse."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from nobuco.program import Program
from nobuco.validate.rounding import own_rounding

X = torch.linspace(0.1, 0.9, 6)


class Weighted(nn.Module):
    """Of as many elements as the weight's last bit or the input's dtype decides."""

    def __init__(self, by: str) -> None:
        super().__init__()
        self.by, self.weight = by, nn.Parameter(torch.ones(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        single, exact = x.dtype == torch.float32, bool((self.weight == 1).all())
        usual = {"dtype": single, "last bit": exact, "both": single and exact}[self.by]
        return x.sum() * self.weight.mean() + torch.zeros(3 if usual else 2)


def _rounding(program: Any) -> float | None:
    converted = Program.of(program, [X])
    with torch.no_grad():
        return own_rounding(converted, [X], converted.run([X]))


@pytest.mark.parametrize("by", ["dtype", "last bit", "both"])
def test_a_result_of_another_shape_is_no_excuse(by: str) -> None:
    rounding = _rounding(Weighted(by))
    assert rounding is None or rounding < 1e-5


def test_a_program_that_is_other_at_every_call_has_none() -> None:
    calls = iter(range(100))
    assert _rounding(lambda x: x * next(calls)) is None


def test_a_program_that_runs_once_only_has_none() -> None:
    calls = iter([1, 2])  # one for the result itself, one for the next

    def program(x: torch.Tensor) -> torch.Tensor:
        return x * 0 + (1 if next(calls) else 0)

    assert _rounding(program) is None


def test_amplified_rounding_is_found() -> None:
    def chaotic(x: torch.Tensor) -> torch.Tensor:
        for _ in range(60):
            x = 3.99 * x * (1 - x)
        return x

    steady, chaos = _rounding(lambda x: x * 2), _rounding(chaotic)
    assert steady is not None and steady < 1e-5
    assert chaos is not None and chaos > 1e-2
