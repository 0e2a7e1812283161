"""The front end of speech models: a mel spectrogram of a wave (Davis and Mermelstein, 1980)."""

import math

import torch
from torch import Tensor, nn

_RATE = 16_000


class MelFrontEnd(nn.Module):
    """Short-time Fourier transform, its power in mel bands, logarithm, normalisation over time."""

    def __init__(self, size: int = 400, step: int = 160, bands: int = 40) -> None:
        super().__init__()
        self.size, self.step = size, step
        self.window: Tensor
        self.bands: Tensor
        self.register_buffer("window", torch.hann_window(size))
        self.register_buffer("bands", _triangles(size // 2 + 1, bands))

    def forward(self, x: Tensor) -> Tensor:
        """Waves (B, samples) to spectrograms (B, bands, frames)."""
        spectrum = torch.stft(x, self.size, self.step, window=self.window, return_complex=True)
        loudness = torch.log(self.bands @ spectrum.abs().square() + 1e-6)
        mean = loudness.mean(-1, keepdim=True)
        return (loudness - mean) / (loudness.var(-1, keepdim=True) + 1e-5).sqrt()


def _triangles(frequencies: int, bands: int) -> Tensor:
    """Filters (bands, frequencies), evenly spaced in mel, each 1 at its centre and 0 at its neighbours' centres."""
    top = 2595 * math.log10(1 + _RATE / 2 / 700)
    centres = 700 * (10 ** (torch.linspace(0, top, bands + 2) / 2595) - 1)
    hertz = torch.linspace(0, _RATE / 2, frequencies)
    rising = (hertz - centres[:-2, None]) / (centres[1:-1] - centres[:-2])[:, None]
    falling = (centres[2:, None] - hertz) / (centres[2:] - centres[1:-1])[:, None]
    return torch.minimum(rising, falling).clamp(min=0)
