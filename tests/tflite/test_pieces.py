"""Ids, masks and samples of 16 bits are taken apart, repeated and padded like any other tensor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import nobuco
from nobuco import ChannelOrder
from nobuco.tflite import export_tflite

PROGRAMS: dict[str, Callable[[Tensor], Any]] = {
    "iterated": lambda x: [*x],
    "unbound": lambda x: x.unbind(-1),
    "halves": lambda x: x.split(2, 2),
    "chunks of unequal size": lambda x: x.chunk(2, 1),
    "parts of given sizes": lambda x: torch.split(x, [1, 3], -1),
    "repeated": lambda x: (x.repeat(1, 2, 1), x.repeat_interleave(2, 1)),
    "padded": lambda x: F.pad(x, (1, 2, 0, 1), value=1),
    "padded, of five dims": lambda x: F.pad(x[None, None], (1, 1, 0, 0, 1, 0)),
}


def export(program: Callable[[Tensor], Any], x: Tensor, path: Path, **options: Any) -> Any:
    order = ChannelOrder.PYTORCH
    converted = nobuco.pytorch_to_keras(
        program, [x], inputs_channel_order=order, outputs_channel_order=order, strict=True, verbose=False, **options
    )  # fmt: skip
    return export_tflite(converted, path, tolerance=0)  # runs and compares it


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.int16, torch.int8], ids=str)
@pytest.mark.parametrize("name", PROGRAMS)
def test_of_any_dtype(name: str, dtype: torch.dtype, tmp_path: Path) -> None:
    x = torch.randint(0, 2 if dtype is torch.bool else 100, (2, 3, 4)).to(dtype)
    assert not export(PROGRAMS[name], x, tmp_path / "m.tflite").info.flex_ops


def test_of_unknown_size(tmp_path: Path) -> None:
    edges = torch.randint(0, 5, (2, 9))

    def degrees(edges: Tensor) -> Tensor:
        source, target = edges
        return torch.zeros(5).index_add(0, target, (source + 1).float())

    export(degrees, edges, tmp_path / "m.tflite", input_shapes={edges: (2, None)})


def test_places_of_16_bits(tmp_path: Path) -> None:
    x = torch.randint(-300, 300, (2, 3, 4)).to(torch.int16)
    export(lambda x: (x.argmax(1), x.argmin(2), x.max(2)[0]), x, tmp_path / "m.tflite")
