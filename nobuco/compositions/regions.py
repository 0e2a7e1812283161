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
    rows = _of_images(rows, rois, images)
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


def _of_images(rows: Tensor, rois: Tensor, images: int) -> Tensor:
    """(K, bins, N * H): the shares of each region's own image in all images' rows."""
    if images == 1:
        return rows
    own = (rois[:, :1].to(torch.int64) == torch.arange(images)).to(rows.dtype)
    return (rows[:, :, None] * own[:, None, :, None]).flatten(2)


@composition("torchvision::ps_roi_align")
def ps_roi_align(
    input: Tensor,
    rois: Tensor,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
) -> tuple[Tensor, Tensor]:
    """As `roi_align`, but each bin has channels of its own: (K, C / (bins of a region), pooled_height, pooled_width).

    A region without area has bins of zero (torchvision divides zero by zero there). The second output, the channels that
    were read, serves training alone and is zero."""
    left, top, right, bottom = (rois[:, 1:] * spatial_scale - 0.5).unbind(1)
    rows = _shares(top, bottom - top, pooled_height, input.shape[2], sampling_ratio, True)
    columns = _shares(left, right - left, pooled_width, input.shape[3], sampling_ratio, True)
    return _own_channels(input, rois, rows, columns)


@composition("torchvision::ps_roi_pool")
def ps_roi_pool(
    input: Tensor, rois: Tensor, spatial_scale: float, pooled_height: int, pooled_width: int
) -> tuple[Tensor, Tensor]:
    """The mean of each bin of each region, which has channels of its own: as of `ps_roi_align`. torchvision never reads the
    image's last row and column."""
    height, width = input.shape[2:]
    left, top, right, bottom = _rounded(rois[:, 1:] * spatial_scale).unbind(1)
    rows, columns = (
        _within(start, end - start, bins, size, size - 1).to(input.dtype)
        for start, end, bins, size in (
            (top, bottom, pooled_height, height),
            (left, right, pooled_width, width),
        )
    )
    rows, columns = (each / each.sum(2, keepdim=True).clamp(min=1) for each in (rows, columns))
    return _own_channels(input, rois, rows, columns)


def _own_channels(input: Tensor, rois: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Each bin of the channels that are its own, from its shares of their rows and columns."""
    images, channels, height, width = input.shape
    regions, bins_h, bins_w = len(rois), rows.shape[1], columns.shape[1]
    groups = channels // (bins_h * bins_w)
    parts = input.reshape(images * groups, bins_h, bins_w, height * width).permute(1, 0, 2, 3)
    parts = parts.reshape(bins_h * images, groups * bins_w, height, width).transpose(1, 2)
    lines = parts.reshape(bins_h, images * height, groups * bins_w * width)
    strips = _of_images(rows, rois, images).transpose(0, 1) @ lines
    strips = strips.reshape(-1, groups, bins_w, width)
    pooled = (strips * columns.repeat(bins_h, 1, 1)[:, None]).sum(3)
    pooled = pooled.reshape(bins_h, regions, groups, bins_w).permute(1, 2, 0, 3)
    return pooled, torch.zeros_like(pooled, dtype=torch.int32)


@composition("torchvision::roi_pool")
def roi_pool(
    input: Tensor, rois: Tensor, spatial_scale: float, pooled_height: int, pooled_width: int
) -> tuple[Tensor, Tensor]:
    """The greatest element in each bin of each region: (K, C, pooled_height, pooled_width); 0 where a bin is empty.

    The second output, the places of the elements, serves training alone and is zero."""
    height, width = input.shape[2:]
    left, top, right, bottom = _rounded(rois[:, 1:] * spatial_scale).unbind(1)
    image = input[rois[:, 0].to(torch.int64)]
    rows = _within(top, bottom - top + 1, pooled_height, height, height)
    columns = _within(left, right - left + 1, pooled_width, width, width)
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


def _within(start: Tensor, extent: Tensor, bins: int, size: int, end: int) -> Tensor:
    """(K, bins, size): which rows of the image, of those before `end`, belong to each bin."""
    bin_size = (extent.clamp(min=1) / bins)[:, None]
    numbers = torch.arange(bins)
    first = (torch.floor(numbers * bin_size) + start[:, None]).clamp(0, end)
    last = (torch.ceil((numbers + 1) * bin_size) + start[:, None]).clamp(0, end)
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
