"""How far a file's output is from PyTorch's."""

import numpy as np


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    """`max|actual - expected| / max|expected|` over the finite elements.

    Infinite where the shapes differ, and where NaN or infinity do. An expected tensor of zeros is compared
    absolutely.
    """
    if actual.shape != expected.shape:
        return float("inf")
    if expected.size == 0:
        return 0.0
    got, want = actual.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(want)
    if not np.array_equal(got[~finite], want[~finite], equal_nan=True) or not np.isfinite(got[finite]).all():
        return float("inf")
    if not finite.any():
        return 0.0
    difference = float(np.abs(got[finite] - want[finite]).max())
    scale = float(np.abs(want[finite]).max())
    return difference / scale if scale else difference
