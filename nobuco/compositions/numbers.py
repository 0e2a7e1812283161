"""The parts of floating-point numbers, and functions of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nobuco.contract.composition import composition


@composition(torch.frexp, torch.Tensor.frexp)
def frexp(input: Tensor) -> tuple[Tensor, Tensor]:
    """A fraction in [0.5, 1) and a power of two."""
    size = input.abs()
    plain = (size > 0) & (size < float("inf"))
    exponent = torch.floor(torch.log2(torch.where(plain, size, torch.ones_like(size)))) + 1
    # by halves, so that neither is beyond what floats hold; the logarithm may be one off
    half = torch.floor(exponent / 2)
    fraction = input * torch.exp2(-half) * torch.exp2(half - exponent)
    more = (fraction.abs() >= 1).to(input.dtype)
    less = (fraction.abs() < 0.5).to(input.dtype)
    exponent = exponent + more - less
    fraction = torch.where(plain, fraction * (1 - 0.5 * more + less), input)
    return fraction, torch.where(plain, exponent, torch.zeros_like(exponent)).to(torch.int32)


@composition(torch.special.spherical_bessel_j0)
def spherical_bessel_j0(z: Tensor) -> Tensor:
    """sin z / z; near zero the first terms of its series."""
    u = z * z
    near = 1 - u / 6 * (1 - u / 20 * (1 - u / 42))
    small = z.abs() < 0.5
    apart = torch.where(small, torch.ones_like(z), z)
    return torch.where(
        torch.isinf(z), torch.zeros_like(z), torch.where(small, near, torch.sin(apart) / apart)
    )


@composition(torch.special.log_ndtr)
def log_ndtr(input: Tensor) -> Tensor:
    """The logarithm of the normal distribution's tail: as it is in the middle, by its complement to the right, by its
    asymptotic series far to the left (DLMF 7.12.1)."""
    root = 2**-0.5
    right = torch.log1p(-0.5 * torch.erfc(input.clamp(min=0) * root))
    middle = torch.log(0.5 * torch.erfc(-input.clamp(-5, 0) * root))
    far = input.clamp(max=-5)
    u = 1 / (far * far)
    series = 1 - u * (1 - 3 * u * (1 - 5 * u * (1 - 7 * u * (1 - 9 * u))))
    left = -0.5 * far * far - torch.log(-far) - 0.5 * math.log(2 * math.pi) + torch.log(series)
    return torch.where(input > 0, right, torch.where(input > -5, middle, left))
