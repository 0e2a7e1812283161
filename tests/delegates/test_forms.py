"""What `target="gpu"` makes of ops that a delegate would refuse or compute wrongly, as the tables of rules have it: no GPU
is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import nobuco
from tests.delegates.files import file_for_gpu


class Rows(nn.Module):
    """A linear layer on rows that are joined from heads, and added to what has more dims."""

    def __init__(self) -> None:
        super().__init__()
        self.merge = nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        heads = (x.reshape(1, 1, 6, 4, 4).transpose(2, 3) * 2).transpose(2, 3)
        return (x.tanh() + self.merge(heads.reshape(1, 1, 6, 16))).relu()


class Averaged(nn.Module):
    """A linear layer on the mean of a clip, without its dims of one."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x.tanh().reshape(1, 2, 3, 4, 16).mean((1, 2, 3)))


def _in_five_dims(x: Tensor) -> Tensor:
    windows = x.tanh().reshape(1, 2, 4, 6, 8)
    return torch.einsum("bghid,bghjd->bghij", windows * 2, windows + 1).reshape(8, 6, 6)


_MADE: dict[str, tuple[Callable[..., Tensor] | nn.Module, tuple[int, ...]]] = {
    "a product in three dims": (lambda x: x.tanh() @ x.sigmoid().transpose(1, 2), (4, 6, 8)),
    "a product in four dims": (lambda x: x.tanh() @ x.sigmoid().transpose(2, 3), (2, 4, 6, 8)),
    "the left side turned": (lambda x: x.tanh().transpose(1, 2) @ x.sigmoid(), (4, 6, 8)),
    "both sides turned": (lambda x: x.tanh().mT @ (x.sigmoid() * 2).mT, (4, 6, 6)),
    "a product in five dims": (_in_five_dims, (8, 6, 8)),
    "rows joined and added": (Rows(), (1, 1, 6, 16)),
    "a mean in five dims": (Averaged(), (2, 12, 16)),
}


@pytest.mark.parametrize("name", _MADE)
def test_both_delegates_take_it_whole_and_compute_it_rightly(name: str, tmp_path: Path) -> None:
    for check in nobuco.check_delegates(file_for_gpu(*_MADE[name], tmp_path)):
        assert check.whole and check.right, str(check)
