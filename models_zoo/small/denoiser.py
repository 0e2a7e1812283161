"""A speech denoiser that masks a spectrum (Williamson et al., 2016)."""

import torch
from torch import Tensor, nn


class Denoiser(nn.Module):
    """Short-time Fourier transform, convolutions over time that find a complex mask, and back to a wave."""

    def __init__(self, size: int = 256, step: int = 64, width: int = 96) -> None:
        super().__init__()
        self.size, self.step = size, step
        frequencies = size // 2 + 1
        self.window: Tensor
        self.register_buffer("window", torch.hann_window(size))
        self.mask = nn.Sequential(
            nn.Conv1d(2 * frequencies, width, 3, padding=1), nn.PReLU(width),
            nn.Conv1d(width, width, 3, padding=2, dilation=2), nn.PReLU(width),
            nn.Conv1d(width, 2 * frequencies, 3, padding=1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Waves (B, samples) to waves of the same length."""
        spectrum = torch.stft(x, self.size, self.step, window=self.window, return_complex=True)
        real, imaginary = self.mask(torch.cat([spectrum.real, spectrum.imag], 1)).chunk(2, 1)
        masked = spectrum * torch.complex(real, imaginary)
        return torch.istft(masked, self.size, self.step, window=self.window, length=x.shape[-1])
