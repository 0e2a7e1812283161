"""Convolutions, plain and transposed, of one to three dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf
import torch.nn.functional as F
from torch import Tensor

from nobuco.build.context import is_constant, is_dynamic
from nobuco.build.results import LayerChain, with_weights
from nobuco.layout.order import ChannelOrderingStrategy
from nobuco.node_converters._sizes import pads_like_same, per_dim, same_padding
from nobuco.node_converters.registry import builtin

_CONV = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D, 3: keras.layers.Conv3D}
_DEPTHWISE = {1: keras.layers.DepthwiseConv1D, 2: keras.layers.DepthwiseConv2D}
_TRANSPOSED = {1: keras.layers.Conv1DTranspose, 2: keras.layers.Conv2DTranspose, 3: keras.layers.Conv3DTranspose}
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
    if input.dim() == dims + 1 or not (is_constant(weight) and is_constant(bias)):
        return _computed_convolution(dims, stride, pads, dilation, groups, batched=input.dim() > dims + 1)
    sizes = tuple(input.shape[2:])
    same = pads_like_same(sizes, kernel, stride, dilation, pads)
    if is_dynamic():  # one stride: the windows are the same whatever the size
        same = set(stride) == {1} and pads_like_same(sizes, kernel, stride, dilation, pads)
    both = "same" if same and any(any(pad) for pad in pads) else "valid"
    layers = [] if same or not any(any(pad) for pad in pads) else [_zero_padding(pads)]

    channels = input.shape[1]
    depthwise = groups == channels > 1 and dims in _DEPTHWISE and len(set(stride)) == 1
    common = {
        "kernel_size": kernel, "strides": stride, "padding": both, "dilation_rate": dilation,
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
    if padding == "same":  # PyTorch's, which is for stride 1 only, puts the odd one at the end as TensorFlow does
        return [same_padding(1 << 20, k, 1, d) for k, d in zip(kernel, dilation, strict=True)]
    return [(pad, pad) for pad in per_dim(padding, dims)]


def _zero_padding(pads: list[tuple[int, int]]) -> keras.layers.Layer:
    return _PADDING[len(pads)](pads[0] if len(pads) == 1 else tuple(pads))


def _computed_convolution(dims, stride, pads, dilation, groups, batched):
    """With weights that the model computes, or an input without batch dim."""

    def func(input, weight, bias=None, *args, **kwargs):
        # the weight is laid out channel last as every tensor here: (O, *kernel, I) -> (*kernel, I, O)
        kernel = tf.transpose(weight, [*range(1, dims + 2), 0])
        x = input if batched else tf.expand_dims(tf.transpose(input, _unbatched(dims)), 0)
        x = tf.pad(x, [(0, 0), *pads, (0, 0)])
        x = keras.ops.conv(x, kernel, strides=stride, padding="valid", dilation_rate=dilation)
        if bias is not None:
            x = x + bias
        return x if batched else tf.transpose(x[0], [dims, *range(dims)])

    return func


def _unbatched(dims: int) -> list[int]:
    """(C, *space), which as a tensor of its rank stands as (C, ...space rotated), into (*space, C)."""
    rank = dims + 1
    layout = (0, *range(2, rank), 1) if rank > 2 else (0, 1)
    return [layout.index(dim) for dim in (*range(1, rank), 0)]


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
    """The gradient of a convolution: without padding, then cropped by PyTorch's `padding` at both ends."""
    dims = weight.dim() - 2
    stride, padding, extra, dilation = (per_dim(each, dims) for each in (stride, padding, output_padding, dilation))
    kernel = tuple(weight.shape[2:])

    def one_group(x, kernels):
        # kernels: (I, *kernel, O) as every tensor here; TensorFlow wants (*kernel, O, I)
        kernels = tf.transpose(kernels, [*range(1, dims + 2), 0])
        sizes = tf.shape(x)
        static = x.shape.as_list()
        full = [
            (sizes[i + 1] if static[i + 1] is None else static[i + 1]) * s - s + max((k - 1) * d + 1, s)
            for i, (s, k, d) in enumerate(zip(stride, kernel, dilation, strict=True))
        ]
        batch = sizes[0] if static[0] is None else static[0]
        shape = [batch, *full, kernels.shape[-2]]
        return _conv_transpose_valid(x, kernels, shape, stride, dilation)

    def func(input, weight, bias=None, *args, **kwargs):
        parts = [one_group(x, w) for x, w in zip(tf.split(input, groups, -1), tf.split(weight, groups, 0), strict=True)]
        x = tf.concat(parts, -1) if groups > 1 else parts[0]
        x = _cropped(x, kernel, stride, padding, extra, dilation)
        return x if bias is None else x + bias

    return func


def _conv_transpose_valid(x, kernels, shape, stride, dilation):
    dims = len(stride)
    if dims == 1:  # TFLite has the two-dimensional op only
        x, kernels = tf.expand_dims(x, 1), tf.expand_dims(kernels, 0)
        shape = [shape[0], 1, *shape[1:]]
        return tf.squeeze(_conv_transpose_valid(x, kernels, shape, (1, *stride), (1, *dilation)), 1)
    if set(dilation) != {1}:
        kernels = _dilated(kernels, dilation)
    shape = tf.stack(shape) if any(tf.is_tensor(each) for each in shape) else shape
    function = tf.nn.conv2d_transpose if dims == 2 else tf.nn.conv3d_transpose
    return function(x, kernels, shape, stride, padding="VALID")


def _dilated(kernels, dilation):
    """The same kernel with zeros between its taps."""
    for axis, d in enumerate(dilation):
        if d == 1:
            continue
        size = kernels.shape[axis]
        parts = []
        for i in range(size):
            tap = tf.gather(kernels, [i], axis=axis)
            parts.append(tap)
            if i + 1 < size:
                parts.append(tf.zeros_like(tf.repeat(tap, d - 1, axis)))
        kernels = tf.concat(parts, axis)
    return kernels


def _cropped(x, kernel, stride, padding, extra, dilation):
    """PyTorch's output: from `padding` on, (size - 1) * stride - 2 * padding + reach + output_padding long."""
    begin, end, grow = [], [], []
    for k, s, p, e, d in zip(kernel, stride, padding, extra, dilation, strict=True):
        reach = (k - 1) * d + 1
        surplus = max(s - reach, 0)  # what the VALID output has beyond the last window
        cut = p + surplus - e
        begin.append(p)
        end.append(-cut if cut > 0 else None)
        grow.append((0, max(-cut, 0)))
    if any(after for _, after in grow):
        x = tf.pad(x, [(0, 0), *grow, (0, 0)])
    index = tuple(slice(b or None, e) for b, e in zip(begin, end, strict=True))
    return x if all(each == slice(None) for each in index) else x[(slice(None), *index)]


