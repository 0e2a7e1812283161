"""Pictures as bytes, samples as 16 bits, and all 64 bits of a number: computed as PyTorch does, wrapped around."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from ai_edge_litert.interpreter import Interpreter
from torch import Tensor

import nobuco
from nobuco import ChannelOrder
from nobuco.tflite import export_tflite


def _of_any_integers(x: Tensor) -> tuple[Tensor, ...]:
    y = x.flip(3)
    return (
        -x, ~x, x.abs(), x * x, x**2, x + 100, x - y, 7 - x, x % 16, x // 3, x & 0x70, x | 3, x ^ y, x << 1, x >> 1,
        x > 100, x == 3, x.amax(), x.amin(1), x.sum(1), torch.minimum(x, y), x.clamp(3, 90),
        x.masked_fill(x > 3, 0), torch.where(x > y, x, y),
    )  # fmt: skip


def _written(x: Tensor) -> tuple[Tensor, ...]:
    marks, hit, places = (
        torch.zeros(256, dtype=x.dtype),
        torch.zeros(256, dtype=torch.bool),
        (x[0, 0, 0] & 3).long(),
    )
    marks[places] = 7
    hit[places] = True
    x = x.clone()
    x[:, [0, 2]] = x[:, :2] + 1
    return marks, hit, x


def _resized(x: Tensor) -> tuple[Tensor, ...]:
    return F.interpolate(x, scale_factor=2, mode="nearest"), x.float() / 255


def _whole(x: Tensor) -> tuple[Tensor, ...]:
    y = x.flip(0)
    return x | 3, x ^ 5, x & y, x | y, x ^ y, x & -8, ~x


def _taken_apart(x: Tensor) -> tuple[Tensor, ...]:
    return (*x.unbind(1), *x.unbind(-1), *x.chunk(2, 2), *x.split([1, 2], 1))


def _moved(x: Tensor) -> tuple[Tensor, ...]:
    return (
        x.permute(2, 0, 3, 1), F.pad(x, (1, 2)), F.pad(x, (0, 1), value=1), x.repeat(1, 2, 1, 1),
        x.repeat_interleave(2, 3), F.pixel_shuffle(x[:, :1].transpose(1, 2), 2), F.pixel_unshuffle(x, 2),
    )  # fmt: skip


def _multiplied(x: Tensor) -> tuple[Tensor, ...]:
    return x @ x.mT, x.sign(), x.argmax(3), x[0, 0] @ x[1, 0], x[0, 0] @ x[0, 0, 0]


_PROGRAMS: list[tuple[Callable[[Tensor], Any], torch.dtype]] = [
    *((_of_any_integers, dtype) for dtype in (torch.uint8, torch.int8, torch.int16)),
    (_written, torch.uint8), (_written, torch.int16), (_resized, torch.uint8), (_whole, torch.int64),
    *((program, dtype) for program in (_taken_apart, _moved)
      for dtype in (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool)),
    *((_multiplied, dtype) for dtype in (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("program", "dtype"), _PROGRAMS, ids=lambda each: str(getattr(each, "__name__", each))
)
def test_as_in_pytorch(program: Callable[[Tensor], Any], dtype: torch.dtype, tmp_path: Path) -> None:
    ends = torch.iinfo(torch.uint8 if dtype == torch.bool else dtype)
    generator = torch.Generator().manual_seed(0)
    traced, given = (
        torch.randint(
            max(ends.min, -(1 << 62)), min(ends.max, 1 << 62) + 1, (2, 3, 4, 4), generator=generator
        ).to(dtype)
        for _ in range(2)
    )
    given[0, 0, 0], given[1, 0, 0, 0] = (
        torch.tensor([ends.min, ends.max, 0, 1], dtype=dtype),
        -1 if ends.min else 3,
    )
    order = {"inputs_channel_order": ChannelOrder.PYTORCH, "outputs_channel_order": ChannelOrder.PYTORCH}
    path = tmp_path / "m.tflite"
    export_tflite(nobuco.pytorch_to_keras(program, args=[traced], verbose=False, **order), path)  # type: ignore[arg-type]
    run: Any = Interpreter(str(path)).get_signature_runner()
    found = run(x=given.numpy())
    for number, wanted in enumerate(program(given)):
        outcome = found[f"output_{number}"]
        assert outcome.dtype == wanted.numpy().dtype
        if wanted.is_floating_point():
            np.testing.assert_allclose(outcome, wanted, rtol=1e-6, err_msg=f"output {number}")
        else:
            np.testing.assert_array_equal(outcome, wanted, f"output {number}")
