"""A Fourier neural operator, which learns solutions of differential equations (Li et al., 2021)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SpectralConvolution(nn.Module):
    """The lowest frequencies of a field times complex weights; the others are left out."""

    def __init__(self, width: int, modes: int) -> None:
        super().__init__()
        self.modes = modes
        scale = 1 / width
        self.low = nn.Parameter(scale * torch.randn(width, width, modes, modes, dtype=torch.cfloat))
        self.high = nn.Parameter(scale * torch.randn(width, width, modes, modes, dtype=torch.cfloat))

    def forward(self, x: Tensor) -> Tensor:
        """Fields (B, width, H, W) to the same."""
        m = self.modes
        spectrum = torch.fft.rfft2(x)
        out = torch.zeros_like(spectrum)
        out[:, :, :m, :m] = torch.einsum("bixy,ioxy->boxy", spectrum[:, :, :m, :m], self.low)
        out[:, :, -m:, :m] = torch.einsum("bixy,ioxy->boxy", spectrum[:, :, -m:, :m], self.high)
        return torch.fft.irfft2(out, s=x.shape[-2:])


class FourierOperator(nn.Module):
    """A field and its coordinates are lifted to `width` channels, two spectral layers, and projected."""

    def __init__(self, width: int = 20, modes: int = 8) -> None:
        super().__init__()
        self.lift = nn.Conv2d(3, width, 1)
        self.spectral = nn.ModuleList(SpectralConvolution(width, modes) for _ in range(2))
        self.local = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(2))
        self.project = nn.Sequential(nn.Conv2d(width, 64, 1), nn.GELU(), nn.Conv2d(64, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Fields (B, 1, H, W) to fields."""
        across = [torch.linspace(0, 1, size) for size in x.shape[-2:]]
        places = torch.stack(torch.meshgrid(*across, indexing="ij")).expand(len(x), -1, -1, -1)
        x = self.lift(torch.cat([x, places], 1))
        for spectral, local in zip(self.spectral, self.local, strict=True):
            x = F.gelu(spectral(x) + local(x))
        return self.project(x)
