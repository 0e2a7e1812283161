"""Channels that are shuffled before a convolution: the convolution's weights are shuffled instead.

    before  CONCATENATION (1, 28, 28, 116), RESHAPE, TRANSPOSE (28, 28, 58, 2), RESHAPE, SPLIT, CONV_2D 58 -> 58
    after   2 SLICE (1, 28, 28, 29), CONCATENATION (1, 28, 28, 58), CONV_2D 58 -> 58

As in ShuffleNet V2, where half of the channels go on past the block, to be shuffled again in the next: a channel is taken
from the op that made it when a convolution reads it, however many shuffles, splits and joints lie between. What works on
each channel by itself may stand before the convolution: padding, pooling, a depthwise convolution, a scale. A shuffle
stays where anything else reads it.

    before  SPACE_TO_DEPTH 2, GATHER of 12 channels, CONV_2D 12 -> 8
    after   SPACE_TO_DEPTH 2, CONV_2D 12 -> 8

As behind a pixel unshuffle of several colours."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
import tensorflow as tf

from nobuco.tflite.forms.concatenations import joined
from nobuco.tflite.forms.form import Form, Now, Tensor, named_as, readers, sizes, source, static
from nobuco.tflite.forms.reordering import channel_order
from nobuco.tflite.forms.slices import selections
from nobuco.tflite.lowering.copying import copied

_CUTS = ("Split", "SplitV", "StridedSlice")
_MOVES = ("Reshape", "Transpose", "ExpandDims", "Squeeze")
_SHUFFLES = (*_MOVES, "GatherV2")
_VECTORS = ("Mul", "AddV2", "Sub", "BiasAdd")  # by a value for each channel
_ALONE = ("Abs", "Elu", "LeakyRelu", "Neg", "Relu", "Relu6", "Sigmoid", "Square", "Tanh")
_CHANNELWISE = (*_VECTORS, *_ALONE, "Pad", "MaxPool", "AvgPool", "DepthwiseConv2dNative")
_MOST_ELEMENTS = 1 << 22  # of a tensor whose reordering is worked out by doing it
_MOST_RUNS = 16  # slices that are put together for one convolution


@dataclass
class _Channels:
    """Where each channel of a tensor comes from.

    Attributes:
        makers: the tensors that they are channels of.
        maker: for each channel, the index of its maker.
        place: for each channel, which of its maker's it is.
        shuffles: the last op of each shuffle on the way, and what it yields.
    """

    makers: list[Tensor]
    maker: np.ndarray
    place: np.ndarray
    shuffles: list[Tensor] = field(default_factory=list)

    def chosen(self, places: np.ndarray) -> _Channels:
        return _Channels(self.makers, self.maker[places], self.place[places], self.shuffles)


def _channels(tensor: Tensor) -> _Channels | None:
    """Of a picture (B, H, W, C) of known sizes."""
    tensor = source(tensor)
    shape = sizes(tensor)
    if shape is None or len(shape) != 4:
        return None
    op = tensor.op
    if op.type == "ConcatV2" and _joins_channels(op):
        return _of_all(op.inputs[:-1])
    if op.type in _CUTS:
        places = _cut(op, tensor)
        before = None if places is None else _channels(_whole(op))
        if before is not None and places is not None:
            return before.chosen(places)
    if op.type in _SHUFFLES:
        moved = _shuffle(tensor)
        if moved is not None:
            first, order = moved
            before = _channels(first)
            if before is not None:
                after = before.chosen(order)
                return _Channels(after.makers, after.maker, after.place, [*before.shuffles, tensor])
    return _Channels([tensor], np.zeros(shape[3], int), np.arange(shape[3]))


def _of_all(tensors: Any) -> _Channels | None:
    """Of several tensors, one behind the other."""
    parts = [_channels(tensor) for tensor in tensors]
    if any(part is None for part in parts):
        return None
    makers: list[Tensor] = []
    maker, shuffles = [], []
    for part in parts:
        assert part is not None
        index = []
        for each in part.makers:
            known = next((i for i, other in enumerate(makers) if other is each), None)
            index.append(len(makers) if known is None else known)
            if known is None:
                makers.append(each)
        maker.append(np.array(index)[part.maker])
        shuffles += [each for each in part.shuffles if not any(each is other for other in shuffles)]
    return _Channels(makers, np.concatenate(maker), np.concatenate([p.place for p in parts if p]), shuffles)


def _joins_channels(op: Any) -> bool:
    axis = static(op.inputs[-1])
    return axis is not None and int(axis) % op.outputs[0].shape.rank == 3


def _whole(op: Any) -> Tensor:
    return op.inputs[1] if op.type == "Split" else op.inputs[0]


def _cut(op: Any, tensor: Tensor) -> np.ndarray | None:
    """The channels that an output of an op that cuts holds; None where it cuts anything else."""
    found = selections(op)
    if found is None or len(op.outputs[0].shape) != 4:
        return None
    *others, channels = found[[output is tensor for output in op.outputs].index(True)]
    if any(places is not None for places in others):
        return None
    return np.arange(_whole(op).shape[-1]) if channels is None else channels


def _shuffle(tensor: Tensor) -> tuple[Tensor, np.ndarray] | None:
    """The picture that a gather, or reshapes and transposes, begin at, where all they do is to reorder its channels; and
    how."""
    gathered = channel_order(tensor.op)
    if gathered is not None:
        return source(tensor.op.inputs[0]), gathered
    steps: list[tuple[str, tuple[int, ...]]] = []
    first = tensor
    while first.op.type in _MOVES:
        op = first.op
        if op.type == "Transpose":
            order = static(op.inputs[1])
            if order is None:
                return None
            steps.append(("transpose", tuple(map(int, order))))
        else:
            shape = sizes(first)
            if shape is None:
                return None
            steps.append(("reshape", tuple(shape)))
        first = source(op.inputs[0])
        if sizes(first) == sizes(tensor) and any(name == "transpose" for name, _ in steps):
            break
    if sizes(first) != sizes(tensor):
        return None
    order = _order(tuple(sizes(tensor) or ()), tuple(reversed(steps)))
    return None if order is None else (first, np.array(order))


@lru_cache(maxsize=256)
def _order(shape: tuple[int, ...], steps: tuple[tuple[str, tuple[int, ...]], ...]) -> tuple[int, ...] | None:
    """The channels in the order in which the steps put them; None where they do anything else."""
    if prod(shape) > _MOST_ELEMENTS or not prod(shape):
        return None
    labels = np.arange(prod(shape), dtype=np.int32).reshape(shape)
    for name, argument in steps:
        labels = labels.transpose(argument) if name == "transpose" else labels.reshape(argument)
    order = labels.reshape(-1, shape[-1])[0]
    if order.max() >= shape[-1] or (labels - labels[..., :1] != order - order[0]).any():
        return None
    firsts = np.arange(prod(shape[:-1])) * shape[-1] + order[0]
    return tuple(map(int, order)) if (labels[..., 0].reshape(-1) == firsts).all() else None


def _chain(tensor: Tensor) -> tuple[list[Any], Tensor]:
    """The ops before a convolution that work on each channel by itself, first to last, and the tensor before them."""
    ops: list[Any] = []
    tensor = source(tensor)
    while _is_channelwise(tensor.op) and sum(1 for _ in readers(tensor)) == 1:
        ops.insert(0, tensor.op)
        tensor = source(_picture(tensor.op))
    return ops, tensor


def _is_channelwise(op: Any) -> bool:
    if op.type not in _CHANNELWISE or sizes(op.outputs[0]) is None or len(op.outputs[0].shape) != 4:
        return False
    if op.type in _VECTORS:
        value = _vector(op)
        return value is not None and value.shape.num_elements() in (1, op.outputs[0].shape[-1])
    if op.type == "Pad":
        around = static(op.inputs[1])
        return around is not None and not around[3].any()
    if op.type == "DepthwiseConv2dNative" and op.inputs[1].shape[3] != 1:
        return False
    return op.type in _ALONE or op.get_attr("data_format") == b"NHWC"


def _picture(op: Any) -> Tensor:
    return op.inputs[1] if op.type in _VECTORS and op.inputs[0] is _vector(op) else op.inputs[0]


def _vector(op: Any) -> Tensor | None:
    """The operand that holds a value for each channel."""
    for tensor in (op.inputs[1], op.inputs[0]):
        shape = sizes(tensor)
        if shape is not None and prod(shape) == prod(shape[-1:]):
            return tensor
    return None


def _is_convolution(op: Any) -> bool:
    return op.type == "Conv2D" and op.get_attr("data_format") == b"NHWC" and sizes(op.inputs[1]) is not None


def _takes(op: Any) -> bool:
    """Whether a convolution reads all channels for each of its own, so that their order is its weights'."""
    return _is_convolution(op) and op.inputs[1].shape[2] == op.inputs[0].shape[3]


