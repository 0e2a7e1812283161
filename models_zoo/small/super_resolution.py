"""A light enlarger of pictures: grouped convolutions with shuffled channels, and pixels shuffled out of channels."""

from torch import Tensor, nn
from torch.nn import functional as F


class SuperResolution(nn.Module):
    """Residual blocks of grouped convolutions, and a pixel shuffle (Shi et al., 2016) at the end."""

    def __init__(self, width: int = 32, groups: int = 4, enlarge: int = 2) -> None:
        super().__init__()
        self.groups, self.enlarge = groups, enlarge
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.grouped = nn.ModuleList([nn.Conv2d(width, width, 3, padding=1, groups=groups) for _ in range(3)])
        self.mixed = nn.ModuleList([nn.Conv2d(width, width, 1, groups=groups) for _ in range(3)])
        self.last = nn.Conv2d(width, 3 * enlarge**2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) to pictures of twice the size."""
        x = F.relu(self.first(x))
        for grouped, mixed in zip(self.grouped, self.mixed, strict=True):
            # Shuffled between two grouped convolutions, so that the second sees channels of every group.
            x = x + mixed(_shuffled(F.relu(grouped(x)), self.groups))
        return F.pixel_shuffle(self.last(x), self.enlarge)


def _shuffled(x: Tensor, groups: int) -> Tensor:
    """As ShuffleNets write it: the ONNX exporter has no `channel_shuffle`."""
    batch, channels, height, width = x.shape
    return x.view(batch, groups, channels // groups, height, width).transpose(1, 2).reshape(x.shape)
