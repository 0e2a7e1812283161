"""Mamba: a sequence model of selective state spaces (Gu, Dao, 2023)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Mamba(nn.Module):
    """Two blocks, each added to what it was given."""

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([_Block(width) for _ in range(2)])
        self.norms = nn.ModuleList([_RMSNorm(width) for _ in range(2)])
        self.last = _RMSNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Embeddings (B, steps, width) to as many features."""
        for norm, block in zip(self.norms, self.blocks, strict=True):
            x = x + block(norm(x))
        return self.last(x)


class _RMSNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


class _Block(nn.Module):
    """A causal convolution, a state that the input itself steers, and a gate."""

    def __init__(self, width: int, states: int = 16, kernel: int = 4) -> None:
        super().__init__()
        inner, rank = 2 * width, width // 16
        self.enter = nn.Linear(width, 2 * inner, bias=False)
        self.conv = nn.Conv1d(inner, inner, kernel, padding=kernel - 1, groups=inner)
        self.steer = nn.Linear(inner, rank + 2 * states, bias=False)
        self.pace = nn.Linear(rank, inner)
        self.decay = nn.Parameter(torch.arange(1.0, states + 1).log().repeat(inner, 1))
        self.skip = nn.Parameter(torch.ones(inner))
        self.leave = nn.Linear(inner, width, bias=False)
        self.sizes = (rank, states, states)

    def forward(self, x: Tensor) -> Tensor:
        steps = x.shape[1]
        x, gate = self.enter(x).chunk(2, -1)
        x = F.silu(self.conv(x.transpose(1, 2))[..., :steps].transpose(1, 2))
        return self.leave(self._states(x) * F.silu(gate))

    def _states(self, x: Tensor) -> Tensor:
        pace, given, read = self.steer(x).split(self.sizes, -1)
        pace = F.softplus(self.pace(pace))
        kept = torch.exp(pace.unsqueeze(-1) * -self.decay.exp())  # (B, steps, inner, states)
        added = (pace * x).unsqueeze(-1) * given.unsqueeze(2)
        return (scan(kept, added) * read.unsqueeze(2)).sum(-1) + x * self.skip


def scan(kept: Tensor, added: Tensor) -> Tensor:
    """State t is kept[t] times state t - 1, plus added[t]: all of them, in as many rounds as the steps have bits."""
    shift = 1
    while shift < added.shape[1]:
        # Each place so far sums up `shift` steps; joined with the place that many before, it sums up twice as many.
        before = torch.cat([torch.zeros_like(added[:, :shift]), added[:, :-shift]], 1)
        added = added + kept * before
        kept = kept * torch.cat([torch.ones_like(kept[:, :shift]), kept[:, :-shift]], 1)
        shift *= 2
    return added
