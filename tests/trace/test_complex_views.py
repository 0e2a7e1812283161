"""Writes through views of complex numbers: conjugates, parts, and pairs of real numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

import nobuco
from nobuco import ChannelOrder


def _of_pairs(x: Tensor) -> Tensor:
    return torch.view_as_complex(x).clone()


def conjugate_of_a_part(z: Tensor) -> Tensor:
    z[:, 1] = z[:, 1].conj()
    return z


def through_a_conjugate(z: Tensor) -> Tensor:
    y = z.conj()
    y[:, 0] *= 1j
    return z


def through_the_adjoint(z: Tensor) -> Tensor:
    z.mH[0] = 1 + 2j  # type: ignore[assignment]
    return z


def through_real_parts(z: Tensor) -> Tensor:
    z.real[:, 0] = 0
    z[1:].real *= 3
    return z


def through_imaginary_parts(z: Tensor) -> Tensor:
    z.imag += 1
    z.imag[:, 0] = 0
    return z


def parts_assigned(z: Tensor) -> Tensor:
    z.real = z.imag * 2
    return z


def through_pairs(z: Tensor) -> Tensor:
    torch.view_as_real(z)[..., 0] = 1
    return z


@pytest.mark.parametrize(
    "function",
    [
        conjugate_of_a_part,
        through_a_conjugate,
        through_the_adjoint,
        through_real_parts,
        through_imaginary_parts,
        parts_assigned,
        through_pairs,
    ],
)
def test_what_is_written_reaches_the_owner(function: Callable[[Tensor], Tensor]) -> None:
    _assert_same(lambda x: torch.view_as_real(function(_of_pairs(x))))


def test_pairs_see_what_is_written_to_their_complex_numbers() -> None:
    def function(x: Tensor) -> Tensor:
        y = x.clone()
        z = torch.view_as_complex(y)
        z *= 2j
        return y

    _assert_same(function)


def _assert_same(function: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    order = ChannelOrder.PYTORCH
    model = nobuco.pytorch_to_keras(
        function,
        [torch.randn(3, 2, 2)],
        inputs_channel_order=order,
        outputs_channel_order=order,
        strict=True,
        verbose=False,
    )
    other = torch.randn(3, 2, 2)
    assert np.allclose(model(other.numpy()), function(other), atol=1e-5)
