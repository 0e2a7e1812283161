"""Resizing and padding in space."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy, get_layout, set_layout
from nobuco.contract.converter import Impossible
from nobuco.contract.registry import builtin
from nobuco.contract.unknown_sizes import static_shape
from nobuco.node_converters._layouts import same_layout
from nobuco.node_converters._sizes import larger, of_known_sizes, per_dim, product_of, shape_of
from nobuco.node_converters._types import cast


def _with_fixed_scale(call: Any) -> str | None:
    if call.antialias:
        return "interpolate with antialias=True is not converted"
    if call.scale_factor is not None and _has_tensor(call.scale_factor):
        return Impossible(
            "scale_factor is computed from a size or a value, and how PyTorch rounds the new size is then not known: give "
            "size=(...) instead, which may be computed"
        )
    return None


@builtin(
    F.interpolate,
    F.upsample,
    strategy=ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER,
    accepts=_with_fixed_scale,
)
def interpolate(
    input: Tensor,
    size=None,
    scale_factor=None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
):
    """One TFLite resize op for two dims; one dim is resized as two with one of them 1.

    With a `scale_factor` PyTorch maps coordinates by the factor itself, TensorFlow by the ratio of the sizes; where
    they differ, and for bicubic and trilinear, each dim is a product with a constant matrix."""
    if input.dtype == torch.uint8:
        as_floats = interpolate(
            input.float(), size, scale_factor, mode, align_corners, recompute_scale_factor, antialias
        )
        return lambda input, *args, **kwargs: _to_bytes(
            as_floats(tf.cast(input, tf.float32), *args, **kwargs)
        )
    dims = input.dim() - 2
    sizes = static_shape(input)[2:]
    given = per_dim(size, dims) if size is not None and not _has_tensor(size) else None
    scales = None if scale_factor is None else tuple(float(f) for f in _each(scale_factor, dims))
    # of an unknown size, a whole-numbered factor is exact, and no other
    exact = (
        scales is None
        or recompute_scale_factor
        or (None in sizes and bool(align_corners))
        or all(f % 1 == 0 if n is None else int(n * f) == n * f for n, f in zip(sizes, scales, strict=True))
    )
    kept = None if recompute_scale_factor or mode == "area" else scales
    resize = _RESIZE.get(mode) if dims <= 2 else None
    if resize is None or not exact:
        return _by_weights(dims, sizes, given, scales, kept, mode, align_corners)

    def func(input, size=None, scale_factor=None, *args, **kwargs):
        x = input if dims == 2 else tf.expand_dims(input, 1)
        wanted: Any = _wanted(x, size, scales, dims)
        wanted = wanted if dims == 2 else [1, *wanted]
        out = resize(
            x,
            tf.cast(tf.stack(wanted), tf.int32) if any(map(tf.is_tensor, wanted)) else wanted,
            bool(align_corners),
        )
        return out if dims == 2 else tf.squeeze(out, 1)

    return func


def _to_bytes(x):
    """A half goes up, whichever way it was rounded itself."""
    return tf.cast(tf.clip_by_value(tf.floor(x + (0.5 + 2**-10)), 0, 255), tf.uint8)


def _nearest(x, size, align_corners):
    return tf.raw_ops.ResizeNearestNeighbor(images=x, size=size)


def _nearest_exact(x, size, align_corners):
    return tf.raw_ops.ResizeNearestNeighbor(images=x, size=size, half_pixel_centers=True)


def _bilinear(x, size, align_corners):
    return tf.raw_ops.ResizeBilinear(
        images=x, size=size, align_corners=align_corners, half_pixel_centers=not align_corners
    )


_RESIZE = {"nearest": _nearest, "nearest-exact": _nearest_exact, "bilinear": _bilinear, "linear": _bilinear}


def _has_tensor(size) -> bool:
    return isinstance(size, Tensor) or (
        not isinstance(size, int | float) and any(isinstance(each, Tensor) for each in size)
    )


def _each(value, dims: int):
    return tuple(value) if hasattr(value, "__len__") else (value,) * dims


def _wanted(x, size, scales, dims) -> list[Any]:
    """The sizes of the result, numbers or scalar tensors."""
    if size is not None:
        return list(_each(size, dims)) if not isinstance(size, int) else [size] * dims
    return [_scaled(n, scale) for n, scale in zip(shape_of(x)[-1 - dims : -1], scales, strict=True)]


LARGEST = 1 << 14  # sizes up to here are scaled exactly as in PyTorch, which multiplies in 64 bits


def _scaled(size: Any, scale: float) -> Any:
    """The whole part of a size times a factor; by whole numbers where the size is computed."""
    if not tf.is_tensor(size):
        return int(size * scale)
    sizes = np.arange(LARGEST)
    exact = (sizes * scale).astype(np.int64)
    ratio = Fraction(scale).limit_denominator(10_000)
    if np.array_equal(sizes * ratio.numerator // ratio.denominator, exact) and ratio.numerator < 1 << 17:
        times = size if ratio.numerator == 1 else size * ratio.numerator
        return times if ratio.denominator == 1 else times // ratio.denominator
    return tf.gather(tf.constant(exact, tf.int32), size)


def _by_weights(dims, sizes, given, scales, kept, mode, align_corners):
    """Each dim as a product with a matrix of weights: a constant one where the sizes are known."""
    target = given or (
        tuple(int(n * f) for n, f in zip(sizes, scales, strict=True))
        if scales and None not in sizes
        else None
    )
    if target is not None and None not in sizes:
        weights = [
            _matrix(n, t, mode, align_corners, kept[i] if kept else None)
            for i, (n, t) in enumerate(zip(sizes, target, strict=True))
        ]
        return lambda input, *args, **kwargs: by_matrices(input, weights)

    def func(input, size=None, scale_factor=None, *args, **kwargs):
        wanted = [tf.cast(n, tf.int32) for n in _wanted(input, size, scales, dims)]
        weights = [
            computed_matrix(n, t, mode, bool(align_corners), kept[i] if kept else None)
            for i, (n, t) in enumerate(zip(shape_of(input)[1:-1], wanted, strict=True))
        ]
        return by_matrices(input, weights)

    return func


def _matrix(size: int, target: int, mode: str, align_corners: bool | None, scale: float | None):
    """What PyTorch's own resize does along one dim, read off its response to each unit vector."""
    unit = torch.eye(size).unsqueeze(0)  # (1, n, n): each channel a unit vector
    if mode == "bicubic":
        x = unit.unsqueeze(2).expand(1, size, 4, size)
        kwargs = {"size": (4, target)} if scale is None else {"scale_factor": (1.0, scale)}
        out = F.interpolate(
            x,
            mode=mode,
            align_corners=align_corners,
            recompute_scale_factor=False if scale else None,
            **kwargs,
        )[:, :, 0]
    else:
        flat = {"bilinear": "linear", "trilinear": "linear"}.get(mode, mode)
        kwargs = {"size": target} if scale is None else {"scale_factor": scale}
        out = F.interpolate(
            unit,
            mode=flat,
            align_corners=align_corners,
            recompute_scale_factor=False if scale else None,
            **kwargs,
        )
    return out[0].T.numpy().copy()  # (target, n)


