"""Reading an image at computed places: `grid_sample`, and the grids for it."""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy, channel_last, inverse
from nobuco.contract.registry import builtin
from nobuco.node_converters._sizes import shape_of
from nobuco.node_converters.resampling import cubic_weights


@builtin(F.grid_sample, strategy=ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER)
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
):
    """``(N, C, *in), (N, *out, dims) -> (N, C, *out)``; the grid holds x first, -1 and 1 are the image's borders.

    A gather for each pixel that takes part, weighted by how near it is: the corners of the cell that a place lies in, or for
    bicubic the four rows and four columns around it."""
    return _sampler(input.dim() - 2, mode, padding_mode, bool(align_corners))


def _sampler(dims, mode, padding_mode, align_corners):

    def func(input, grid, *args, **kwargs):
        grid = tf.transpose(
            grid, inverse(channel_last(dims + 2))
        )  # its last dim holds coordinates, and is no space
        batch, *sizes, channels = shape_of(input)
        flat = tf.reshape(input, [batch, -1, channels])
        places = [_in_pixels(grid[..., dims - 1 - i], size, align_corners) for i, size in enumerate(sizes)]

        def brought_back(places: Sequence[Any]) -> list[Any]:
            return [
                _brought_back(place, size, padding_mode, align_corners)
                for place, size in zip(places, sizes, strict=True)
            ]

        if mode == "bilinear":
            zeros = padding_mode == "zeros"
            places = (
                [
                    tf.clip_by_value(place, -1.0, _as(size, place))
                    for place, size in zip(places, sizes, strict=True)
                ]
                if zeros
                else brought_back(places)
            )
            return _in_cells(input, places, sizes, zeros)
        if mode == "nearest":
            return _read(flat, [tf.round(place) for place in brought_back(places)], sizes, padding_mode)
        floors = [tf.floor(place) for place in places]
        weights = [_cubic_weights(place - low) for place, low in zip(places, floors, strict=True)]
        out = tf.zeros([], input.dtype)
        for pixel in itertools.product(*weights):
            weight = tf.ones([], input.dtype)
            for along, step in zip(weights, pixel, strict=True):
                weight = weight * along[step]
            # pixel by pixel: some around a place that is inside may not be
            at = brought_back([low + step for low, step in zip(floors, pixel, strict=True)])
            out = out + tf.expand_dims(weight, -1) * _read(flat, at, sizes, padding_mode)
        return out

    return func


_WHOLE_IN_HALF = 1 << 11  # up to which half precision has every whole number


def _in_cells(image: Any, places: Sequence[Any], sizes: Sequence[Any], zeros: bool) -> Any:
    """Between the corners of the cell that each place lies in; one that is outside has been brought to the border, or, for
    `zeros`, a pixel beyond it.

    The image gets a border where a corner may lie outside, so that no corner has to be looked at by itself: pixels of zeros,
    which also stand for those that count for nothing."""
    borders = [
        (1, 1) if zeros else (0, 0) if isinstance(size, int) and size > 1 else (0, 1) for size in sizes
    ]
    wide = [size + before + after for size, (before, after) in zip(sizes, borders, strict=True)]
    padded = tf.pad(image, [(0, 0), *borders, (0, 0)]) if any(map(any, borders)) else image
    flat = tf.reshape(padded, [shape_of(image)[0], -1, shape_of(image)[-1]])
    # In floats, which delegates compute with, as long as these are whole numbers for certain, on a GPU in half precision too
    known = all(isinstance(size, int) for size in wide)
    number = tf.float32 if known and math.prod(wide) <= _WHOLE_IN_HALF else tf.int32
    index, weights = None, []
    for place, size, (before, _) in zip(places, wide, borders, strict=True):
        low = tf.minimum(tf.floor(place), _as(size - before - 2, place))
        beyond = place - low
        weights.append((1 - beyond, beyond))
        along = tf.cast(low + before if before else low, number)
        index = along if index is None else index * _as(size, index) + along
    assert index is not None
    parts = []
    for corner in itertools.product((0, 1), repeat=len(wide)):
        weight: Any = functools.reduce(operator.mul, [w[one] for w, one in zip(weights, corner, strict=True)])
        step: Any = 0
        for size, one in zip(wide, corner, strict=True):
            step = step * size + one
        at = tf.cast(index + _as(step, index) if any(corner) else index, tf.int32)
        parts.append(tf.expand_dims(weight, -1) * tf.gather(flat, at, batch_dims=1))
    return sum(parts[1:], parts[0])


