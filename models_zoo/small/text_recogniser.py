"""CRNN: a line of text in a picture to letters (Shi, Bai, Yao, 2015)."""

from torch import Tensor, nn
from torch.nn import functional as F

_LETTERS = 37  # digits, letters and the blank of CTC


class TextRecogniser(nn.Module):
    """Convolutions down to one row, then bidirectional LSTMs along it."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(24, 48, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(48, 96, 3, padding=1, bias=False), nn.BatchNorm2d(96), nn.ReLU(),
            # From here on letters keep their width: only the height is halved.
            nn.Conv2d(96, 96, 3, padding=1), nn.ReLU(), nn.MaxPool2d((2, 2), (2, 1), (0, 1)),
            nn.Conv2d(96, 128, 3, padding=1, bias=False), nn.BatchNorm2d(128), nn.ReLU(),
            nn.MaxPool2d((2, 2), (2, 1), (0, 1)),
            nn.Conv2d(128, 128, 2), nn.ReLU(),
        )  # fmt: skip
        self.reader = nn.LSTM(128, 64, num_layers=2, bidirectional=True)
        self.letters = nn.Linear(128, _LETTERS)

    def forward(self, x: Tensor) -> Tensor:
        """Grey pictures (B, 1, 32, W) to logarithms of likelihoods (steps, B, letters), as CTC takes them."""
        steps = self.features(x).squeeze(2).permute(2, 0, 1)
        read, _ = self.reader(steps)
        return F.log_softmax(self.letters(read), -1)
