"""Digits drawn by program, and a small model that is trained on them: a model whose answers mean something."""

import numpy as np
import torch
from torch import nn

_GLYPHS = """
.###. ..#.. .###. .###. ...#. ##### ..##. ##### .###. .###.
#...# .##.. #...# #...# ..##. #.... .#... ....# #...# #...#
#..## ..#.. ....# ....# .#.#. ####. #.... ...#. #...# #...#
#.#.# ..#.. ...#. ..##. #..#. ....# ####. ..#.. .###. .####
##..# ..#.. ..#.. ....# ##### ....# #...# .#... #...# ....#
#...# ..#.. .#... #...# ...#. #...# #...# .#... #...# ...#.
.###. .###. ##### .###. ...#. .###. .###. .#... .###. .##..
"""
_ROWS = [line.split() for line in _GLYPHS.strip().splitlines()]
_SHAPES = np.array([[[c == "#" for c in row[digit]] for row in _ROWS] for digit in range(10)], np.float32)


def digits(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (count, 1, 10, 10), noisy, faint and out of place, and their labels."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, count)
    images = 0.3 * random.standard_normal((count, 1, 10, 10)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        row, column = random.integers(0, 4), random.integers(0, 6)
        image[0, row : row + 7, column : column + 5] += random.uniform(0.6, 1.4) * _SHAPES[label]
    return torch.from_numpy(images), torch.from_numpy(labels)


class DigitNet(nn.Module):
    """What a phone's classifier is made of: a stem, a depthwise and pointwise pair with its shortcut, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU6())
        self.depthwise = nn.Sequential(
            nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.BatchNorm2d(16), nn.Hardswish()
        )
        self.pointwise = nn.Sequential(nn.Conv2d(16, 16, 1), nn.BatchNorm2d(16))
        self.pool = nn.MaxPool2d(2)
        self.wide = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU())
        self.head = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = x + self.pointwise(self.depthwise(x))
        return self.head(self.wide(self.pool(x)).amax((2, 3)))


def trained(model: nn.Module, steps: int = 150) -> nn.Module:
    """The model, trained on digits for a few seconds, ready to be converted."""
    images, labels = digits(4096, seed=1)
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.02, total_steps=steps)
    batches = torch.Generator().manual_seed(0)
    model.train()
    for _ in range(steps):
        chosen = torch.randint(len(images), (64,), generator=batches)
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(images[chosen]), labels[chosen]).backward()
        optimiser.step()
        schedule.step()
    return model.eval()
