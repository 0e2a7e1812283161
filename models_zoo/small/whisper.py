"""Whisper's encoder: sound to what its decoder reads (Radford et al., 2022)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Whisper(nn.Module):
    """Two convolutions over time, then self-attention."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(80, width, 3, padding=1), nn.Conv1d(width, width, 3, 2, 1)
        # Not nn.TransformerEncoder, whose layers are copies of one, down to the weights.
        self.layers = nn.Sequential(
            *[
                nn.TransformerEncoderLayer(
                    width, 4, 4 * width, activation="gelu", batch_first=True, norm_first=True
                )
                for _ in range(2)
            ]
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Mel spectrograms (B, 80, frames) to features (B, half as many, width)."""
        x = F.gelu(self.second(F.gelu(self.first(x)))).transpose(1, 2)
        return self.norm(self.layers(x + _waves(x.shape[1], x.shape[2])))


def _waves(steps: int, width: int) -> Tensor:
    """Places as sines and cosines (steps, width)."""
    pace = torch.exp(torch.arange(width // 2, dtype=torch.float32) * (-math.log(10_000.0) / (width // 2 - 1)))
    angles = torch.arange(steps, dtype=torch.float32)[:, None] * pace
    return torch.cat([angles.sin(), angles.cos()], 1)
