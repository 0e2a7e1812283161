"""torchvision's compiled operators by their definitions, element by element, where the compiled library does not load."""

from __future__ import annotations

import importlib
import itertools
import math
from functools import cache
from typing import Any

import torch
from torch import Tensor

from models_zoo.torchvision_mend import import_torchvision

_SCHEMAS = {
    "roi_align": "(Tensor input, Tensor rois, float spatial_scale, int pooled_height, int pooled_width, "
    "int sampling_ratio, bool aligned) -> Tensor",
    "roi_pool": "(Tensor input, Tensor rois, float spatial_scale, int pooled_height, int pooled_width) "
    "-> (Tensor, Tensor)",
    "ps_roi_align": "(Tensor input, Tensor rois, float spatial_scale, int pooled_height, int pooled_width, "
    "int sampling_ratio) -> (Tensor, Tensor)",
    "ps_roi_pool": "(Tensor input, Tensor rois, float spatial_scale, int pooled_height, int pooled_width) "
    "-> (Tensor, Tensor)",
    "deform_conv2d": "(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, int stride_h, "
    "int stride_w, int pad_h, int pad_w, int dilation_h, int dilation_w, int groups, int offset_groups, "
    "bool use_mask) -> Tensor",
}


@cache
def declare() -> list[torch.library.Library]:
    """What has been declared, which must be kept."""
    import_torchvision()
    missing = [name for name in _SCHEMAS if not hasattr(torch.ops.torchvision, name)]
    library = torch.library.Library("torchvision", "FRAGMENT")
    homes = ("roi_pool", "deform_conv", "ps_roi_align", "ps_roi_pool")
    for home in homes if missing else ():  # as for nms, in the mend
        importlib.import_module(f"torchvision.ops.{home}").__dict__["_assert_has_ops"] = lambda: None
    for name in missing:
        library.define(name + _SCHEMAS[name])
        library.impl(name, globals()[f"_{name}"], "CPU")
    return [library]