def _as(size: Any, x: Any) -> Any:
    return tf.cast(size, x.dtype)


def _cubic_weights(beyond: Any) -> dict[int, Any]:
    """Of the two pixels before a place and the two after it."""
    return dict(zip(range(-1, 3), cubic_weights(beyond), strict=True))


def _in_pixels(x: Any, size: Any, align_corners: bool) -> Any:
    """From -1..1."""
    size = tf.cast(size, x.dtype) if tf.is_tensor(size) else size
    return (x + 1) * ((size - 1) / 2) if align_corners else ((x + 1) * size - 1) / 2


def _brought_back(place: Any, size: Any, padding_mode: str, align_corners: bool) -> Any:
    """Into the image, where the padding asks for it."""
    size = tf.cast(size, place.dtype) if tf.is_tensor(size) else size
    if padding_mode == "reflection":
        low, high = (0.0, size - 1.0) if align_corners else (-0.5, size - 0.5)
        span = high - low
        if tf.is_tensor(
            span
        ):  # one pixel has no span: what is divided by does not matter, but it must be some number
            span = tf.where(span == 0, tf.ones_like(span), span)
        elif span == 0:
            return tf.zeros_like(place)
        away = tf.abs(place - low)
        turns = tf.floor(away / span)
        rest = away - turns * span
        odd = turns - 2 * tf.floor(turns / 2)
        place = low + rest + odd * (span - 2 * rest)
    return place if padding_mode == "zeros" else tf.clip_by_value(place, 0.0, size - 1.0)


def _read(flat: Any, at: Sequence[Any], sizes: Sequence[Any], padding_mode: str) -> Any:
    """The pixels at whole-numbered places; outside of the image zeros."""
    index = tf.zeros_like(at[0], tf.int32)
    inside = tf.ones_like(at[0])
    for place, size in zip(at, sizes, strict=True):
        last = tf.cast(size, place.dtype) - 1 if tf.is_tensor(size) else size - 1.0
        within = tf.clip_by_value(place, 0.0, last)
        index = index * size + tf.cast(within, tf.int32)
        if padding_mode == "zeros":
            inside = inside * tf.cast(tf.equal(within, place), place.dtype)
    values = tf.gather(flat, index, batch_dims=1)
    return values * tf.expand_dims(inside, -1) if padding_mode == "zeros" else values


_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


@builtin(
    torch.grid_sampler, torch.grid_sampler_2d, torch.grid_sampler_3d,
    strategy=ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER,
)  # fmt: skip
def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
):
    return _sampler(input.dim() - 2, _MODES[interpolation_mode], _PADDINGS[padding_mode], align_corners)


@builtin(F.affine_grid, torch.affine_grid_generator, strategy=ChannelOrderingStrategy.FORCE_PYTORCH_ORDER)
def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None):
    """``(N, 2, 3) -> (N, H, W, 2)``, or ``(N, 3, 4) -> (N, D, H, W, 3)``: a constant grid times `theta`."""
    dims = len(size) - 2
    if any(isinstance(each, Tensor) for each in size):
        return lambda theta, size, align_corners=None: _grid_of_sizes(theta, size, bool(align_corners))
    unit = torch.eye(dims, dims + 1).unsqueeze(0)
    base = F.affine_grid(unit, [1, 1, *size[2:]], bool(align_corners)).reshape(-1, dims)
    places = torch.cat([base, torch.ones(len(base), 1)], 1).numpy()

    def func(theta, size, align_corners=None):
        grid = tf.matmul(tf.constant(places, theta.dtype), theta, transpose_b=True)
        return tf.reshape(grid, [-1, *size[2:], dims])

    return func


def _grid_of_sizes(theta: Any, size: Sequence[Any], align_corners: bool) -> Any:
    """For sizes that the graph computes."""
    space = [tf.cast(each, tf.int32) for each in size[2:]]
    lines = []
    for count in space:
        place, length = tf.cast(tf.range(count), theta.dtype), tf.cast(count, theta.dtype)
        lines.append(
            place * (2 / tf.maximum(length - 1, 1)) - tf.cast(length > 1, theta.dtype)
            if align_corners
            else (2 * place + 1) / length - 1
        )
    grids = [tf.reshape(grid, [-1]) for grid in tf.meshgrid(*lines, indexing="ij")]
    places = tf.stack([*reversed(grids), tf.ones_like(grids[0])], -1)
    return tf.reshape(tf.matmul(places, theta, transpose_b=True), [-1, *space, len(space)])
