"""Resizing with antialiasing: a product with a matrix for each dim, whose rows are the filter at each new place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from nobuco.contract.composition import composition


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(x), 0)


def _cubic(x: np.ndarray, a: float = -0.5) -> np.ndarray:
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x**2 + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _matrix(
    old: int,
    new: int,
    align: bool,
    scale: float | None,
    taps: Callable[[np.ndarray], np.ndarray],
    reach: float,
) -> Tensor:
    """(new, old): the filter is as wide as a new pixel where pixels become fewer."""
    step = (old - 1) / max(new - 1, 1) if align else 1 / scale if scale else old / new
    width = max(step, 1.0)
    middles = step * (np.arange(new) + 0.5)
    rows = np.zeros((new, old))
    for row, middle in enumerate(middles):
        first = max(int(middle - reach * width + 0.5), 0)
        last = min(int(middle + reach * width + 0.5), old)
        places = np.arange(first, last)
        weights = taps((places - middle + 0.5) / width)
        rows[row, first:last] = weights / weights.sum()
    return torch.from_numpy(rows.astype(np.float32))


def _resized(taps: Callable[[np.ndarray], np.ndarray], reach: float) -> Callable[..., Tensor]:
    def resize(
        input: Tensor,
        output_size: Sequence[int] | None,
        align_corners: bool,
        *scales: object,
        scale_factors: Sequence[float] | None = None,
        scales_h: float | None = None,
        scales_w: float | None = None,
    ) -> Tensor:
        scales = (scale_factors,) if scale_factors else scales or (scales_h, scales_w)
        factors = scales[0] if len(scales) == 1 and isinstance(scales[0], Sequence) else scales
        height, width = (
            float(each) if isinstance(each, int | float) else None for each in (*factors, None, None)[:2]
        )
        old = input.shape[-2:]
        new = output_size or [int(old[0] * (height or 1)), int(old[1] * (width or 1))]
        rows = _matrix(old[0], new[0], align_corners, height, taps, reach)
        columns = _matrix(old[1], new[1], align_corners, width, taps, reach)
        return torch.matmul(torch.matmul(rows, input), columns.T)

    return resize


composition(torch._C._nn._upsample_bilinear2d_aa)(_resized(_triangle, 1.0))  # type: ignore[attr-defined]
composition(torch._C._nn._upsample_bicubic2d_aa)(_resized(_cubic, 2.0))  # type: ignore[attr-defined]
