"""Small arithmetic on kernel sizes and paddings that several families share."""

from __future__ import annotations

from collections.abc import Sequence


def per_dim(value: int | Sequence[int], dims: int) -> tuple[int, ...]:
    """PyTorch's `3` or `(3,)` or `(3, 5)` as one number a dim."""
    if isinstance(value, int):
        return (value,) * dims
    values = tuple(int(each) for each in value)
    return values * dims if len(values) == 1 else values


def same_padding(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """What TensorFlow's SAME pads before and after."""
    reach = (kernel - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def pads_like_same(
    sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int],
    padding: Sequence[tuple[int, int]],
) -> bool:  # fmt: skip
    """Whether padding by `padding` (before and after, a dim) and SAME read the same windows.

    PyTorch may pad more at the end than any window reaches; that does not matter, but the number of windows does."""
    for size, k, s, d, (before, after) in zip(sizes, kernel, stride, dilation, padding, strict=True):
        windows = (size + before + after - (k - 1) * d - 1) // s + 1
        same_before, same_after = same_padding(size, k, s, d)
        if windows != -(-size // s) or before != same_before or after < same_after:
            return False
    return True
