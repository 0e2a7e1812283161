"""Convolutions, plain and transposed, of one to three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
import torch.nn.functional as F
from torch import Tensor

from nobuco.contract.channel_order import ChannelOrderingStrategy
from nobuco.contract.context import is_constant
from nobuco.contract.registry import builtin
from nobuco.contract.results import LayerChain, with_weights
from nobuco.contract.unknown_sizes import static_shape
from nobuco.node_converters._channels import batch_of_one, without_batch
from nobuco.node_converters._sizes import pads_like_same, per_dim, same_padding, shape_of

_CONV = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D, 3: keras.layers.Conv3D}
_DEPTHWISE = {1: keras.layers.DepthwiseConv1D, 2: keras.layers.DepthwiseConv2D}
_PADDING = {1: keras.layers.ZeroPadding1D, 2: keras.layers.ZeroPadding2D, 3: keras.layers.ZeroPadding3D}


@builtin(F.conv1d, F.conv2d, F.conv3d, strategy=ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER)
def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
):
    """A Keras convolution, behind a zero padding where TensorFlow's SAME would read other windows.

    Grouped convolutions stay one op; those with one input channel a group become depthwise."""
    dims = weight.dim() - 2
    stride, dilation, kernel = per_dim(stride, dims), per_dim(dilation, dims), tuple(weight.shape[2:])
    pads = _explicit(padding, kernel, dilation, dims)
    both = set(stride) != {1} and set(dilation) != {1}  # Keras has layers for one of them
    grouped_volume = dims == 3 and (groups > 1 or set(dilation) != {1})
    constant = is_constant(weight) and is_constant(bias)
    if input.dim() == dims + 1 or not constant or both or grouped_volume or input.is_complex():
        func = _function(dims, stride, pads, dilation, groups, batched=input.dim() > dims + 1)
        return _of_complex(func) if input.is_complex() else func
    same = pads_like_same(static_shape(input)[2:], kernel, stride, dilation, pads)
    mode = "same" if same and any(any(pad) for pad in pads) else "valid"
    layers = [] if same or not any(any(pad) for pad in pads) else [_zero_padding(pads)]

    channels = weight.shape[1] * groups
    depthwise = groups == channels > 1 and dims in _DEPTHWISE and len(set(stride)) == 1
    common = {
        "kernel_size": kernel, "strides": stride, "padding": mode, "dilation_rate": dilation,
        "use_bias": bias is not None,
    }  # fmt: skip
    biases = [] if bias is None else [bias]
    if depthwise:
        multiplier = weight.shape[0] // channels
        layer = _DEPTHWISE[dims](depth_multiplier=multiplier, **common)
        # (C * M, 1, *kernel) -> (*kernel, C, M)
        kernels = weight.reshape(channels, multiplier, *kernel).permute(*range(2, dims + 2), 0, 1)
    else:
        layer = _CONV[dims](filters=weight.shape[0], groups=groups, **common)
        kernels = weight.permute(*range(2, dims + 2), 1, 0)
    return LayerChain(*layers, with_weights(layer, (None,) * (dims + 1) + (channels,), kernels, *biases))


def _explicit(padding, kernel, dilation, dims) -> list[tuple[int, int]]:
    if padding == "valid":
        return [(0, 0)] * dims
    if (
        padding == "same"
    ):  # PyTorch's, which is for stride 1 only, puts the odd one at the end as TensorFlow does
        return [same_padding(1 << 20, k, 1, d) for k, d in zip(kernel, dilation, strict=True)]
    return [(pad, pad) for pad in per_dim(padding, dims)]


def _zero_padding(pads: list[tuple[int, int]]) -> keras.layers.Layer:
    return _PADDING[len(pads)](pads[0] if len(pads) == 1 else tuple(pads))


def _of_complex(real: Any):
    """A convolution of complex numbers by the one of real ones, which TensorFlow has alone."""

    def func(input, weight, bias=None, *args, **kwargs):
        a, b, c, d = (part(x) for x in (input, weight) for part in (tf.math.real, tf.math.imag))
        x = tf.complex(real(a, c) - real(b, d), real(a, d) + real(b, c))
        return x if bias is None else x + bias

    return func


def _function(dims, stride, pads, dilation, groups, batched):
    """With weights that the model computes, an input without batch dim, or what Keras has no layer for."""

    def func(input, weight, bias=None, *args, **kwargs):
        # the weight is laid out channel last as every tensor here: (O, *kernel, I) -> (*kernel, I, O)
        kernel = tf.transpose(weight, [*range(1, dims + 2), 0])
        x = input if batched else batch_of_one(input, dims)
        x = tf.pad(x, [(0, 0), *pads, (0, 0)]) if any(map(any, pads)) else x
        x = convolved(x, kernel, stride, dilation, groups)
        x = x if bias is None else x + bias
        return x if batched else without_batch(x, dims)

    return func


def convolved(x, kernel, stride, dilation, groups):
    """Without padding. `kernel` is (*kernel, I / groups, O)."""
    dims = len(stride)
    if dims == 1:  # TFLite has the two-dimensional op only
        x, kernel = tf.expand_dims(x, 1), tf.expand_dims(kernel, 0)
        return tf.squeeze(convolved(x, kernel, (1, *stride), (1, *dilation), groups), 1)
    if dims == 2:
        if stride[0] == stride[1] or set(dilation) == {1}:
            return tf.nn.conv2d(x, kernel, stride, "VALID", dilations=dilation)
        return tf.nn.conv2d(x, dilated(kernel, dilation), stride, "VALID")
    if groups == 1 and set(dilation) == {1}:
        return tf.nn.conv3d(x, kernel, [1, *stride, 1], "VALID")
    return _plane_by_plane(x, kernel, stride, dilation, groups)  # the three-dimensional op knows neither


def _plane_by_plane(x, kernel, stride, dilation, groups):
    """The kernel's planes one by one: each is a two-dimensional convolution of all the planes of `x` that it meets."""
    taps, step, apart = kernel.shape[0], stride[0], dilation[0]
    batch, depth, height, width, channels = shape_of(x)
    planes = (depth - (taps - 1) * apart - 1) // step + 1

    def part(tap):
        met = x[:, tap * apart : tap * apart + (planes - 1) * step + 1 : step]
        met = tf.reshape(met, [batch * planes, height, width, channels])
        return _plane(met, kernel[tap], stride[1:], dilation[1:], groups)

    total = sum(map(part, range(1, taps)), part(0))
    _, height, width, channels = shape_of(total)
    return tf.reshape(total, [batch, planes, height, width, channels])


