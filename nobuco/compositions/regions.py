"""torchvision's operators on regions of an image, which are written in C++: by products with small matrices."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from nobuco.contract.composition import composition


@composition("torchvision::roi_align")
def roi_align(
    input: Tensor,
    rois: Tensor,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """The mean of bilinear samples in each bin of each region.

    The samples of a bin stand in rows and columns, so a bin is a weighted sum of the image's rows, and of its columns:
    two matrix products, and nothing is gathered. The images of a batch count as further rows.

    Args:
        input: (N, C, H, W).
        rois: (K, 5): the number of the image, x1, y1, x2, y2.

    Returns:
        (K, C, pooled_height, pooled_width).
    """
    images, channels, height, width = input.shape
    offset = 0.5 if aligned else 0.0
    left, top, right, bottom = (rois[:, 1:] * spatial_scale - offset).unbind(1)
    rows = _shares(top, bottom - top, pooled_height, height, sampling_ratio, aligned)
    columns = _shares(left, right - left, pooled_width, width, sampling_ratio, aligned)
    if images > 1:
        of_image = (rois[:, :1].to(torch.int64) == torch.arange(images)).to(rows.dtype)
        rows = (rows[:, :, None] * of_image[:, None, :, None]).flatten(2)
    lines = input.permute(0, 2, 1, 3).reshape(images * height, channels * width)
    strips = (rows @ lines).reshape(-1, pooled_height, channels, width)
    bins = strips @ columns.transpose(1, 2)[:, None]
    return bins.permute(0, 2, 1, 3)


def _shares(
    start: Tensor, extent: Tensor, bins: int, size: int, sampling_ratio: int, aligned: bool
) -> Tensor:
    """(K, bins, size): how much of each row of the image each bin takes."""
    if not aligned:
        extent = extent.clamp(min=1.0)
    bin_size = extent / bins
    if sampling_ratio > 0:
        count = torch.full_like(bin_size, sampling_ratio)
        places = torch.arange(sampling_ratio)
    else:  # as many as the bin has rows: at most those of the image, unless the region is larger
        count = torch.ceil(bin_size)
        places = torch.arange(size)
    samples = (
        start[:, None, None]
        + torch.arange(bins)[:, None] * bin_size[:, None, None]
        + (places + 0.5) * (bin_size / count)[:, None, None]
    )
    inside = (samples >= -1) & (samples <= size)
    if sampling_ratio <= 0:
        inside = inside & (places < count[:, None, None])
    distance = (samples.clamp(0, size - 1)[..., None] - torch.arange(size)).abs()
    weights = torch.where(inside[..., None], (1 - distance).clamp(min=0), 0.0).sum(2)
    return weights / count.clamp(min=1)[:, None, None]


@composition("torchvision::roi_pool")
def roi_pool(
    input: Tensor, rois: Tensor, spatial_scale: float, pooled_height: int, pooled_width: int
) -> tuple[Tensor, Tensor]:
    """The greatest element in each bin of each region: (K, C, pooled_height, pooled_width); 0 where a bin is empty.

    The second output, the places of the elements, serves training alone and is zero."""
    height, width = input.shape[2:]
    left, top, right, bottom = _rounded(rois[:, 1:] * spatial_scale).unbind(1)
    image = input[rois[:, 0].to(torch.int64)]
    rows = _within(top, bottom, pooled_height, height)
    columns = _within(left, right, pooled_width, width)
    lowest = float("-inf")
    strips = [
        torch.where(columns[:, None, None, place], image, lowest).amax(3) for place in range(pooled_width)
    ]
    strip = torch.stack(strips, -1)
    bins = [
        torch.where(rows[:, None, place, :, None], strip, lowest).amax(2) for place in range(pooled_height)
    ]
    pooled = torch.stack(bins, 2)
    filled = rows.any(2)[:, None, :, None] & columns.any(2)[:, None, None]
    pooled = torch.where(filled, pooled, 0.0)
    return pooled, torch.zeros_like(pooled, dtype=torch.int32)


def _rounded(x: Tensor) -> Tensor:
    """Halves away from zero, as in C."""
    return x.sign() * torch.floor(x.abs() + 0.5)


def _within(start: Tensor, end: Tensor, bins: int, size: int) -> Tensor:
    """(K, bins, size): which rows of the image belong to each bin."""
    bin_size = ((end - start + 1).clamp(min=1) / bins)[:, None]
    numbers = torch.arange(bins)
    first = (torch.floor(numbers * bin_size) + start[:, None]).clamp(0, size)
    last = (torch.ceil((numbers + 1) * bin_size) + start[:, None]).clamp(0, size)
    rows = torch.arange(size)
    return (rows >= first[..., None]) & (rows < last[..., None])


@composition("torchvision::deform_conv2d")
def deform_conv2d(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor,
    bias: Tensor,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    groups: int,
    offset_groups: int,
    use_mask: bool,
) -> Tensor:
    """A convolution whose kernel looks at displaced places: a bilinear sample for each, then a matrix product.

    Args:
        input: (N, C, H, W).
        weight: (O, C / groups, KH, KW).
        offset: (N, offset_groups * KH * KW * 2, H', W'): down and to the right.
        mask: (N, offset_groups * KH * KW, H', W'), if `use_mask`.

    Returns:
        (N, O, H', W').
    """
    images, channels, height, width = input.shape
    filters, _, kernel_h, kernel_w = weight.shape
    out_h, out_w = offset.shape[2:]
    taps = kernel_h * kernel_w
    moved = offset.reshape(images * offset_groups, kernel_h, kernel_w, 2, out_h, out_w)
    rows = (
        torch.arange(out_h)[:, None] * stride_h
        - pad_h
        + torch.arange(kernel_h)[:, None, None, None] * dilation_h
    )
    columns = torch.arange(out_w) * stride_w - pad_w + torch.arange(kernel_w)[:, None, None] * dilation_w
    # grid_sample counts from the corners of the image, which are at -1 and 1
    down = (moved[:, :, :, 0] + rows + 0.5) * (2 / height) - 1
    right = (moved[:, :, :, 1] + columns + 0.5) * (2 / width) - 1
    grid = torch.stack([right, down], -1).reshape(images * offset_groups, taps * out_h, out_w, 2)
    parts = input.reshape(images * offset_groups, channels // offset_groups, height, width)
    samples = F.grid_sample(parts, grid, align_corners=False)
    samples = samples.reshape(images, offset_groups, channels // offset_groups, taps, out_h * out_w)
    if use_mask:
        samples = samples * mask.reshape(images, offset_groups, 1, taps, out_h * out_w)
    samples = samples.reshape(images, groups, channels // groups * taps, out_h * out_w)
    kernels = weight.reshape(groups, filters // groups, channels // groups * taps)
    return (kernels @ samples).reshape(images, filters, out_h, out_w) + bias[:, None, None]
