"""1x1 convolutions of several pictures, of which some were enlarged for it: those are convolved before they are enlarged.

    before  RESIZE (1, 20, 20, 64) -> (1, 40, 40, 64), CONCATENATION with (1, 40, 40, 32), CONV_2D 1x1, 96 -> 32
    after   CONV_2D 1x1 (1, 20, 20, 64) -> (1, 20, 20, 32), RESIZE (1, 40, 40, 32), CONV_2D 1x1 (1, 40, 40, 32), ADD

As in the necks of detectors, and in heads that put pictures of several sizes together. A place of an enlarged picture is a
mean of places, channel by channel, and a 1x1 convolution one over channels, place by place: it does not matter which comes
first, but for rounding. A picture of a single place is not enlarged at all: it is added everywhere. What else is done to
each channel, a bias or batch normalisation, is done to the part that was not enlarged, and scales the weights of the
others.

Of the whole layer before, it takes on one core of a Xeon 0.45 (128 and 64 channels to 64, 20x20 -> 40x40), 0.58 (32 and 32
to 32, 40x40 -> 80x80), 0.70 (a mean of 256 and 1,024 channels to 256, 33x33)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import Any

import tensorflow as tf

from nobuco.tflite.forms import enlarging
from nobuco.tflite.forms.form import Form, Now, Tensor, is_constant, readers, sizes, source, static
from nobuco.tflite.lowering.copying import copied

_BY_CHANNEL = ("BiasAdd", "AddV2", "Sub", "Mul")
_RESIZES = ("ResizeBilinear", "ResizeNearestNeighbor")
_REPEATS = ("BroadcastTo", "Tile")

# Instructions of an emulated Cortex-A76 for a product, a sum, and a place that is enlarged.
_PRODUCT, _SUM, _ENLARGED = 0.35, 1.0, 3.0


@dataclass(frozen=True)
class _Neck:
    """A convolution of a joint, and what follows.

    Attributes:
        convolution: the op.
        after: what is done to each channel of its results, op by op, and the constant that it takes.
        parts: what is joined, with the first channel of each.
        enlarged: by the number of the part, the op that enlarges it.
    """

    convolution: Any
    after: list[tuple[Any, Tensor]]
    parts: list[tuple[Tensor, int]]
    enlarged: dict[int, Any]


def _neck(op: Any) -> _Neck | None:
    """Where `op` is the last of it."""
    if _goes_on(op):
        return None
    result, after = sizes(op.outputs[0]), []
    while op.type != "Conv2D":
        vector = _constant(op)
        if vector is None:
            return None
        after.insert(0, (op, vector))
        picture = next(tensor for tensor in op.inputs if tensor is not vector)
        op = source(picture).op
        if not _goes_on(op):
            return None
    parts = _joined(op)
    if parts is None or sizes(op.outputs[0]) != result:
        return None
    enlarged = {i: each.op for i, (each, _) in enumerate(parts) if _pays(each, op.outputs[0].shape[3])}
    return _Neck(op, after, parts, enlarged) if enlarged else None


def _goes_on(op: Any) -> bool:
    """Whether all that reads an op's result is another op of the neck."""
    then = list(readers(op.outputs[0])) if op.outputs else []
    return len(then) == 1 and then[0] is not None and _constant(then[0]) is not None


def _constant(op: Any) -> Tensor | None:
    """The number for each channel that an op takes; None for other ops."""
    if op.type not in _BY_CHANNEL or op.outputs[0].shape.rank != 4:
        return None
    if op.type == "BiasAdd" and op.get_attr("data_format") != b"NHWC":
        return None
    channels = op.outputs[0].shape[3]
    for picture, vector in (op.inputs, reversed(op.inputs)):
        shape = sizes(vector)
        if op.type == "Sub" and vector is op.inputs[0]:
            continue
        by_channel = shape is not None and len(shape) < 5 and prod(shape) == (shape or [1])[-1]
        if (
            by_channel
            and is_constant(vector)
            and prod(shape or []) in (1, channels)
            and picture.shape.rank == 4
        ):
            return vector
    return None


