"""The ops that compute with int8 whose scales are given, and what each demands of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nobuco.tflite import flatbuffer as fb
from nobuco.tflite.precision.editing import Editing, Scale

_MOST = 127  # steps to either side of zero
_ON_GRID = 0.02  # of the finest step: further off, weights do not lie on a grid
_MOST_OF_32_BITS = (1 << 31) - 1

# Where weights and bias stand among the inputs, and the dim of the weights that has a scale for each channel.
_WEIGHTED = {
    "CONV_2D": (1, 2, 0),
    "DEPTHWISE_CONV_2D": (1, 2, 3),
    "FULLY_CONNECTED": (1, 2, 0),
    "TRANSPOSE_CONV": (1, 3, 0),
}
# They hand on some of the numbers they are given, as they are: rounding before is rounding after.
HANDS_ON = {
    "BATCH_TO_SPACE_ND", "BROADCAST_TO", "DEPTH_TO_SPACE", "EXPAND_DIMS", "GATHER", "MAX_POOL_2D", "MIRROR_PAD", "PAD",
    "PADV2", "RESHAPE", "RESIZE_NEAREST_NEIGHBOR", "SLICE", "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SPLIT", "SQUEEZE",
    "STRIDED_SLICE", "TILE", "TRANSPOSE", "UNPACK",
}  # fmt: skip
JOINS = {"CONCATENATION", "MAXIMUM", "MINIMUM", "PACK"}  # the same of several tensors, all of one scale
AVERAGES = {
    "AVERAGE_POOL_2D",
    "RESIZE_BILINEAR",
}  # their kernels know one scale for what goes in and what comes out
# What lies between 0 and 1, or -1 and 1, has a scale that the kernels demand.
FIXED = {
    "LOGISTIC": Scale(1 / 256, -128),
    "L2_NORMALIZATION": Scale(1 / 128, 0),
    "SOFTMAX": Scale(1 / 256, -128),
    "TANH": Scale(1 / 128, 0),
}
_ANY_SCALES = {"ADD", "BATCH_MATMUL", "LEAKY_RELU", "MEAN", "MUL", "RELU", "RELU6", "SUB", "SUM"}

KNOWN = {*_WEIGHTED, *HANDS_ON, *JOINS, *AVERAGES, *FIXED, *_ANY_SCALES}


def in_integers(
    editing: Editing, op: Any, integers: Mapping[int, int], outputs: Sequence[int]
) -> list[Any] | str:
    """The ops that compute with integers what `op` computes, or why there are none.

    Args:
        integers: by float tensor, the int8 tensor that it stands for.
        outputs: int8 tensors that are to take what the op's outputs are rounded to.
    """
    kind = editing.kind(op)
    if kind not in KNOWN:
        return f"nobuco has no integer form of {kind} with scales that are given"
    scales = [editing.scale(index) for index in outputs]
    known = [editing.scale(integers[index]) for index in map(int, op.inputs) if index in integers]
    if not known:
        return "it computes with constants alone"
    if kind in FIXED and scales != [FIXED[kind]]:
        return f"{kind} in integers gives steps of 1/{round(1 / FIXED[kind].step)} alone"
    if kind in AVERAGES and scales != known[:1]:
        if kind != "AVERAGE_POOL_2D" or op.builtinOptions.padding != fb.schema.Padding.VALID:
            return f"{kind} in integers gives the scale that it takes alone"
        _become_depthwise(editing, op, known[0])
        op.outputs = list(outputs)
        op.inputs[0] = integers[int(op.inputs[0])]
        return [op]
    inputs = [int(index) for index in op.inputs]
    new: dict[int, int] = {index: integers[index] for index in inputs if index in integers}
    before, after = [], []
    if kind in _WEIGHTED:
        weighted = _weights(editing, inputs, *_WEIGHTED[kind], known[0])
        if isinstance(weighted, str):
            return weighted
        new |= weighted
    elif kind in JOINS:
        for index in dict.fromkeys(each for each in inputs if editing.is_float(each)):
            if index in integers and editing.scale(integers[index]) == scales[0]:
                continue
            if index in integers:
                new[index] = editing.add_like(index, _int8(editing, outputs[0]), scales[0], ";rounded")
                before.append(editing.op("QUANTIZE", integers[index], new[index]))
            else:
                new[index] = _constant(editing, index, scales[0])
    else:
        for index in dict.fromkeys(each for each in inputs if editing.is_float(each) and each not in new):
            new[index] = _constant(editing, index, known[0] if kind in HANDS_ON else None)
    made = list(outputs)
    if kind in HANDS_ON:
        for place, index in enumerate(outputs):
            if scales[place] != known[0]:
                made[place] = editing.add_like(index, _int8(editing, index), known[0], ";handed_on")
                after.append(editing.op("QUANTIZE", made[place], index))
    op.inputs = [new.get(index, index) for index in inputs]
    op.outputs = made
    return [*before, op, *after]


def _int8(editing: Editing, index: int) -> int:
    return editing.graph.tensors[index].type


def _become_depthwise(editing: Editing, op: Any, given: Scale | None) -> None:
    """A mean of squares of pixels as a convolution of equal weights, which has a scale of its own."""
    pool, new = op.builtinOptions, fb.schema.DepthwiseConv2DOptionsT()
    new.padding, new.strideH, new.strideW = pool.padding, pool.strideH, pool.strideW
    new.fusedActivationFunction = pool.fusedActivationFunction
    new.depthMultiplier = new.dilationHFactor = new.dilationWFactor = 1
    channels = int(editing.graph.tensors[int(op.inputs[0])].shape[-1])
    window = (1, pool.filterHeight, pool.filterWidth, channels)
    size = float(np.float32(1 / (pool.filterHeight * pool.filterWidth * _MOST)))
    assert given is not None
    weights = editing.add_constant(
        int(op.outputs[0]), np.full(window, _MOST, np.int8), [size] * channels, axis=3, ending=";window"
    )
    zeros = np.zeros(channels, np.int32)
    bias = editing.add_constant(int(op.outputs[0]), zeros, [size * given.step] * channels, ending=";zeros")
    op.opcodeIndex = editing.code("DEPTHWISE_CONV_2D")
    op.builtinOptionsType, op.builtinOptions = fb.schema.BuiltinOptions.DepthwiseConv2DOptions, new
    op.inputs = [int(op.inputs[0]), weights, bias]


def _weights(
    editing: Editing, inputs: Sequence[int], weights: int, bias: int, axis: int, given: Scale | None
) -> dict[int, int] | str:
    """Weights, and the bias if there is one, as integers."""
    values = editing.constant(inputs[weights])
    if values is None or given is None:
        return "its weights are computed"
    rows = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
    most = np.abs(rows).max(axis=1).astype(np.float64) / _MOST
    scales = np.array([step(row) or size for row, size in zip(rows, most, strict=True)])
    scales[scales == 0] = scales.max() or 1.0
    place = inputs[bias] if len(inputs) > bias else -1
    sums = editing.constant(place) if place >= 0 else None
    if place >= 0 and sums is None:
        return "its bias is computed"
    if sums is not None:  # of a channel of tiny weights, which the bias is all of
        scales = np.maximum(scales, np.abs(sums.astype(np.float64)) / _MOST_OF_32_BITS / given.step)
    shape = [1] * values.ndim
    shape[axis] = -1
    scales = scales.astype(np.float32).astype(np.float64)
    whole = np.clip(np.round(values / scales.reshape(shape)), -_MOST, _MOST).astype(np.int8)
    new = {inputs[weights]: editing.add_constant(inputs[weights], whole, list(scales), axis=axis)}
    if sums is not None:
        steps = (scales * given.step).astype(np.float32)
        numbers = np.clip(np.round(sums.astype(np.float64) / steps), -_MOST_OF_32_BITS, _MOST_OF_32_BITS)
        new[place] = editing.add_constant(place, numbers.astype(np.int32), list(steps))
    return new


def _constant(editing: Editing, index: int, scale: Scale | None) -> int:
    """An operand that stands in the file, on the scale that is given, or its own."""
    values = editing.constant(index)
    assert values is not None
    if scale is None:
        most = float(np.abs(values).max()) if values.size else 0.0
        scale = Scale(step(values) or most / _MOST or 1.0, 0)
    whole = np.clip(np.round(values / scale.step) + scale.zero, -128, 127).astype(np.int8)
    return editing.add_constant(index, whole, [scale.step], scale.zero)


def step(values: np.ndarray) -> float | None:
    """The largest number that all values are whole multiples of, no more than 128 times it; None where there is none."""
    values = np.abs(values.astype(np.float64))
    most = float(values.max()) if values.size else 0.0
    if most == 0:
        return None
    for count in range(1, _MOST + 2):
        size = most / count
        if np.abs(values - np.round(values / size) * size).max() <= _ON_GRID * most / _MOST:
            return size
    return None