def _dissolves(tensor: Tensor) -> bool:
    """Whether all that reads a shuffled tensor can do without it."""
    for op in readers(tensor):
        if op is None:
            return False
        if op.type == "ConcatV2" and _joins_channels(op):
            if not _dissolves(op.outputs[0]):
                return False
        elif op.type in _CUTS:
            if any(_cut(op, output) is None or not _dissolves(output) for output in op.outputs):
                return False
        elif op.type in _SHUFFLES:
            end = _end(op)
            if end is None or not _dissolves(end):
                return False
        elif not _ends_in_convolution(op):
            return False
    return True


def _end(op: Any) -> Tensor | None:
    """What the shuffle that begins with an op yields."""
    tensor = op.outputs[0]
    while True:
        moved = _shuffle(tensor)
        if moved is not None and moved[0] is source(op.inputs[0]):
            return tensor
        following = list(readers(tensor))
        if len(following) != 1 or following[0] is None or following[0].type not in _MOVES:
            return None
        tensor = following[0].outputs[0]


def _ends_in_convolution(op: Any) -> bool:
    while _is_channelwise(op):
        following = list(readers(op.outputs[0]))
        if len(following) != 1 or following[0] is None:
            return False
        (op,) = following
    return _takes(op)


def _fits(op: Any) -> bool:
    if not _takes(op):
        return False
    channels = _channels(_chain(op.inputs[0])[1])
    if channels is None or not channels.shuffles or len(_runs(channels)) > _MOST_RUNS:
        return False
    return all(map(_dissolves, channels.shuffles))


