"""HuBERT, and wav2vec 2.0: a wave to features of speech (Hsu et al., 2021)."""

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm


class Hubert(nn.Module):
    """Seven convolutions over the wave, a convolution in place of positions, a transformer's encoder."""

    def __init__(self, channels: int = 48, width: int = 128) -> None:
        super().__init__()
        kernels = ((10, 5), *((3, 2),) * 4, *((2, 2),) * 2)
        self.convs = nn.ModuleList(
            [
                nn.Conv1d(channels if i else 1, channels, kernel, stride, bias=False)
                for i, (kernel, stride) in enumerate(kernels)
            ]
        )
        self.norm = nn.GroupNorm(channels, channels)  # of the first convolution alone
        self.project = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, width))
        self.places = weight_norm(nn.Conv1d(width, width, 128, padding=64, groups=16), dim=2)
        self.before = nn.LayerNorm(width)
        # Not nn.TransformerEncoder, whose layers are copies of one, down to the weights.
        self.layers = nn.Sequential(
            *[
                nn.TransformerEncoderLayer(width, 4, 4 * width, activation="gelu", batch_first=True)
                for _ in range(2)
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Waves (B, samples) to features (B, frames, width), a frame for 320 samples."""
        x = x.unsqueeze(1)
        for i, conv in enumerate(self.convs):
            x = conv(x)
            x = F.gelu(x if i else self.norm(x))
        x = self.project(x.transpose(1, 2))
        # The even kernel makes a frame too many.
        places = F.gelu(self.places(x.transpose(1, 2))[..., :-1]).transpose(1, 2)
        return self.layers(self.before(x + places))
