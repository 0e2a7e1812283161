"""What PyTorch's own float32 result leaves open: only rounding is an excuse."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from nobuco.program import Program
from nobuco.validate.rounding import OwnRounding

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
        return OwnRounding(converted).on([X], converted.run([X]))


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


def _chaotic(x: torch.Tensor, turns: int = 60) -> torch.Tensor:
    for _ in range(turns):
        x = 3.99 * x * (1 - x)
    return x


def test_amplified_rounding_is_found() -> None:
    steady, chaos = _rounding(lambda x: x * 2), _rounding(_chaotic)
    assert steady is not None and steady < 1e-5
    assert chaos is not None and chaos > 1e-2


@pytest.mark.parametrize("turns", [4, 8, 12])
def test_further_inputs_are_nudged_only(turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(program: Program, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
        ran.append(inputs[0].dtype)
        return plain(program, inputs)

    ran: list[torch.dtype] = []
    plain = Program.run
    converted = Program.of(lambda x: _chaotic(x, turns), [X])
    known = OwnRounding(converted)
    with torch.no_grad():
        known.on([X], converted.run([X]))
        for each in (X.flip(0), X * 0.97, torch.rand(6, generator=torch.Generator().manual_seed(1))):
            expected = converted.run([each])
            whole = OwnRounding(converted).on([each], expected)
            with monkeypatch.context() as patch:
                patch.setattr(Program, "run", run)
                found = known.on([each], expected)
            assert found is not None and whole is not None
            assert whole / 10 <= found <= 10 * whole
    assert ran == [torch.float32] * 3
