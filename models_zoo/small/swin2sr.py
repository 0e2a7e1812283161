"""Swin2SR: pictures enlarged by attention in windows, that of Swin v2 (Conde et al., 2022; Liu et al., 2022)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_WINDOW = 8
_UNSEEN = -100.0


class Swin2SR(nn.Module):
    """Groups of layers that end in a convolution, and pixels shuffled out of channels."""

    def __init__(self, width: int = 32, groups: int = 2, enlarge: int = 2) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.groups = nn.ModuleList([_Group(width) for _ in range(groups)])
        self.norm = nn.LayerNorm(width)
        self.joint = nn.Conv2d(width, width, 3, padding=1)
        self.last, self.shuffle = nn.Conv2d(width, 3 * enlarge**2, 3, padding=1), nn.PixelShuffle(enlarge)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (B, 3, H, W), sides multiples of the window's, to pictures of twice the size."""
        shallow = deep = self.first(x)
        for group in self.groups:
            deep = group(deep)
        deep = self.norm(deep.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self.shuffle(self.last(shallow + self.joint(deep)))


class _Group(nn.Module):
    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.layers = nn.ModuleList([_Layer(width, heads, shift) for shift in (0, _WINDOW // 2)])
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = x.permute(0, 2, 3, 1)
        for layer in self.layers:
            y = layer(y)
        return x + self.conv(y.permute(0, 3, 1, 2))


class _Layer(nn.Module):
    """Swin v2: norms stand behind attention and MLP, not before them."""

    def __init__(self, width: int, heads: int, shift: int) -> None:
        super().__init__()
        self.attention, self.shift = _Attention(width, heads), shift
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.norm1(self._attended(x))
        return x + self.norm2(self.mlp(x))

    def _attended(self, x: Tensor) -> Tensor:
        _, height, width, _ = x.shape
        if not self.shift:
            return _joined(self.attention(_windows(x), None), height, width)
        shifted = x.roll((-self.shift, -self.shift), (1, 2))
        made = self.attention(_windows(shifted), _mask(height, width, self.shift))
        return _joined(made, height, width).roll((self.shift, self.shift), (1, 2))


class _Attention(nn.Module):
    """By cosine, with a bias that a small network makes of how far apart two places are."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.q_bias, self.v_bias = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(width))
        self.scale = nn.Parameter(torch.full((heads, 1, 1), math.log(10.0)))
        self.bias = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, heads, bias=False))
        table, places = _distances()
        self.register_buffer("table", table)
        self.register_buffer("places", places)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x: (windows, places, width); mask: (windows of a picture, places, places)."""
        count, places, width = x.shape
        bias = torch.cat([self.q_bias, torch.zeros_like(self.v_bias), self.v_bias])
        qkv = F.linear(x, self.qkv.weight, bias).view(count, places, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        scores = scores * self.scale.clamp(max=math.log(100.0)).exp() + self._bias()
        if mask is not None:
            scores = scores.view(-1, len(mask), self.heads, places, places) + mask.unsqueeze(1)
            scores = scores.view(count, self.heads, places, places)
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(count, places, width))

    def _bias(self) -> Tensor:
        places = _WINDOW**2
        by_distance = self.bias(self.get_buffer("table")).view(-1, self.heads)
        bias = by_distance[self.get_buffer("places").flatten()].view(places, places, self.heads)
        return 16 * bias.permute(2, 0, 1).sigmoid()


def _windows(x: Tensor) -> Tensor:
    """(B, H, W, C) to (windows, places, C)."""
    batch, height, width, channels = x.shape
    x = x.view(batch, height // _WINDOW, _WINDOW, width // _WINDOW, _WINDOW, channels)
    return x.transpose(2, 3).reshape(-1, _WINDOW**2, channels)


def _joined(windows: Tensor, height: int, width: int) -> Tensor:
    """(windows, places, C) to (B, H, W, C)."""
    channels = windows.shape[2]
    x = windows.view(-1, height // _WINDOW, width // _WINDOW, _WINDOW, _WINDOW, channels)
    return x.transpose(2, 3).reshape(-1, height, width, channels)


def _mask(height: int, width: int, shift: int) -> Tensor:
    """Of a picture rolled by `shift`: places of a window that were no neighbours do not see each other."""
    part_of_row, part_of_column = (_parts(size, shift) for size in (height, width))
    parts = _windows((3 * part_of_row[:, None] + part_of_column)[None, :, :, None]).squeeze(2)
    return torch.where(parts[:, :, None] == parts[:, None, :], 0.0, _UNSEEN)


def _parts(size: int, shift: int) -> Tensor:
    place = torch.arange(size)
    return (place >= size - _WINDOW).float() + (place >= size - shift).float()


def _distances() -> tuple[Tensor, Tensor]:
    """All distances between two places of a window, on a logarithmic scale, and which of them is whose."""
    steps = torch.arange(1 - _WINDOW, _WINDOW, dtype=torch.float32)
    table = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), -1) * 8 / (_WINDOW - 1)
    table = table.sign() * (table.abs() + 1).log2() / 3
    place = torch.arange(_WINDOW)
    y, x = (each.flatten() for each in torch.meshgrid(place, place, indexing="ij"))
    down, right = (each[:, None] - each[None, :] + _WINDOW - 1 for each in (y, x))
    return table, down * (2 * _WINDOW - 1) + right