def _runs(channels: _Channels) -> list[tuple[int, int, int]]:
    """The channels in the order of their makers: maker, first place and number of those that lie side by side."""
    order = np.lexsort((channels.place, channels.maker))
    runs: list[tuple[int, int, int]] = []
    for maker, place in zip(channels.maker[order], channels.place[order], strict=True):
        if runs and runs[-1][0] == maker and sum(runs[-1][1:]) == place:
            runs[-1] = (*runs[-1][:2], runs[-1][2] + 1)
        else:
            runs.append((int(maker), int(place), 1))
    return runs


def _make(op: Any, now: Now) -> Tensor:
    chain, first = _chain(op.inputs[0])
    channels = _channels(first)
    assert channels is not None
    with named_as(channels.shuffles[-1].op):
        parts = [_taken(now(channels.makers[maker]), place, count) for maker, place, count in _runs(channels)]
        x = parts[0] if len(parts) == 1 else joined(parts, 3)
    order = np.lexsort((channels.place, channels.maker))
    for each in chain:
        with named_as(each):
            (x,) = copied(each, [_reordered(each, tensor, now, x, order) for tensor in each.inputs])
    return copied(op, [x, tf.gather(now(op.inputs[1]), order, axis=2)])


def _taken(tensor: Tensor, place: int, count: int) -> Tensor:
    return tensor if count == tensor.shape[-1] else tensor[..., place : place + count]


def _reordered(op: Any, tensor: Tensor, now: Now, picture: Tensor, order: np.ndarray) -> Tensor:
    """An input of an op that works on each channel by itself, for channels in another order."""
    if tensor is _picture(op):
        return picture
    if op.type == "DepthwiseConv2dNative":
        return tf.gather(now(tensor), order, axis=2)
    if op.type in _VECTORS and tensor.shape.num_elements() != 1:
        return tf.gather(now(tensor), order, axis=tensor.shape.rank - 1)
    return now(tensor)


FORM = Form(("Conv2D",), _fits, _make)
