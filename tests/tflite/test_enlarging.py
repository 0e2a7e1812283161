"""Places repeated by whole factors are joined, for XNNPACK; every other enlargement, and files for GPUs, keep the op."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import nobuco
from nobuco.tflite import export_tflite
from tests.effort import examples
from tests.tflite.delegation import partitions_and_left
from tests.tflite.test_forms import formed


def resized(x: Any, height: int, width: int, half: bool, corners: bool = False) -> Any:
    return tf.raw_ops.ResizeNearestNeighbor(
        images=x, size=[height, width], half_pixel_centers=half, align_corners=corners
    )


@settings(max_examples=examples(400), deadline=None, derandomize=True)
@given(
    st.integers(1, 3), st.integers(1, 40), st.integers(1, 9), st.sampled_from([1, 3, 95, 96, 130]), st.integers(1, 7),
    st.integers(1, 7), st.booleans(),
)  # fmt: skip
def test_whole_factors(
    batch: int, height: int, width: int, channels: int, down: int, across: int, half: bool
) -> None:
    ops = formed(lambda x: resized(x, down * height, across * width, half), (batch, height, width, channels))
    if max(down, across) in (2, 4):  # exact in any precision
        assert "ResizeNearestNeighbor" not in ops and ops


@settings(max_examples=examples(200), deadline=None, derandomize=True)
@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 30), st.integers(1, 30), st.booleans(), st.booleans()
)
def test_any_sizes(height: int, width: int, taller: int, wider: int, half: bool, corners: bool) -> None:
    half = half and not corners
    formed(lambda x: resized(x, taller, wider, half, corners), (1, height, width, 2))


def test_sizes_that_are_unknown() -> None:
    assert not formed(lambda x: resized(x, 8, 8, False), (None, 4, 4, 3), at=[(2, 4, 4, 3)])


class _Neck(nn.Module):
    def __init__(self, factor: Any, width: int, mode: str) -> None:
        super().__init__()
        self.up = nn.Upsample(scale_factor=factor, mode=mode)
        self.first, self.last = nn.Conv2d(3, width, 1), nn.Conv2d(width, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.up(self.first(x)))


@pytest.mark.parametrize("factor", [2, 3, 5, (1, 2), (3, 2)])
@pytest.mark.parametrize("width", [8, 128])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_xnnpack_takes_it(factor: Any, width: int, mode: str, tmp_path: Path) -> None:
    module = _Neck(factor, width, mode).eval()
    model = nobuco.pytorch_to_keras(module, args=[torch.randn(1, 3, 6, 7)], verbose=False)
    result = export_tflite(model, tmp_path / "m.tflite")
    assert "RESIZE_NEAREST_NEIGHBOR" not in result.info.ops and partitions_and_left(result) == (1, [])
    assert result.max_relative_error is not None and result.max_relative_error < 1e-5
    for_gpu = export_tflite(model, tmp_path / "gpu.tflite", target="gpu").info.ops
    assert for_gpu.get("RESIZE_NEAREST_NEIGHBOR") == 1 and "CONCATENATION" not in for_gpu


def test_one_dim(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv1d(3, 8, 3), nn.Upsample(scale_factor=2), nn.Conv1d(8, 4, 3)).eval()
    model = nobuco.pytorch_to_keras(module, args=[torch.randn(1, 3, 9)], verbose=False)
    result = export_tflite(model, tmp_path / "m.tflite")
    assert "RESIZE_NEAREST_NEIGHBOR" not in result.info.ops and partitions_and_left(result) == (1, [])