def _bilinear(image: Tensor, y: float, x: float) -> Tensor:
    """(C,): the image (C, H, W) at a place; what lies outside counts as zero."""
    total = torch.zeros(image.shape[0])
    for row, column in itertools.product(
        (math.floor(y), math.floor(y) + 1), (math.floor(x), math.floor(x) + 1)
    ):
        if 0 <= row < image.shape[1] and 0 <= column < image.shape[2]:
            total += image[:, row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


def _roi_align(
    input: Tensor, rois: Tensor, scale: float, bins_h: int, bins_w: int, sampling: int, aligned: bool
) -> Tensor:
    output = torch.zeros(len(rois), input.shape[1], bins_h, bins_w)
    height, width = input.shape[2:]
    offset = 0.5 if aligned else 0.0
    for number, roi in enumerate(rois.tolist()):
        image = input[int(roi[0])]
        left, top, right, bottom = (each * scale - offset for each in roi[1:])
        extents = [bottom - top, right - left]
        if not aligned:
            extents = [max(each, 1.0) for each in extents]
        size_h, size_w = extents[0] / bins_h, extents[1] / bins_w
        count_h, count_w = (sampling if sampling > 0 else math.ceil(each) for each in (size_h, size_w))
        for ph, pw in itertools.product(range(bins_h), range(bins_w)):
            for i, j in itertools.product(range(count_h), range(count_w)):
                y = top + ph * size_h + (i + 0.5) * size_h / count_h
                x = left + pw * size_w + (j + 0.5) * size_w / count_w
                if -1 <= y <= height and -1 <= x <= width:
                    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
                    output[number, :, ph, pw] += _bilinear(image, y, x) / max(count_h * count_w, 1)
    return output


def _roi_pool(input: Tensor, rois: Tensor, scale: float, bins_h: int, bins_w: int) -> tuple[Tensor, Tensor]:
    output = torch.zeros(len(rois), input.shape[1], bins_h, bins_w)
    for number, roi in enumerate(rois.tolist()):
        image = input[int(roi[0])]
        left, top, right, bottom = (math.floor(each * scale + 0.5) for each in roi[1:])
        size_h, size_w = max(bottom - top + 1, 1) / bins_h, max(right - left + 1, 1) / bins_w
        for ph, pw in itertools.product(range(bins_h), range(bins_w)):
            rows = range(
                max(math.floor(ph * size_h) + top, 0), min(math.ceil((ph + 1) * size_h) + top, image.shape[1])
            )
            columns = range(
                max(math.floor(pw * size_w) + left, 0),
                min(math.ceil((pw + 1) * size_w) + left, image.shape[2]),
            )
            if len(rows) and len(columns):
                part = image[:, rows.start : rows.stop, columns.start : columns.stop]
                output[number, :, ph, pw] = part.amax((1, 2))
    return output, torch.zeros_like(output, dtype=torch.int32)


def _ps_roi_align(
    input: Tensor, rois: Tensor, scale: float, bins_h: int, bins_w: int, sampling: int
) -> tuple[Tensor, Tensor]:
    whole = _roi_align(input, rois, scale, bins_h, bins_w, sampling, True)
    return _own_channels(whole, bins_h, bins_w)


def _own_channels(whole: Tensor, bins_h: int, bins_w: int) -> tuple[Tensor, Tensor]:
    """Of all channels in all bins, (K, C, bins_h, bins_w), each bin's own channels."""
    output = torch.zeros(len(whole), whole.shape[1] // (bins_h * bins_w), bins_h, bins_w)
    for channel, ph, pw in itertools.product(range(output.shape[1]), range(bins_h), range(bins_w)):
        output[:, channel, ph, pw] = whole[:, (channel * bins_h + ph) * bins_w + pw, ph, pw]
    return output, torch.zeros_like(output, dtype=torch.int32)


def _ps_roi_pool(
    input: Tensor, rois: Tensor, scale: float, bins_h: int, bins_w: int
) -> tuple[Tensor, Tensor]:
    whole = torch.zeros(len(rois), input.shape[1], bins_h, bins_w)
    ends = [each - 1 for each in input.shape[2:]]
    for number, roi in enumerate(rois.tolist()):
        image = input[int(roi[0])]
        left, top, right, bottom = (math.floor(each * scale + 0.5) for each in roi[1:])
        size_h, size_w = max(bottom - top, 1) / bins_h, max(right - left, 1) / bins_w
        for ph, pw in itertools.product(range(bins_h), range(bins_w)):
            places = [
                (math.floor(ph * size_h) + top, math.ceil((ph + 1) * size_h) + top),
                (math.floor(pw * size_w) + left, math.ceil((pw + 1) * size_w) + left),
            ]
            rows, columns = (
                range(*(min(max(each, 0), end) for each in place))
                for place, end in zip(places, ends, strict=True)
            )
            if len(rows) and len(columns):
                part = image[:, rows.start : rows.stop, columns.start : columns.stop]
                whole[number, :, ph, pw] = part.mean((1, 2))
    return _own_channels(whole, bins_h, bins_w)


def _deform_conv2d(
    input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor, bias: Tensor, stride_h: int, stride_w: int, pad_h: int,
    pad_w: int, dil_h: int, dil_w: int, groups: int, offset_groups: int, use_mask: bool,
) -> Tensor:  # fmt: skip
    filters, per_group, kernel_h, kernel_w = weight.shape
    channels = input.shape[1]
    output = torch.zeros(len(input), filters, *offset.shape[2:])
    places: Any = itertools.product(*map(range, (len(input), kernel_h, kernel_w, *offset.shape[2:])))
    for n, i, j, y, x in places:
        sampled = torch.zeros(channels)
        for group in range(offset_groups):
            tap = (group * kernel_h + i) * kernel_w + j
            down, right = offset[n, 2 * tap, y, x].item(), offset[n, 2 * tap + 1, y, x].item()
            part = slice(group * channels // offset_groups, (group + 1) * channels // offset_groups)
            row, column = y * stride_h - pad_h + i * dil_h + down, x * stride_w - pad_w + j * dil_w + right
            sampled[part] = _bilinear(input[n, part], row, column)
            if use_mask:
                sampled[part] *= mask[n, tap, y, x]
        for filter in range(filters):
            first = filter // (filters // groups) * per_group
            output[n, filter, y, x] += weight[filter, :, i, j] @ sampled[first : first + per_group]
    return output + bias[:, None, None]