def computed_matrix(size: Any, target: Any, mode: str, align_corners: bool, scale: float | None) -> Any:
    """``(target, size)``: what PyTorch's resize does along one dim, by its formulas, for sizes that the graph computes."""
    if mode == "area":
        first, end = bounds_of_bins(size, target)
        column = tf.range(size)[None, :]
        inside = tf.cast((column >= first[:, None]) & (column < end[:, None]), tf.float32)
        return inside / tf.cast(end - first, tf.float32)[:, None]
    place, length = tf.range(tf.cast(target, tf.float32)), tf.cast(size, tf.float32)
    if align_corners:
        source = place * ((length - 1) / tf.maximum(tf.cast(target, tf.float32) - 1, 1))
    else:
        ratio = length / tf.cast(target, tf.float32) if scale is None else tf.constant(1 / scale, tf.float32)
        source = place * ratio if mode == "nearest" else (place + 0.5) * ratio
        source = source if mode.startswith("nearest") else source - 0.5

    def at(index: Any, weight: Any = None) -> Any:
        row = tf.one_hot(tf.clip_by_value(tf.cast(index, tf.int32), 0, size - 1), size)
        return row if weight is None else row * weight[:, None]

    if mode == "bicubic":
        low = tf.floor(source)
        t = source - low
        return sum(at(low + i - 1, weight) for i, weight in enumerate(cubic_weights(t)))
    if mode.startswith("nearest"):
        return at(tf.floor(source))
    source = tf.maximum(source, 0.0)
    low = tf.minimum(tf.floor(source), length - 1)
    t = tf.minimum(source - low, 1.0)
    return at(low, 1 - t) + at(low + 1, t)


