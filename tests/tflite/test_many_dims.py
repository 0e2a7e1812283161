"""Tensors of more dims than TFLite's kernels take, as in video models that cut a clip into windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import nobuco
from tests.effort import examples

SHAPE = (2, 2, 3, 2, 3, 2, 2, 3)

OPS: dict[str, Any] = {
    "windows": lambda x: x.permute(0, 1, 3, 5, 2, 4, 6, 7) * 2,
    "reversed": lambda x: x.permute(7, 6, 5, 4, 3, 2, 1, 0) + 1,
    "broadcast": lambda x: x + x.mean((1, 3), keepdim=True),
    "slices": lambda x: x[:, 1:, :, :1, 1:] * 2,
    "padded": lambda x: F.pad(x, (1, 0, 0, 1, 0, 0, 1, 1)),
    "joined": lambda x: torch.cat([x, x * 2], 4),
    "stacked": lambda x: torch.stack([x[0], x[1]], 3),
    "repeated": lambda x: x.repeat(1, 1, 1, 1, 2, 1, 1, 1),
    "rolled": lambda x: torch.roll(x, 1, 3),
    "flipped": lambda x: x.flip(2),
    "product": lambda x: x @ x.transpose(-1, -2),
    "largest": lambda x: x.amax(2),
    "chosen": lambda x: torch.where(x > 0.5, x, -x),
    "softmax": lambda x: x.softmax(3) + F.log_softmax(x, 0) + F.softmin(x, -1),
    "linear": lambda x: F.linear(x, torch.ones(4, 3), torch.ones(4)),
    "linear of what is computed": lambda x: F.linear(x, x[0, 0, 0, 0, 0, 0] * 2),
    "normalized": lambda x: F.layer_norm(x, (3,)),
}


@pytest.mark.parametrize("name", OPS)
def test_op(name: str, tmp_path: Path) -> None:
    converted = nobuco.pytorch_to_keras(OPS[name], [torch.rand(SHAPE)], strict=True, verbose=False)
    nobuco.export_tflite(converted, tmp_path / "m.tflite")  # runs and compares it


IN_SPACE = {
    "padded": nn.ConstantPad3d((1, 2, 0, 1, 3, 0), 1.5),
    "strided": nn.Conv3d(2, 4, (3, 5, 1), (2, 1, 1), (2, 1, 0)),
    "transposed": nn.ConvTranspose3d(2, 4, 3, (2, 3, 2), 1, (1, 2, 0)),
    "largest": nn.MaxPool3d(3, 2, 1),
    "means": nn.AvgPool3d(3, (1, 2, 2), 1, count_include_pad=False),
}


@pytest.mark.parametrize("unknown", [(0,), (2, 3, 4), (0, 2, 3, 4)], ids=["batch", "space", "all"])
@pytest.mark.parametrize("name", IN_SPACE)
def test_space_of_unknown_size(name: str, unknown: tuple[int, ...], tmp_path: Path) -> None:
    x = torch.rand(1, 2, 7, 6, 8)
    shape = [None if dim in unknown else size for dim, size in enumerate(x.shape)]
    converted = nobuco.pytorch_to_keras(
        IN_SPACE[name].eval(), [x], input_shapes={x: shape}, strict=True, verbose=False
    )
    sizes = {sample[0].shape for sample in converted.report.samples}
    assert len(sizes) > 1
    nobuco.export_tflite(converted, tmp_path / "m.tflite")  # runs and compares it at these sizes


_A, _B = torch.rand(2, 1, 3, 1, 2, 1, 3), torch.rand(1, 2, 1, 2, 1, 3, 1)
_I, _J = torch.randint(0, 5, (2, 2, 3)), torch.randint(0, 6, (2, 2, 3))


@pytest.mark.parametrize(
    "op, args",
    [
        (lambda a, b: a * b + a - torch.maximum(a, b), [_A, _B]),
        (lambda a, b: (a < b) & (a > b / 2), [_A, _B]),
        (lambda a, b: torch.where(a > 0.5, a, b), [_A, _B]),
        (lambda x, i, j: x[i[:, None, :, None, :, None], j[:, None, None, :, None, :]], [torch.rand(5, 6), _I, _J]),
        (
            lambda x, i, j: x[
                i[:, None, :, None, :, None],
                torch.arange(4)[None, :, None, None, None, None],
                j[:, None, None, :, None],
            ],
            [torch.rand(5, 4, 6), _I, _J],
        ),
    ],
    ids=["arithmetic", "comparison", "choice", "places", "places and a range"],
)  # fmt: skip
def test_sides_that_are_repeated_in_turns(op: Any, args: list[torch.Tensor], tmp_path: Path) -> None:
    converted = nobuco.pytorch_to_keras(op, args, strict=True, verbose=False)
    nobuco.export_tflite(converted, tmp_path / "m.tflite")


def test_nothing_is_repeated_in_turns() -> None:
    converted = nobuco.pytorch_to_keras(
        lambda a, b: a[..., :0] + b[..., :1], [_A, _B], strict=True, verbose=False
    )
    assert 0 in converted(converted.report.samples[0]).shape


@settings(
    max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.permutations(range(8)))
def test_any_order(tmp_path: Path, order: list[int]) -> None:
    converted = nobuco.pytorch_to_keras(lambda x: x.permute(order) * 2, [torch.rand(SHAPE)], verbose=False)
    nobuco.export_tflite(converted, tmp_path / "m.tflite")
