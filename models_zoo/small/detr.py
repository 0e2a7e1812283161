"""DETR: detection as a set of answers to learnt queries (Carion et al., 2020)."""

import torch
from torch import Tensor, nn


class Detr(nn.Module):
    """Features of a picture with learnt places, a transformer, and two heads."""

    def __init__(self, width: int = 64, queries: int = 20) -> None:
        super().__init__()
        widths = (3, 16, 32, 64, 128)
        self.body = nn.Sequential(*[_conv(widths[i], widths[i + 1]) for i in range(4)])
        self.project = nn.Conv2d(widths[-1], width, 1)
        self.transformer = nn.Transformer(width, 4, 2, 2, 4 * width, batch_first=True)
        self.queries = nn.Parameter(torch.randn(queries, width))
        self.rows, self.columns = (nn.Parameter(torch.rand(50, width // 2)) for _ in range(2))
        self.kinds = nn.Linear(width, 21)
        self.boxes = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 4))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, H, W) to scores of classes (B, queries, 21) and boxes (B, queries, 4)."""
        maps = self.project(self.body(x))
        height, width = maps.shape[2:]
        places = torch.cat(
            [
                self.columns[:width].unsqueeze(0).expand(height, -1, -1),
                self.rows[:height].unsqueeze(1).expand(-1, width, -1),
            ],
            -1,
        )
        features = maps.flatten(2).transpose(1, 2) + places.flatten(0, 1)
        made = self.transformer(features, self.queries.unsqueeze(0).expand(len(x), -1, -1))
        return self.kinds(made), self.boxes(made).sigmoid()


def _conv(given: int, made: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(given, made, 3, 2, 1, bias=False), nn.BatchNorm2d(made), nn.ReLU())
