"""U-Net: segmentation, and the frame of diffusion models (Ronneberger et al., 2015)."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class UNet(nn.Module):
    """Down by max pooling and up by transposed convolutions, each level joined with what it was on the way down."""

    def __init__(
        self, norm: Callable[[int], nn.Module] = nn.BatchNorm2d, widths: tuple[int, ...] = (8, 16, 32, 64)
    ) -> None:
        super().__init__()
        steps = list(pairwise(widths))
        self.first = _block(3, widths[0], norm)
        self.downs = nn.ModuleList([_block(given, made, norm) for given, made in steps])
        self.ups = nn.ModuleList([nn.ConvTranspose2d(deep, shallow, 2, 2) for shallow, deep in steps[::-1]])
        self.joins = nn.ModuleList([_block(deep, shallow, norm) for shallow, deep in steps[::-1]])
        self.head = nn.Conv2d(widths[0], 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (B, 3, H, W), sides multiples of 8, to scores of two classes (B, 2, H, W)."""
        x = self.first(x)
        skips = []
        for down in self.downs:
            skips.append(x)
            x = down(F.max_pool2d(x, 2))
        for up, join in zip(self.ups, self.joins, strict=True):
            x = join(torch.cat([skips.pop(), up(x)], 1))
        return self.head(x)


def _block(given: int, made: int, norm: Callable[[int], nn.Module]) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(given, made, 3, padding=1, bias=False),
        norm(made),
        nn.SiLU(),
        nn.Conv2d(made, made, 3, padding=1, bias=False),
        norm(made),
        nn.SiLU(),
    )
