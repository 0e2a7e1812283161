"""Small models of the kinds that GPUs are asked to run, besides those of the zoo."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class UNet(nn.Module):
    """Down and up again with skips; group norms."""

    def __init__(self, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.down = nn.ModuleList([self._block(3, 8, norm), self._block(8, 16, norm)])
        self.bottom = self._block(16, 32, norm)
        self.ups = nn.ModuleList([nn.ConvTranspose2d(32, 16, 2, 2), nn.ConvTranspose2d(16, 8, 2, 2)])
        self.blocks = nn.ModuleList([self._block(32, 16, norm), self._block(16, 8, norm)])
        self.head = nn.Conv2d(8, 2, 1)

    @staticmethod
    def _block(given: int, made: int, norm: Callable[[int], nn.Module]) -> nn.Module:
        return nn.Sequential(nn.Conv2d(given, made, 3, padding=1), norm(made), nn.SiLU())

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.bottom(x)
        for up, block in zip(self.ups, self.blocks, strict=True):
            x = block(torch.cat([up(x), skips.pop()], 1))
        return self.head(x)


class Whisper(nn.Module):
    """Two convolutions over time, then self-attention: the encoder of a speech recogniser."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(16, 32, 3, padding=1), nn.Conv1d(32, 32, 3, stride=2, padding=1)
        self.places = nn.Parameter(torch.randn(20, 32))
        self.layers = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(32, 4, 64, activation="gelu", batch_first=True, norm_first=True),
            2,
            enable_nested_tensor=False,
        )
        self.norm = nn.LayerNorm(32)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.second(F.gelu(self.first(x))))
        return self.norm(self.layers(x.transpose(1, 2) + self.places))


class Detr(nn.Module):
    """Features of a picture, a transformer with learnt queries, and two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU())
        self.transformer = nn.Transformer(32, 4, 1, 1, 64, batch_first=True)
        self.queries, self.places = nn.Parameter(torch.randn(10, 32)), nn.Parameter(torch.randn(64, 32))
        self.kinds, self.boxes = nn.Linear(32, 5), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(x).flatten(2).transpose(1, 2) + self.places
        made = self.transformer(features, self.queries.unsqueeze(0).expand(x.shape[0], -1, -1))
        return self.kinds(made), self.boxes(made).sigmoid()


class Yolo(nn.Module):
    """Strided convolutions, an upsampled joint, and a head whose boxes are decoded."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.down = nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 32, 3, 2, 1)
        self.head = nn.Conv2d(48, 3 * 9, 1)
        self.register_buffer("anchors", torch.rand(1, 3, 1, 1, 2) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        small = F.silu(self.stem(x))
        deep = F.interpolate(F.silu(self.down(small)), scale_factor=2.0, mode="nearest")
        y = self.head(torch.cat([small, deep], 1))
        y = y.view(y.shape[0], 3, 9, y.shape[2], y.shape[3]).permute(0, 1, 3, 4, 2)
        centre = y[..., :2].sigmoid() * 2 - 0.5
        size = (y[..., 2:4].sigmoid() * 2) ** 2 * self.anchors
        return torch.cat([centre, size, y[..., 4:].sigmoid()], -1).flatten(1, 3)


class HifiGan(nn.Module):
    """Sound from a spectrogram: transposed convolutions over time and dilated ones."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv1d(16, 32, 7, padding=3), nn.Conv1d(8, 1, 7, padding=3)
        self.ups = nn.ModuleList(
            [nn.ConvTranspose1d(32, 16, 8, 4, padding=2), nn.ConvTranspose1d(16, 8, 4, 2, padding=1)]
        )
        self.residuals = nn.ModuleList(
            [nn.Conv1d(width, width, 3, dilation=3, padding=3) for width in (16, 8)]
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for up, residual in zip(self.ups, self.residuals, strict=True):
            x = up(F.leaky_relu(x, 0.1))
            x = x + residual(F.leaky_relu(x, 0.1))
        return self.last(F.leaky_relu(x)).tanh()


class SuperResolution(nn.Module):
    """A shuffle of channels, and one of pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 12, 3, padding=1, groups=4)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.second(F.channel_shuffle(F.relu(self.first(x)), 4)), 2)


def _seeded(make: Callable[[], nn.Module], *shape: int) -> tuple[nn.Module, list[Tensor]]:
    torch.manual_seed(0)
    return make().eval(), [torch.randn(shape)]


# Each with an example input, as `bench` takes them: tests/delegates/models.py:unet


def unet() -> tuple[nn.Module, list[Tensor]]:
    return _seeded(lambda: UNet(nn.BatchNorm2d), 1, 3, 32, 32)


def unet_group_norm() -> tuple[nn.Module, list[Tensor]]:
    return _seeded(lambda: UNet(lambda width: nn.GroupNorm(4, width)), 1, 3, 32, 32)


def whisper() -> tuple[nn.Module, list[Tensor]]:
    return _seeded(Whisper, 1, 16, 40)


def detr() -> tuple[nn.Module, list[Tensor]]:
    return _seeded(Detr, 1, 3, 32, 32)


def yolo() -> tuple[nn.Module, list[Tensor]]:
    return _seeded(Yolo, 1, 3, 32, 32)


def hifigan() -> tuple[nn.Module, list[Tensor]]:
    return _seeded(HifiGan, 1, 16, 12)


def super_resolution() -> tuple[nn.Module, list[Tensor]]:
    return _seeded(SuperResolution, 1, 3, 16, 16)


MODELS = {
    "U-Net, batch norm": unet,
    "U-Net, group norm": unet_group_norm,
    "Whisper's encoder, small": whisper,
    "DETR, small": detr,
    "YOLO-like": yolo,
    "HiFi-GAN, small": hifigan,
    "super-resolution": super_resolution,
}