def _joined(op: Any) -> list[tuple[Tensor, int]] | None:
    """The parts of what a 1x1 convolution is of."""
    joint, kernel = source(op.inputs[0]).op, sizes(op.inputs[1])
    if kernel is None or kernel[:2] != [1, 1] or joint.type != "ConcatV2" or not is_constant(op.inputs[1]):
        return None
    plain = op.get_attr("data_format") == b"NHWC" and {
        *op.get_attr("strides"),
        *op.get_attr("dilations"),
    } == {1}
    shape, axis = sizes(joint.outputs[0]), static(joint.inputs[-1])
    if not plain or shape is None or shape[3] != kernel[2] or axis is None or int(axis) % 4 != 3:
        return None
    if joint.outputs[0].dtype != tf.float32:
        return None
    parts, first = [], 0
    for tensor in joint.inputs[:-1]:
        parts.append((source(tensor), first))
        first += tensor.shape[3]
    return parts


def _pays(part: Tensor, made: int) -> bool:
    """Whether a part is one of fewer places, and its convolution there saves more than is lost."""
    op = part.op
    if op.type not in (*_RESIZES, *_REPEATS):
        return False
    given, result = sizes(op.inputs[0]), sizes(part)
    if given is None or result is None or len(given) != 4 or given[0] != result[0] or given[3] != result[3]:
        return False
    if op.type in _REPEATS and given[1:3] != [1, 1]:
        return False
    fewer = prod(given[1:3]) / prod(result[1:3])
    more = max(0.0, 1 - given[3] / made) if given[1:3] != [1, 1] else 0.0
    return given[3] * _PRODUCT * (1 - fewer) > _SUM + more * _ENLARGED


def _make(op: Any, now: Now, repeat: bool) -> Tensor:
    neck = _neck(op)
    assert neck is not None
    kernel = now(neck.convolution.inputs[1])
    rest = [i for i in range(len(neck.parts)) if i not in neck.enlarged]
    terms: list[Tensor] = []
    if rest:
        x = _joint([now(neck.parts[i][0]) for i in rest], 3)
        terms.append(
            _finished(_convolved(x, _joint([_weights(kernel, neck, i) for i in rest], 2)), neck, now)
        )
    scale = _scale(neck, now)
    for i, resize in neck.enlarged.items():
        x, weights = now(resize.inputs[0]), _weights(kernel, neck, i)
        if terms:
            x = _convolved(x, weights if scale is None else weights * scale)
        else:
            x = _finished(_convolved(x, weights), neck, now)
        terms.append(x if x.shape[1:3] == [1, 1] and terms else _enlarged(resize, x, now, repeat))
    return reduce(tf.add, terms)


def _joint(tensors: list[Tensor], axis: int) -> Tensor:
    return tensors[0] if len(tensors) == 1 else tf.concat(tensors, axis)


def _finished(x: Tensor, neck: _Neck, now: Now) -> Tensor:
    for op, vector in neck.after:
        x = copied(op, [now(each) if each is vector else x for each in op.inputs])[0]
    return x


def _scale(neck: _Neck, now: Now) -> Tensor | None:
    scales = [tf.reshape(now(vector), [-1]) for op, vector in neck.after if op.type == "Mul"]
    return reduce(tf.multiply, scales) if scales else None


def _weights(kernel: Tensor, neck: _Neck, part: int) -> Tensor:
    tensor, first = neck.parts[part]
    return kernel[:, :, first : first + tensor.shape[3]]


def _convolved(x: Tensor, kernel: Tensor) -> Tensor:
    return tf.nn.conv2d(x, kernel, 1, "VALID")


def _enlarged(op: Any, x: Tensor, now: Now, repeat: bool) -> Tensor:
    """A picture enlarged as an op did it; places are repeated by moves where `repeat` says so and that can be."""
    if op.type in _REPEATS:
        return tf.tile(x, [1, *op.outputs[0].shape[1:3], 1])
    factors = enlarging.factors_of(op) if repeat and op.type == "ResizeNearestNeighbor" else None
    if factors is not None:
        return enlarging.repeated(x, *factors)
    return copied(op, [x, now(op.inputs[1])])[0]


_TYPES = ("Conv2D", *_BY_CHANNEL)
FORM = Form(_TYPES, lambda op: _neck(op) is not None, lambda op, now: _make(op, now, True))
GPU_FORM = Form(_TYPES, lambda op: _neck(op) is not None, lambda op, now: _make(op, now, False))
