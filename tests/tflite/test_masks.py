"""Masks in files for GPUs are numbers that half precision has; nothing else is taken for a mask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import nobuco
from nobuco.tflite import export_tflite
from nobuco.tflite.flatbuffer import read_model, root, subgraphs, type_name, values

LOWEST = torch.finfo(torch.float32).min
SCORES = (torch.randn(1, 2, 8, 8),)
QUERIES = tuple(torch.randn(1, 2, 8, 4) for _ in range(3))


def causal(value: float) -> Tensor:
    return torch.triu(torch.full((8, 8), value), 1)


class Buffered(nn.Module):
    """As many models keep their mask."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.mask: Tensor
        self.register_buffer("mask", causal(value))

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.mask).softmax(-1)


MASKS: dict[str, tuple[Any, tuple[Tensor, ...]]] = {
    "causal attention": (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), QUERIES),
    "a constant mask of attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, causal(-torch.inf)),
        QUERIES,
    ),
    "truth values": (
        lambda q, k, v, paid: F.scaled_dot_product_attention(q, k, v, paid),
        (*QUERIES, torch.ones(8, 8).tril().bool()),
    ),
    "a buffer": (Buffered(LOWEST), SCORES),
    "a buffer of infinities": (Buffered(-torch.inf), SCORES),
    "a buffer of billions": (Buffered(-1e9), SCORES),
}
OTHERS: dict[str, tuple[Any, tuple[Tensor, ...]]] = {
    "no softmax": (lambda x: x + causal(-1e9), SCORES),
    "a tensor of large numbers": (lambda x: (x + torch.linspace(-9e4, -8e4, 8)).softmax(-1), SCORES),
    "a mask made smaller": (lambda x: ((x + causal(-1e9)) * 1e-4).softmax(-1), SCORES),
    "a steep softmax": (lambda x: (x * -1e5).softmax(-1), SCORES),
}


def least(path: Path) -> float:
    """The lowest number among the file's constants."""
    model = root(read_model(path))
    tensors = [graph.Tensors(i) for graph in subgraphs(model) for i in range(graph.TensorsLength())]
    found = [values(model, each) for each in tensors if type_name(each) == "float32"]
    return min(float(each.min()) for each in found if each is not None)


def exported(program: Any, args: tuple[Tensor, ...], path: Path) -> float:
    keras_model = nobuco.pytorch_to_keras(program, list(args), verbose=False)
    written = export_tflite(keras_model, path, target="gpu")
    assert written.max_relative_error is not None and written.max_relative_error < 1e-5
    return least(path)


@pytest.mark.parametrize("case", MASKS.values(), ids=MASKS)
def test_half_precision_has_them(case: tuple[Any, tuple[Tensor, ...]], tmp_path: Path) -> None:
    assert exported(*case, tmp_path / "x.tflite") >= -65_504


@pytest.mark.parametrize("case", OTHERS.values(), ids=OTHERS)
def test_other_numbers_stay(case: tuple[Any, tuple[Tensor, ...]], tmp_path: Path) -> None:
    assert exported(*case, tmp_path / "x.tflite") < -65_504
