"""A detector as YOLOv8 is built: a backbone, features joined both ways, three heads without anchors."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_BINS = 16  # of the distribution that a distance to a side of the box is read from
_CLASSES = 20


class Yolo(nn.Module):
    """SiLU convolutions in C2f blocks, SPPF, three heads whose boxes are decoded."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        w2, w3, w4, w5 = (width * factor for factor in (2, 4, 8, 16))
        self.stem = nn.Sequential(_Conv(3, width, 3, 2), _Conv(width, w2, 3, 2), _C2f(w2, w2, True))
        self.to3 = nn.Sequential(_Conv(w2, w3, 3, 2), _C2f(w3, w3, True))
        self.to4 = nn.Sequential(_Conv(w3, w4, 3, 2), _C2f(w4, w4, True))
        self.to5 = nn.Sequential(_Conv(w4, w5, 3, 2), _C2f(w5, w5, True), _SPPF(w5))
        self.down4, self.down3 = _C2f(w5 + w4, w4, False), _C2f(w4 + w3, w3, False)
        self.stride3, self.up4 = _Conv(w3, w3, 3, 2), _C2f(w3 + w4, w4, False)
        self.stride4, self.up5 = _Conv(w4, w4, 3, 2), _C2f(w4 + w5, w5, False)
        self.heads = nn.ModuleList([_Head(given, w3) for given in (w3, w4, w5)])
        self.register_buffer("bins", torch.arange(_BINS, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (B, 3, H, W), sides multiples of 32, to (B, 4 + classes, places): centre, size and scores."""
        p3 = self.to3(self.stem(x))
        p4 = self.to4(p3)
        p5 = self.to5(p4)
        n4 = self.down4(torch.cat([F.interpolate(p5, scale_factor=2.0, mode="nearest"), p4], 1))
        n3 = self.down3(torch.cat([F.interpolate(n4, scale_factor=2.0, mode="nearest"), p3], 1))
        n4 = self.up4(torch.cat([self.stride3(n3), n4], 1))
        n5 = self.up5(torch.cat([self.stride4(n4), p5], 1))
        levels = [head(level) for head, level in zip(self.heads, (n3, n4, n5), strict=True)]
        places, strides = _places(levels, x)
        return self._decoded(torch.cat([level.flatten(2) for level in levels], 2), places, strides)

    def _decoded(self, raw: Tensor, places: Tensor, strides: Tensor) -> Tensor:
        sides, scores = raw.split([4 * _BINS, _CLASSES], 1)
        # Each distance is the mean of a distribution over whole numbers of cells.
        likely = sides.view(raw.shape[0], 4, _BINS, raw.shape[2]).transpose(1, 2).softmax(1)
        distances = (likely * self.get_buffer("bins").view(1, _BINS, 1, 1)).sum(1)
        before, after = distances.chunk(2, 1)
        first, last = places - before, places + after
        boxes = torch.cat([(first + last) / 2, last - first], 1) * strides
        return torch.cat([boxes, scores.sigmoid()], 1)


class _Conv(nn.Sequential):
    def __init__(self, given: int, made: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(given, made, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(made), nn.SiLU()
        )


class _Bottleneck(nn.Module):
    def __init__(self, width: int, residual: bool) -> None:
        super().__init__()
        self.convs, self.residual = nn.Sequential(_Conv(width, width, 3), _Conv(width, width, 3)), residual

    def forward(self, x: Tensor) -> Tensor:
        return x + self.convs(x) if self.residual else self.convs(x)


class _C2f(nn.Module):
    """Half of the channels goes through bottlenecks; all that is made on the way is joined."""

    def __init__(self, given: int, made: int, residual: bool, count: int = 1) -> None:
        super().__init__()
        self.enter = _Conv(given, made)
        self.blocks = nn.ModuleList([_Bottleneck(made // 2, residual) for _ in range(count)])
        self.leave = _Conv((2 + count) * (made // 2), made)

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.enter(x).chunk(2, 1))
        for block in self.blocks:
            parts.append(block(parts[-1]))
        return self.leave(torch.cat(parts, 1))


class _SPPF(nn.Module):
    """Maxima over ever larger surroundings, side by side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter, self.leave = _Conv(width, width // 2), _Conv(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.enter(x)]
        for _ in range(3):
            parts.append(F.max_pool2d(parts[-1], 5, 1, 2))
        return self.leave(torch.cat(parts, 1))


class _Head(nn.Module):
    def __init__(self, given: int, width: int) -> None:
        super().__init__()
        self.sides = nn.Sequential(
            _Conv(given, width, 3), _Conv(width, width, 3), nn.Conv2d(width, 4 * _BINS, 1)
        )
        self.scores = nn.Sequential(
            _Conv(given, width, 3), _Conv(width, width, 3), nn.Conv2d(width, _CLASSES, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.sides(x), self.scores(x)], 1)


def _places(levels: list[Tensor], picture: Tensor) -> tuple[Tensor, Tensor]:
    """The middles of all cells (1, 2, places), in cells of their level, and the sides of the cells (1, 1, places)."""
    places, strides = [], []
    for level in levels:
        height, width = level.shape[2:]
        middles = [torch.arange(size, dtype=torch.float32) + 0.5 for size in (height, width)]
        y, x = torch.meshgrid(middles, indexing="ij")
        places.append(torch.stack([x.flatten(), y.flatten()]))
        strides.append(torch.full((1, height * width), picture.shape[2] / height))
    return torch.cat(places, 1)[None], torch.cat(strides, 1)[None]
