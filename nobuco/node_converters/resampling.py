"""Resizing and padding in space."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy, get_layout, set_layout
from nobuco.contract.registry import builtin
from nobuco.node_converters._layouts import same_layout
from nobuco.node_converters._sizes import per_dim
from nobuco.node_converters._types import cast


def _no_antialias(call: Any) -> str | None:
    return "interpolate with antialias=True is not converted" if call.antialias else None


@builtin(
    F.interpolate,
    F.upsample,
    strategy=ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER,
    accepts=_no_antialias,
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
    dims = input.dim() - 2
    sizes = tuple(input.shape[2:])
    given = per_dim(size, dims) if size is not None and not _has_tensor(size) else None
    scales = None if scale_factor is None else tuple(float(f) for f in _each(scale_factor, dims))
    target = given or (tuple(int(n * f) for n, f in zip(sizes, scales, strict=True)) if scales else None)
    exact = (
        target is None
        or scales is None
        or recompute_scale_factor
        or all(t == n * f for t, n, f in zip(target, sizes, scales, strict=True))
    )
    resize = _RESIZE.get(mode) if dims <= 2 else None
    if resize is None or not exact:
        if target is None:
            raise ValueError(f"interpolate with mode={mode!r} needs sizes that are known at conversion")
        weights = [
            _matrix(n, t, mode, align_corners, None if recompute_scale_factor or not scales else scales[i])
            for i, (n, t) in enumerate(zip(sizes, target, strict=True))
        ]
        return lambda input, *args, **kwargs: by_matrices(input, weights)

    def func(input, size=None, scale_factor=None, *args, **kwargs):
        x = input if dims == 2 else tf.expand_dims(input, 1)
        wanted: Any = _tensor_sizes(x, size, scales, dims)
        out = resize(
            x,
            tf.cast(tf.stack(wanted), tf.int32) if any(map(tf.is_tensor, wanted)) else wanted,
            bool(align_corners),
        )
        return out if dims == 2 else tf.squeeze(out, 1)

    return func


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
        not isinstance(size, int) and any(isinstance(each, Tensor) for each in size)
    )


def _each(value, dims: int):
    return tuple(value) if hasattr(value, "__len__") else (value,) * dims


def _tensor_sizes(x, size, scales, dims) -> list[Any]:
    if size is not None:
        sizes = list(_each(size, dims)) if not isinstance(size, int) else [size] * dims
    else:
        static, dynamic = x.shape.as_list()[-1 - dims : -1], None
        sizes = []
        for i, known in enumerate(static):
            if known is None:
                dynamic = tf.shape(x) if dynamic is None else dynamic
                scaled = tf.cast(dynamic[i + x.shape.rank - 1 - dims], tf.float32) * scales[i]
                sizes.append(tf.cast(scaled, tf.int32))
            else:
                sizes.append(int(known * scales[i]))
    return sizes if dims == 2 else [1, *sizes]


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


def by_matrices(x, matrices):
    """Each spatial dim in turn: reshaped to (B * before, n, rest), a product from the left."""
    for i, matrix in enumerate(matrices, start=1):
        target, size = matrix.shape
        if target == size and (matrix == torch.eye(size).numpy()).all():
            continue
        shape = x.shape.as_list()
        rest = 1
        for each in shape[i + 1 :]:
            rest *= each
        product = tf.matmul(tf.constant(matrix, x.dtype), tf.reshape(x, [-1, size, rest]))
        x = tf.reshape(product, [-1 if shape[0] is None else shape[0], *shape[1:i], target, *shape[i + 1 :]])
    return x


# -- padding

MOST_SLICES = 3


@builtin(torch.constant_pad_nd, output_layout=same_layout)
def constant_pad(input: Tensor, pad_, value: float = 0.0):
    function = pad(input, pad_)
    return lambda input, pad_, value=0.0: function(input, pad_, "constant", value)


@builtin(F.pad, output_layout=same_layout)
def pad(input: Tensor, pad, mode: str = "constant", value: float | None = None):
    """Pairs of (before, after) from the last dim on; negative ones crop."""

    def func(input, pad, mode="constant", value=None):
        layout = get_layout(input)
        rank = len(layout)
        pairs: list[tuple[Any, Any]] = [(0, 0)] * rank
        for i in range(len(pad) // 2):
            pairs[rank - 1 - i] = (pad[2 * i], pad[2 * i + 1])
        x = input
        if mode == "constant":
            crop = tuple(_crop(*pairs[dim]) for dim in layout)
            x = x if all(each == slice(None) for each in crop) else x[crop]
            amounts = [tuple(_grow(each) for each in pairs[dim]) for dim in layout]
            if any(each for pair in amounts for each in pair if not tf.is_tensor(each)) or any(
                tf.is_tensor(each) for pair in amounts for each in pair
            ):
                x = tf.pad(x, amounts, constant_values=cast(value or 0, x.dtype))
        else:
            for axis, dim in enumerate(layout):
                x = _mirrored(x, axis, *pairs[dim], mode)
        return set_layout(x, layout)

    return func


def _grow(amount):
    return amount if tf.is_tensor(amount) else max(amount, 0)


def _crop(before, after) -> slice:
    start = -before if isinstance(before, int) and before < 0 else None
    stop = after if isinstance(after, int) and after < 0 else None
    return slice(start, stop)


def _mirrored(x, axis: int, before: int, after: int, mode: str):
    if before == 0 and after == 0:
        return x
    size = x.shape[axis]
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
    return part(max(-before, 0), x.shape[axis] + min(after, 0)) if before < 0 or after < 0 else x


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
    channels = input.shape[1]

    def func(input, groups):
        space = input.shape.as_list()[1:-1]
        x = tf.reshape(input, [-1, *space, groups, channels // groups])
        rank = x.shape.rank
        x = tf.transpose(x, [*range(rank - 2), rank - 1, rank - 2])
        return tf.reshape(x, [-1, *space, channels])

    return func
