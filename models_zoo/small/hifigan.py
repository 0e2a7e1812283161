"""HiFi-GAN's generator: sound from a spectrogram (Kong, Kim, Bae, 2020)."""

from torch import Tensor, nn
from torch.nn import functional as F

_STEPS = ((8, 16), (8, 16), (4, 8))  # stride and kernel of each step up: 256 samples a frame
_RESIDUALS = ((3, (1, 2)), (5, (2, 6)), (7, (3, 12)))  # kernel and dilations


class HifiGan(nn.Module):
    """Transposed convolutions over time, each followed by dilated ones of several reaches, averaged."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.first = nn.Conv1d(80, width, 7, padding=3)
        self.ups, self.residuals = nn.ModuleList(), nn.ModuleList()
        for stride, kernel in _STEPS:
            self.ups.append(
                nn.ConvTranspose1d(width, width // 2, kernel, stride, padding=(kernel - stride) // 2)
            )
            width //= 2
            self.residuals.append(_Residuals(width))
        self.last = nn.Conv1d(width, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        """Mel spectrograms (B, 80, frames) to waves (B, 1, 256 * frames)."""
        x = self.first(x)
        for up, residuals in zip(self.ups, self.residuals, strict=True):
            x = residuals(up(F.leaky_relu(x, 0.1)))
        return self.last(F.leaky_relu(x)).tanh()


class _Residuals(nn.Module):
    """The mean of several."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.each = nn.ModuleList([_Residual(width, size, dilations) for size, dilations in _RESIDUALS])

    def forward(self, x: Tensor) -> Tensor:
        first, *others = self.each
        made = first(x)
        for other in others:
            made = made + other(x)
        return made / len(self.each)


class _Residual(nn.Module):
    def __init__(self, width: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                nn.Conv1d(width, width, kernel, padding=dilation * (kernel // 2), dilation=dilation)
                for dilation in dilations
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = x + conv(F.leaky_relu(x, 0.1))
        return x
