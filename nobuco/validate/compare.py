"""How far a converted tensor is from PyTorch's."""

from __future__ import annotations

import math

import numpy as np

_BLOCK = 1 << 16  # elements: what of both arrays, and of their difference, fits into a processor's cache


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    """``max|actual - expected| / max|expected|`` over the finite elements.

    NaN and infinity are compared as values: where they differ, or where the shapes do, the error is infinite. An
    expected tensor of zeros is compared absolutely."""
    if actual.shape != expected.shape:
        return float("inf")
    if actual.dtype == bool or expected.dtype == bool:
        return 0.0 if np.array_equal(actual.astype(bool), expected.astype(bool)) else 1.0
    if expected.size == 0:
        return 0.0
    if actual.dtype == expected.dtype == np.float32:
        worst, scale = _of_finite(actual, expected)
        if math.isfinite(worst) and math.isfinite(scale):
            return worst / scale if scale > 0 else worst
    wide = np.complex128 if np.iscomplexobj(actual) or np.iscomplexobj(expected) else np.float64
    actual, expected = actual.astype(wide), expected.astype(wide)
    finite = np.isfinite(expected)
    if not np.array_equal(finite, np.isfinite(actual)):
        return float("inf")
    if not np.array_equal(actual[~finite], expected[~finite], equal_nan=True):
        return float("inf")
    if not finite.any():
        return 0.0
    scale = float(np.abs(expected[finite]).max())
    worst = float(np.abs(actual[finite] - expected[finite]).max())
    return worst / scale if scale > 0 else worst


def _of_finite(actual: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
    """Largest |actual - expected| and |expected|; not finite where an element is not, or the difference too large."""
    actual, expected = _side_by_side(actual, expected)
    worst = scale = np.float32(0)
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, actual.size, _BLOCK):
            ours, theirs = actual[start : start + _BLOCK], expected[start : start + _BLOCK]
            worst = np.maximum(worst, np.abs(ours - theirs).max())
            scale = np.maximum(scale, np.abs(theirs).max())
    return float(worst), float(scale)


def _side_by_side(actual: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both flat, in the order in which `actual` lies in memory: from channels that come last to others is the slow way."""
    order = sorted(range(actual.ndim), key=lambda dim: -abs(actual.strides[dim]))
    return actual.transpose(order).reshape(-1), expected.transpose(order).reshape(-1)
