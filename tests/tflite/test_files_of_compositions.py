"""What is easily made of ops that TFLite lacks, or orders otherwise, in files: diagonals, singular values, ranks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import Tensor

import nobuco
from nobuco import ChannelOrder
from nobuco.tflite import export_tflite


def _in_a_file(program: Callable[..., Any], traced: Tensor, given: Tensor, path: Path) -> list[np.ndarray]:
    order = {"inputs_channel_order": ChannelOrder.PYTORCH, "outputs_channel_order": ChannelOrder.PYTORCH}
    export_tflite(nobuco.pytorch_to_keras(program, args=[traced], verbose=False, **order), path)  # type: ignore[arg-type]
    run: Any = Interpreter(str(path)).get_signature_runner()
    found = run(x=given.numpy())
    return [found[name] for name in sorted(found, key=lambda name: int(name.rpartition("_")[2]))]


def test_diagonals(tmp_path: Path) -> None:
    def program(x: Tensor) -> tuple[Tensor, ...]:
        one = [torch.einsum(way, x[0]) for way in ("ii->i", "ii")]
        more = [torch.einsum(way, x) for way in ("bii->b", "...ii->...i", "iii->i", "iji->ij")]
        product = torch.einsum("bii,bij->j", x, x)
        filled = x.clone()
        filled.diagonal(0, 1, 2).fill_(3.0)
        filled[0].fill_diagonal_(2.0)
        lengths = torch.svd(x[0], compute_uv=False)[1]  # vectors come with any sign
        return (
            *one,
            *more,
            product,
            filled,
            lengths,
            torch.vander(x[0, 0]),
            torch.vander(x[0, 0], 2, increasing=True),
        )

    x = torch.rand(4, 4, 4, generator=torch.Generator().manual_seed(0))
    for found, wanted in zip(
        _in_a_file(program, x, x.flip(2), tmp_path / "m.tflite"), program(x.flip(2)), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_ranks_among_numbers(tmp_path: Path) -> None:
    def program(x: Tensor) -> tuple[Tensor, ...]:
        x = x.masked_fill(x > 1, float("nan"))
        shares = torch.tensor([0.2, 0.7])
        return (
            torch.nanquantile(x, 0.5, dim=1), torch.nanquantile(x, shares, keepdim=True, interpolation="midpoint"),
            torch.nanquantile(x, shares, dim=-1, keepdim=True, interpolation="nearest"), x.nanquantile(0.3),
        )  # fmt: skip

    x = torch.randn(3, 7, generator=torch.Generator().manual_seed(0))
    given = 2 * x.flip(1)
    given[1] = 5  # no number at all
    for found, wanted in zip(
        _in_a_file(program, x, given, tmp_path / "m.tflite"), program(given), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_common_divisors(tmp_path: Path) -> None:
    def program(x: Tensor) -> tuple[Tensor, ...]:
        small = x.int()
        return (
            torch.gcd(x, x.flip(0)),
            torch.lcm(x, x.flip(0)),
            torch.gcd(small, torch.tensor(6)),
            small.byte().lcm(small.flip(0).byte()),
        )

    x = torch.tensor([12, -18, 0, 7, 0, 8, 27])
    given = torch.tensor([0, 0, 123456789, 1, 987654321, 24, 0])
    for found, wanted in zip(
        _in_a_file(program, x, given, tmp_path / "m.tflite"), program(given), strict=True
    ):
        np.testing.assert_array_equal(found, wanted)
