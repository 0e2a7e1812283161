"""A decoder layer as in Llama (Touvron et al., 2023): its positions are turns of complex numbers."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Llama(nn.Module):
    """RMSNorm, causal attention of grouped heads with rotary positions, RMSNorm, gated layers."""

    def __init__(self, tokens: int = 32, width: int = 96, heads: int = 6, groups: int = 2) -> None:
        super().__init__()
        self.heads, self.groups, self.size = heads, groups, width // heads
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(width, groups * self.size, bias=False)
        self.v = nn.Linear(width, groups * self.size, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norms = nn.ModuleList(nn.RMSNorm(width, 1e-5) for _ in range(2))
        self.gate, self.up = (nn.Linear(width, 2 * width, bias=False) for _ in range(2))
        self.down = nn.Linear(2 * width, width, bias=False)
        speeds = 10_000 ** (-torch.arange(0, self.size, 2) / self.size)
        angles = torch.outer(torch.arange(tokens), speeds)
        self.turns: Tensor
        self.register_buffer("turns", torch.polar(torch.ones_like(angles), angles)[:, None])

    def forward(self, x: Tensor) -> Tensor:
        """Embedded tokens (B, tokens, width) to the same."""
        x = x + self._attention(self.norms[0](x))
        y = self.norms[1](x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))

    def _attention(self, x: Tensor) -> Tensor:
        q, k, v = (layer(x).unflatten(-1, (-1, self.size)) for layer in (self.q, self.k, self.v))
        k, v = (each.repeat_interleave(self.heads // self.groups, 2) for each in (self._turned(k), v))
        q, k, v = (each.transpose(1, 2) for each in (self._turned(q), k, v))
        return self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))

    def _turned(self, x: Tensor) -> Tensor:
        pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)))
        return torch.view_as_real(pairs * self.turns).flatten(3)
