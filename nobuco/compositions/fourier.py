"""Fourier transforms of signals with a real spectrum, and their way back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nobuco.contract.composition import composition

# their scales are those of the transform in the other direction
_OTHER = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}


@composition(torch.fft.hfft)
def hfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    return torch.fft.irfft(input.conj(), n, dim, _OTHER[norm])


@composition(torch.fft.ihfft)
def ihfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    return torch.fft.rfft(input, n, dim, _OTHER[norm]).conj()


def _dims(input: Tensor, s: Any, dim: Any) -> tuple[list[int], list[Any]]:
    if dim is None:
        dim = range(input.dim()) if s is None else range(-len(s), 0)
    dims = [dim] if isinstance(dim, int) else list(dim)
    return dims, [None] * len(dims) if s is None else [None if each == -1 else each for each in s]


@composition(torch.fft.hfftn)
def hfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    dims, sizes = _dims(input, s, dim)
    x = input if input.is_complex() else input.to(torch.complex64)
    for each, size in zip(dims[:-1], sizes[:-1], strict=True):
        x = torch.fft.fft(x, size, each, norm)
    return hfft(x, sizes[-1], dims[-1], norm)


@composition(torch.fft.ihfftn)
def ihfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    dims, sizes = _dims(input, s, dim)
    x = ihfft(input, sizes[-1], dims[-1], norm)
    for each, size in zip(dims[:-1], sizes[:-1], strict=True):
        x = torch.fft.ifft(x, size, each, norm)
    return x


@composition(torch.fft.hfft2)
def hfft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Tensor:
    return hfftn(input, s, dim, norm)


@composition(torch.fft.ihfft2)
def ihfft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Tensor:
    return ihfftn(input, s, dim, norm)