_A = -0.75  # PyTorch's cubic


def cubic_weights(t: Any) -> list[Any]:
    """Of the two samples before a place and the two after it, by Keys' cubic convolution; `t` is how far the place is beyond
    the second."""
    return [_far(t + 1), _near(t), _near(1 - t), _far(2 - t)]


def _near(t: Any) -> Any:
    return ((_A + 2) * t - (_A + 3)) * t * t + 1


def _far(t: Any) -> Any:
    return ((_A * t - 5 * _A) * t + 8 * _A) * t - 4 * _A


def bounds_of_bins(size: Any, wanted: Any) -> tuple[Any, Any]:
    """Where each of adaptive pooling's bins begins and ends; they overlap where the sizes do not divide."""
    place = tf.range(wanted)
    return place * size // wanted, ((place + 1) * size + wanted - 1) // wanted


def by_matrices(x, matrices):
    """Each spatial dim in turn: reshaped to (B * before, n, rest), a product from the left."""
    for i, matrix in enumerate(matrices, start=1):
        constant = isinstance(matrix, np.ndarray)
        target, size = matrix.shape if constant else shape_of(matrix)
        if constant and target == size and (matrix == np.eye(size)).all():
            continue
        shape = shape_of(x)
        weights = tf.constant(matrix, x.dtype) if constant else tf.cast(matrix, x.dtype)
        product = tf.matmul(weights, tf.reshape(x, [-1, shape[i], product_of(shape[i + 1 :])]))
        x = tf.reshape(product, [*shape[:i], target, *shape[i + 1 :]])
    return x


# -- padding

MOST_SLICES = 3


@builtin(torch.constant_pad_nd, output_layout=same_layout)
def constant_pad(input: Tensor, pad, value: float = 0.0):
    function = padded(input, pad)
    return lambda input, pad, value=0.0: function(input, pad, "constant", value)


