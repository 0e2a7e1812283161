"""Channels that are put into another order, for which XNNPACK has no op: their maker makes them in that order instead.

    before  CONV_2D 32 -> 12, GATHER of 12 channels, DEPTH_TO_SPACE 2
    after   CONV_2D 32 -> 12, DEPTH_TO_SPACE 2

As before a pixel shuffle of several colours, which PyTorch counts first and TFLite last. The weights of a convolution or a
linear layer are put into the order, and those of what works on each channel by itself on the way: activations, scales,
pooling, padding, a depthwise convolution. Weights are constants, so nothing of it is left in the file. Where anything else
reads a tensor on the way, it stays as it is.

Where nobody's weights can be put in order, an order that is a matrix turned is one:

    before  GATHER of 12 channels (1, 64, 64, 12), DEPTH_TO_SPACE 2: 1,938 thousand instructions on a Cortex-A76
    after   RESHAPE (1, 4096, 3, 4), TRANSPOSE (1, 4096, 4, 3), RESHAPE (1, 64, 64, 12), DEPTH_TO_SPACE 2: 654"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from nobuco.tflite.forms.form import Form, Now, Tensor, is_constant, named_as, readers, source, static
from nobuco.tflite.forms.joining import product, reshaping
from nobuco.tflite.lowering.copying import copied

_ALONE = (
    "Abs", "Ceil", "Cos", "Elu", "Erf", "Erfc", "Exp", "Expm1", "Floor", "LeakyRelu", "Log", "Log1p", "Neg", "Relu",
    "Relu6", "Round", "Rsqrt", "Selu", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Sqrt", "Square", "Tanh",
)  # fmt: skip
_BROADCAST = ("AddV2", "BiasAdd", "Maximum", "Minimum", "Mul", "Pow", "RealDiv", "SquaredDifference", "Sub")
_RELABELS = ("ExpandDims", "Reshape", "Squeeze")
_PADS = ("MirrorPad", "Pad", "PadV2")
_POOLS = ("AvgPool", "MaxPool")
_RESIZES = ("ResizeBilinear", "ResizeNearestNeighbor")

# What makes channels out of all that it reads -> its weights, and their axis that stands for what it makes.
_MAKERS = {"Conv2D": (1, 3), "Conv2DBackpropInput": (1, 2), "MatMul": (1, 1)}


def channel_order(op: Any) -> np.ndarray | None:
    """The channels that a gather takes, where it does nothing but to put all of them into another order."""
    if op.type != "GatherV2" or op.get_attr("batch_dims"):
        return None
    x, places, axis = op.inputs[0], static(op.inputs[1]), static(op.inputs[2])
    if places is None or axis is None or x.shape.rank in (None, 0) or x.dtype != tf.float32:
        return None
    channels = x.shape[-1]
    if int(axis) % x.shape.rank != x.shape.rank - 1 or channels is None:
        return None
    if places.ndim != 1 or len(places) != channels or (np.sort(places) != np.arange(channels)).any():
        return None
    return places


def _given(op: Any, order: np.ndarray) -> list[Tensor] | None:
    """The inputs of an op whose channels are to be put into the order, so that its own are; None where that is not all."""
    result = op.outputs[0]
    channels = len(order)
    if op.type not in _MAKERS and (result.shape.rank in (None, 0) or result.shape[-1] != channels):
        return None
    if op.type in _ALONE:
        return [op.inputs[0]]
    if op.type in _BROADCAST:
        return None if _is_channels_first(op) else _broadcast(op, channels)
    if op.type in (*_PADS, *_RELABELS, *_POOLS, *_RESIZES, "DepthwiseConv2dNative"):
        return [op.inputs[0]] if _keeps_channels(op, channels) else None
    return [] if op.type in _MAKERS and _makes(op, order) else None


def _is_channels_first(op: Any) -> bool:
    return (
        op.type not in _ALONE and "data_format" in op.node_def.attr and op.get_attr("data_format") != b"NHWC"
    )


def _broadcast(op: Any, channels: int) -> list[Tensor] | None:
    """Of the operands, those that have channels and are no constants."""
    given = []
    for tensor in op.inputs:
        if tensor.shape.rank is None or (tensor.shape.rank and tensor.shape[-1] not in (1, channels)):
            return None
        if tensor.shape.rank and tensor.shape[-1] == channels != 1 and not is_constant(tensor):
            given.append(tensor)
    return given


def _keeps_channels(op: Any, channels: int) -> bool:
    x = op.inputs[0]
    if x.shape.rank in (None, 0) or x.shape[-1] != channels or _is_channels_first(op):
        return False
    if op.type in _PADS:
        around = static(op.inputs[1])
        return around is not None and not around[-1].any()
    if op.type in _POOLS:
        return op.get_attr("ksize")[3] == op.get_attr("strides")[3] == 1
    return op.type != "DepthwiseConv2dNative" or (is_constant(op.inputs[1]) and op.inputs[1].shape[3] == 1)


def _makes(op: Any, order: np.ndarray) -> bool:
    weights = op.inputs[_MAKERS[op.type][0]]
    if _is_channels_first(op) or not is_constant(weights) or not weights.shape.is_fully_defined():
        return False
    if weights.shape[_weights_axis(op)] != len(order):
        return False
    if op.type != "Conv2D":
        return True
    if op.inputs[0].shape.rank != 4 or op.inputs[0].shape[3] is None:
        return False
    groups = op.inputs[0].shape[3] // weights.shape[2]
    of_groups = order.reshape(groups, -1) // (len(order) // groups)
    return bool((of_groups == np.arange(groups)[:, None]).all())  # each group makes what it made before


def _weights_axis(op: Any) -> int:
    return 0 if op.type == "MatMul" and op.get_attr("transpose_b") else _MAKERS[op.type][1]


def _chain(op: Any) -> list[Any] | None:
    """The ops to be made again, with the order, each after what it reads; None where not all of it can be."""
    order = channel_order(op)
    if order is None:
        return None
    found: dict[Any, list[Tensor]] = {}
    waiting = [source(op.inputs[0]).op]
    while waiting:
        each = waiting.pop()
        if each in found:
            continue
        given = _given(each, order)
        if given is None:
            return None
        found[each] = given
        waiting += [source(tensor).op for tensor in given]
    if any(reader is not op and reader not in found for each in found for reader in readers(each.outputs[0])):
        return None
    places = {each: place for place, each in enumerate(op.graph.get_operations())}
    return sorted(found, key=places.__getitem__)


def _make(op: Any, now: Now) -> Tensor:
    order = channel_order(op)
    chain = _chain(op)
    assert order is not None and chain is not None
    made: dict[Any, Tensor] = {}
    for each in chain:
        given = [source(tensor) for tensor in _given(each, order) or []]
        inputs = [
            made[source(tensor).op]
            if any(source(tensor) is one for one in given)
            else _in_order(each, place, order, now)
            for place, tensor in enumerate(each.inputs)
        ]
        with named_as(each):
            (made[each],) = copied(each, inputs)
    return made[source(op.inputs[0]).op]


def _in_order(op: Any, place: int, order: np.ndarray, now: Now) -> Tensor:
    """An input that is a weight, a vector for the channels, or nothing to do with them."""
    tensor = op.inputs[place]
    if op.type in _MAKERS and place == _MAKERS[op.type][0]:
        return tf.gather(now(tensor), order, axis=_weights_axis(op))
    if op.type == "DepthwiseConv2dNative" and place == 1:
        return tf.gather(now(tensor), order, axis=2)
    if op.type in _BROADCAST and tensor.shape.rank and tensor.shape[-1] == len(order):
        return tf.gather(now(tensor), order, axis=tensor.shape.rank - 1)
    return now(tensor)


def _rows(op: Any) -> int | None:
    """The rows of the matrix that the channels are, where the order is that of the matrix turned."""
    order = channel_order(op)
    if order is None or len(order) < 4 or is_constant(op.inputs[0]):
        return None
    columns = int(order[1])
    if not 1 < columns < len(order) or len(order) % columns or op.inputs[0].shape.rank < 2:
        return None
    turned = np.arange(len(order)).reshape(-1, columns).T
    return len(order) // columns if (turned.ravel() == order).all() else None


def _turn(op: Any, now: Now) -> Tensor:
    rows, shape = _rows(op), op.inputs[0].shape.as_list()
    assert rows is not None
    places = product(shape[1:-1])
    sizes = [-1 if size is None else size for size in (shape[0], places, rows, shape[-1] // rows)]
    return tf.transpose(tf.reshape(now(op.inputs[0]), sizes), (0, 1, 3, 2))


FORMS = (
    Form(("GatherV2",), lambda op: _chain(op) is not None, _make),
    reshaping(("GatherV2",), lambda op: _rows(op) is not None, _turn),
)
