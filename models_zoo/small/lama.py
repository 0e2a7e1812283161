"""A block of fast Fourier convolutions as in LaMa, which fills holes in images (Suvorov et al., 2022)."""

import torch
from torch import Tensor, nn


class SpectralTransform(nn.Module):
    """A convolution of the spectrum of the whole image, real and imaginary parts as channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before = nn.Sequential(
            nn.Conv2d(width, width // 2, 1, bias=False), nn.BatchNorm2d(width // 2), nn.ReLU()
        )
        self.spectral = nn.Sequential(
            nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.after = nn.Conv2d(width // 2, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, width, H, W) to the same."""
        x = self.before(x)
        spectrum = torch.fft.rfftn(x, dim=(-2, -1), norm="ortho")
        parts = torch.stack((spectrum.real, spectrum.imag), dim=2).flatten(1, 2)
        real, imaginary = self.spectral(parts).unflatten(1, (-1, 2)).unbind(2)
        seen = torch.fft.irfftn(torch.complex(real, imaginary), s=x.shape[-2:], dim=(-2, -1), norm="ortho")
        return self.after(x + seen)


class FourierBlock(nn.Module):
    """Local and global channels, each of which sees both; the global ones see the whole image."""

    def __init__(self, local: int, wide: int) -> None:
        super().__init__()
        self.local_local = nn.Conv2d(local, local, 3, padding=1, padding_mode="reflect", bias=False)
        self.local_wide = nn.Conv2d(local, wide, 3, padding=1, padding_mode="reflect", bias=False)
        self.wide_local = nn.Conv2d(wide, local, 3, padding=1, padding_mode="reflect", bias=False)
        self.wide_wide = SpectralTransform(wide)
        self.norm_local, self.norm_wide = nn.BatchNorm2d(local), nn.BatchNorm2d(wide)

    def forward(self, local: Tensor, wide: Tensor) -> tuple[Tensor, Tensor]:
        """Maps of both kinds (B, C, H, W) to the same."""
        new_local = self.norm_local(self.local_local(local) + self.wide_local(wide))
        new_wide = self.norm_wide(self.local_wide(local) + self.wide_wide(wide))
        return local + torch.relu(new_local), wide + torch.relu(new_wide)


class Lama(nn.Module):
    """Two blocks between a strided convolution and its transposed counterpart."""

    def __init__(self, local: int = 12, wide: int = 36) -> None:
        super().__init__()
        self.split = (local, wide)
        self.into = nn.Sequential(nn.Conv2d(3, local + wide, 5, 2, 2), nn.ReLU())
        self.blocks = nn.ModuleList(FourierBlock(local, wide) for _ in range(2))
        self.out = nn.Sequential(nn.ConvTranspose2d(local + wide, 3, 4, 2, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 3, H, W) to images."""
        local, wide = self.into(x).split(self.split, 1)
        for block in self.blocks:
            local, wide = block(local, wide)
        return self.out(torch.cat([local, wide], 1))