@builtin(F.pad, output_layout=same_layout)
def padded(input: Tensor, pad, mode: str = "constant", value: float | None = None):
    """Pairs of (before, after) from the last dim on; negative ones crop."""

    def func(input, pad, mode="constant", value=None):
        layout = get_layout(input)
        rank = len(layout)
        pairs: list[tuple[Any, Any]] = [(0, 0)] * rank
        for i in range(len(pad) // 2):
            pairs[rank - 1 - i] = (_int32(pad[2 * i]), _int32(pad[2 * i + 1]))
        x = input
        if mode == "constant":
            crop = tuple(_crop(*pairs[dim], size) for dim, size in zip(layout, shape_of(x), strict=True))
            x = x if all(each == slice(None) for each in crop) else x[crop]
            amounts = [tuple(larger(each, 0) for each in pairs[dim]) for dim in layout]
            if any(tf.is_tensor(each) or each for pair in amounts for each in pair):
                sizes = x.shape
                x = tf.pad(x, amounts, constant_values=cast(value or 0, x.dtype))
                x = of_known_sizes(x, sizes, amounts)
        else:
            for axis, dim in enumerate(layout):
                computed = any(map(tf.is_tensor, pairs[dim]))
                x = (_gathered if computed else _mirrored)(x, axis, *pairs[dim], mode)
        return set_layout(x, layout)

    return func


def _int32(amount: Any) -> Any:
    return tf.cast(amount, tf.int32) if tf.is_tensor(amount) else amount


def _crop(before: Any, after: Any, size: Any) -> slice:
    """What negative amounts leave of a dim; of a computed amount only the graph knows its sign."""
    start = tf.maximum(-before, 0) if tf.is_tensor(before) else -before if before < 0 else None
    stop = size + tf.minimum(after, 0) if tf.is_tensor(after) else after if after < 0 else None
    return slice(start, stop)


def _gathered(x: Any, axis: int, before: Any, after: Any, mode: str) -> Any:
    """By computed amounts, negative ones too: each place of the result knows where it comes from."""
    size = shape_of(x)[axis]
    place = tf.range(-before, size + after)
    if mode == "circular":
        place = tf.math.floormod(place, size)
    elif mode == "reflect":
        place = size - 1 - tf.abs(size - 1 - tf.abs(place))
    return tf.gather(x, tf.clip_by_value(place, 0, size - 1), axis=axis)


def _mirrored(x, axis: int, before: int, after: int, mode: str):
    if before == 0 and after == 0:
        return x
    size = shape_of(x)[axis]
    lead = (slice(None),) * axis

    def part(start, stop):
        return x[(*lead, slice(start, stop))]

    front, back = max(before, 0), max(after, 0)
    if mode == "circular":
        parts = [part(size - front, size)] * bool(front) + [x] + [part(0, back)] * bool(back)
    elif mode == "replicate":
        parts = [part(0, 1)] * front + [x] + [part(size - 1, size)] * back
    elif max(front, back) <= MOST_SLICES:  # XNNPACK takes slices and joins, and no MIRROR_PAD
        parts = [part(i, i + 1) for i in range(front, 0, -1)] + [x]
        parts += [part(size - 2 - i, size - 1 - i) for i in range(back)]
    else:
        parts = [
            tf.pad(x, [(front, back) if i == axis else (0, 0) for i in range(x.shape.rank)], mode="REFLECT")
        ]
    x = tf.concat(parts, axis) if len(parts) > 1 else parts[0]
    return part(max(-before, 0), shape_of(x)[axis] + min(after, 0)) if before < 0 or after < 0 else x


@builtin(F.pixel_shuffle, torch.pixel_shuffle,
         strategy=ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER)  # fmt: skip
def pixel_shuffle(input: Tensor, upscale_factor: int):
    """(B, C * r * r, H, W) -> (B, C, H * r, W * r). TensorFlow's depth_to_space counts channels last, PyTorch's first:
    the channels are brought into its order first."""
    r = upscale_factor
    channels = input.shape[1] // (r * r)
    order = [c * r * r + i for i in range(r * r) for c in range(channels)]

    def func(input, upscale_factor):
        if r == 1:
            return tf.identity(input)
        x = input if channels == 1 else tf.gather(input, order, axis=-1)
        return tf.nn.depth_to_space(x, r)

    return func


@builtin(F.pixel_unshuffle, torch.pixel_unshuffle, strategy=ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER)
def pixel_unshuffle(input: Tensor, downscale_factor: int):
    r = downscale_factor
    channels = input.shape[1]
    order = [i * channels + c for c in range(channels) for i in range(r * r)]

    def func(input, downscale_factor):
        if r == 1:
            return tf.identity(input)
        x = tf.nn.space_to_depth(input, r)
        return x if channels == 1 else tf.gather(x, order, axis=-1)

    return func


@builtin(F.channel_shuffle, torch.channel_shuffle, torch.native_channel_shuffle,
         strategy=ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER)  # fmt: skip
def channel_shuffle(input: Tensor, groups: int):
    """The channels of all groups in turn: a transpose of the channels seen as a (groups, channels / groups) matrix."""

    def func(input, groups):
        _, *space, channels = shape_of(input)
        x = tf.reshape(input, [-1, *space, groups, channels // groups])
        rank = x.shape.rank
        x = tf.transpose(x, [*range(rank - 2), rank - 1, rank - 2])
        return tf.reshape(x, [-1, *space, channels])

    return func
