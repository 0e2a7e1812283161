"""A spotter of spoken commands: a convolution over time and pitch, then recurrent layers (Arik et al., 2017)."""

from torch import Tensor, nn


class KeywordSpotter(nn.Module):
    """Strided convolution, two GRU layers over time, a class of the last step."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, 32, (8, 5), (4, 2), bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 32, (3, 5), (2, 1), bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        )  # fmt: skip
        self.gru = nn.GRU(32 * 4, 96, num_layers=2, batch_first=True)
        self.commands = nn.Sequential(nn.Linear(96, 64), nn.ReLU(), nn.Linear(64, 12))

    def forward(self, x: Tensor) -> Tensor:
        """Mel spectrograms (B, 40, frames) to scores of 12 commands (B, 12)."""
        maps = self.conv(x.unsqueeze(1))
        steps = maps.permute(0, 3, 1, 2).flatten(2)
        heard, _ = self.gru(steps)
        return self.commands(heard[:, -1])