def _plane(x, kernel, stride, dilation, groups):
    if groups == 1 or kernel.shape[2] > 1 or stride[0] != stride[1] or stride[0] > 1 < max(dilation):
        return convolved(x, kernel, stride, dilation, groups)
    height, width, _, made = shape_of(kernel)
    kernel = tf.reshape(kernel, [height, width, groups, made // groups])
    return tf.nn.depthwise_conv2d(x, kernel, [1, *stride, 1], "VALID", dilations=dilation)


def dilated(kernel, dilation):
    """The same kernel with zeros between its taps."""
    for axis, d in enumerate(dilation):
        if d > 1:
            kernel = _spread(kernel, axis, d)
    return kernel


def _spread(x, axis: int, step: int):
    """Zeros between the elements of an axis, `step - 1` of them."""
    size = shape_of(x)[axis]
    pads = [[0, step - 1 if i == axis + 1 else 0] for i in range(x.shape.rank + 1)]
    x = tf.pad(tf.expand_dims(x, axis + 1), pads)
    sizes = shape_of(x)
    x = tf.reshape(x, [*sizes[:axis], size * step, *sizes[axis + 2 :]])
    return x[(slice(None),) * axis + (slice(0, (size - 1) * step + 1),)]


@builtin(
    F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d,
    strategy=ChannelOrderingStrategy.FORCE_TENSORFLOW_ORDER,
)  # fmt: skip
def transposed_convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
):
    """The gradient of a convolution, which is one op; with groups or output padding beyond it as the convolution that
    it is: over the input with zeros between its elements."""
    dims = weight.dim() - 2
    stride, padding, extra, dilation = (
        per_dim(each, dims) for each in (stride, padding, output_padding, dilation)
    )
    batched = input.dim() > dims + 1
    for taps in weight.shape[2:]:
        int(taps)  # an unknown one is refused

    def func(input, weight, bias=None, *args, **kwargs):
        # (I, *kernel, O / groups) as every tensor here
        x = input if batched else batch_of_one(input, dims)
        if groups == 1:
            kernel = dilated(tf.transpose(weight, [*range(1, dims + 2), 0]), dilation)
            x = _gradient(x, kernel, stride, padding, extra)
        else:
            x = _over_zeros(x, weight, stride, padding, extra, dilation, groups)
        x = x if bias is None else x + bias
        return x if batched else without_batch(x, dims)

    return func


def _gradient(x, kernel, stride, padding, extra):
    """`kernel` is (*kernel, O, I). TensorFlow's SAME cuts off as much as PyTorch's padding where the result is as long
    as SAME allows; else all is computed, and cropped."""
    dims = len(stride)
    if dims == 1:  # TFLite has the two-dimensional op only
        x, kernel = tf.expand_dims(x, 1), tf.expand_dims(kernel, 0)
        return tf.squeeze(_gradient(x, kernel, (1, *stride), (0, *padding), (0, *extra)), 1)
    taps = kernel.shape.as_list()[:dims]
    same = not any(extra) and all(0 < k - 2 * p <= s for k, p, s in zip(taps, padding, stride, strict=True))
    cut = padding if same else (0,) * dims
    batch, *space, _ = shape_of(x)
    lengths = [
        (n - 1) * s + (k - 2 * p if same else max(k, s))
        for n, s, k, p in zip(space, stride, taps, cut, strict=True)
    ]
    shape: Any = [batch, *lengths, shape_of(kernel)[-2]]
    shape = tf.stack(shape) if any(map(tf.is_tensor, shape)) else shape
    function = tf.nn.conv2d_transpose if dims == 2 else tf.nn.conv3d_transpose
    x = function(x, kernel, shape, stride, padding="SAME" if same else "VALID")
    return x if same else _cropped(x, taps, stride, padding, extra)


def _cropped(x, taps, stride, padding, extra):
    """From `padding` on, (size - 1) * stride - 2 * padding + taps + output_padding long."""
    begin, end, grow = [], [], []
    for k, s, p, e in zip(taps, stride, padding, extra, strict=True):
        cut = p + max(s - k, 0) - e  # with what the whole has beyond the last window
        begin.append(p)
        end.append(-cut if cut > 0 else None)
        grow.append((0, max(-cut, 0)))
    if any(after for _, after in grow):
        x = tf.pad(x, [(0, 0), *grow, (0, 0)])
    index = tuple(slice(b or None, e) for b, e in zip(begin, end, strict=True))
    return x if all(each == slice(None) for each in index) else x[(slice(None), *index)]


def _over_zeros(x, weight, stride, padding, extra, dilation, groups):
    dims = len(stride)
    shape = shape_of(weight)
    inputs, outputs, taps = shape[0], shape[-1], shape[1:-1]
    # (I, *kernel, O / groups) -> (*kernel, I / groups, O), backwards
    kernel = tf.reshape(weight, [groups, inputs // groups, *taps, outputs])
    kernel = tf.transpose(kernel, [*range(2, dims + 2), 1, 0, dims + 2])
    kernel = tf.reverse(tf.reshape(kernel, [*taps, inputs // groups, groups * outputs]), list(range(dims)))
    for axis, step in enumerate(stride, start=1):
        x = _spread(x, axis, step) if step > 1 else x
    pads = [
        ((k - 1) * d - p, (k - 1) * d - p + e)
        for k, d, p, e in zip(taps, dilation, padding, extra, strict=True)
    ]
    crop = tuple(slice(max(-before, 0) or None, min(after, 0) or None) for before, after in pads)
    x = x[(slice(None), *crop)] if any(each != slice(None) for each in crop) else x
    x = tf.pad(x, [(0, 0), *((max(before, 0), max(after, 0)) for before, after in pads), (0, 0)])
    return convolved(x, kernel, (1,) * dims, dilation, groups)
