"""Channels of one tensor brought to like ranges before they share a scale: what the layer that makes them is divided by, the
layer that reads them is multiplied by.

After Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (2019); as weights have a scale
for each channel here, it is the ranges of activations that are weighed against the weights that read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nobuco.tflite import flatbuffer as fb
from nobuco.tflite.precision.editing import Editing
from nobuco.tflite.precision.running import Sample, tensors_on

# Where weights and bias stand among the inputs, and the dims of outputs and inputs in the weights.
LAYERS = {
    "CONV_2D": (1, 2, 0, 3),
    "DEPTHWISE_CONV_2D": (1, 2, 3, 3),
    "FULLY_CONNECTED": (1, 2, 0, 1),
}
# A channel that is divided before them is divided after them.
_BETWEEN = {"AVERAGE_POOL_2D", "MAX_POOL_2D", "PAD", "RELU"}
_NONE, _RELU, _RELU6 = (getattr(fb.schema.ActivationFunctionType, name) for name in ("NONE", "RELU", "RELU6"))
_SIX = 6.0
_MOST = 1e4  # between two channels: what lies further apart is noise


@dataclass(frozen=True)
class Pair:
    """Two layers of which the first makes what only the second reads. `least`: what each channel has to be divided by at
    least, so that a RELU6 clips nothing."""

    first: Any
    second: Any
    tensor: int
    least: np.ndarray | float


def equalised(data: bytes, samples: Sequence[Sample]) -> tuple[bytes, int, int]:
    """The float file with its pairs equalised, which computes the very same.

    Args:
        samples: to find the range of each channel on.

    Returns:
        the file, how many pairs it has, and how many more there would be but for a RELU6 that may clip.
    """
    editing = Editing(data)
    pairs, clipped = pairs_of(editing)
    if not pairs:
        return data, 0, clipped
    ranges: dict[int, np.ndarray] = {}
    for tensors in tensors_on(data, samples, [pair.tensor for pair in pairs]):
        for index, array in tensors.items():
            most = np.abs(array.astype(np.float64)).reshape(-1, array.shape[-1]).max(axis=0)
            ranges[index] = np.maximum(ranges.get(index, 0.0), most)
    done = 0
    for pair in pairs:
        if pair.tensor in ranges and np.isfinite(ranges[pair.tensor]).all():
            done += _divide(editing, pair, ranges[pair.tensor])
    return (editing.bytes(), done, clipped) if done else (data, 0, clipped)


def pairs_of(editing: Editing) -> tuple[list[Pair], int]:
    readers, makers = editing.readers(), {int(index): op for op in editing.ops for index in op.outputs}
    returned = {int(index) for index in editing.graph.outputs}
    found, clipped = [], 0
    for first in editing.ops:
        if not _is_layer(editing, first):
            continue
        tensor = index = int(first.outputs[0])
        while (read := readers.get(index, [])) and len(read) == 1 and index not in returned:
            op = read[0]
            if editing.kind(op) in _BETWEEN and _activation(op) in (_NONE, _RELU):
                index = int(op.outputs[0])
                continue
            if _is_layer(editing, op) and int(op.inputs[0]) == index and _reads_channels(editing, first, op):
                if _activation(first) in (_NONE, _RELU):
                    found.append(Pair(first, op, tensor, 0.0))
                elif _activation(first) == _RELU6:
                    bound = _bound(editing, first, makers.get(int(first.inputs[0])))
                    if bound is not None and (bound <= _SIX).all():
                        found.append(Pair(first, op, tensor, bound / _SIX))
                    else:
                        clipped += 1
            break
    return found, clipped


def _is_layer(editing: Editing, op: Any) -> bool:
    kind = editing.kind(op)
    if kind not in LAYERS:
        return False
    weights, bias, _, _ = LAYERS[kind]
    place = int(op.inputs[bias]) if len(op.inputs) > bias else -1
    return editing.constant(int(op.inputs[weights])) is not None and (
        place < 0 or editing.constant(place) is not None
    )


def _reads_channels(editing: Editing, first: Any, second: Any) -> bool:
    """Whether the second layer has weights for each channel of the first: none are side by side (groups, flattened maps)."""
    (made, axis), (read, along) = (
        (editing.constant(int(op.inputs[LAYERS[editing.kind(op)][0]])), LAYERS[editing.kind(op)][place])
        for op, place in ((first, 2), (second, 3))
    )
    assert made is not None and read is not None
    return made.shape[axis] == read.shape[along]


def _activation(op: Any) -> int:
    return getattr(op.builtinOptions, "fusedActivationFunction", _NONE)


def _bound(editing: Editing, op: Any, maker: Any) -> np.ndarray | None:
    """What no channel of a layer can exceed; None where its input has no bound. That is known of what a RELU6 makes."""
    if maker is None or (_activation(maker) != _RELU6 and editing.kind(maker) != "RELU6"):
        return None
    weights, bias, axis, _ = LAYERS[editing.kind(op)]
    values = editing.constant(int(op.inputs[weights]))
    assert values is not None
    rows = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1).astype(np.float64)
    sums = (
        editing.constant(int(op.inputs[bias]))
        if len(op.inputs) > bias and int(op.inputs[bias]) >= 0
        else None
    )
    return np.maximum(_SIX * np.maximum(rows, 0).sum(axis=1) + (0.0 if sums is None else sums), 0.0)


def _divide(editing: Editing, pair: Pair, ranges: np.ndarray) -> bool:
    """Whether any channel is another one now."""
    reader = editing.kind(pair.second)
    read, _, _, along = LAYERS[reader]
    theirs = editing.constant(int(pair.second.inputs[read]))
    assert theirs is not None
    reading = np.abs(np.moveaxis(theirs, along, 0).reshape(theirs.shape[along], -1).astype(np.float64)).max(
        axis=1
    )
    alive = (ranges > 0) & (reading > 0)
    if alive.sum() < 2:
        return False
    by = np.ones_like(ranges)
    # the weights of a depthwise layer have a scale for each of its inputs, and lose nothing
    wanted = ranges if reader == "DEPTHWISE_CONV_2D" else np.sqrt(ranges / np.where(alive, reading, 1.0))
    wanted = np.maximum(wanted, wanted[alive].max() / _MOST)
    by[alive] = wanted[alive] / np.exp(np.log(wanted[alive]).mean())
    # powers of two, which change no digit of a float number
    least = np.ceil(np.log2(np.maximum(pair.least, 1e-30)))
    by = np.exp2(np.maximum(np.round(np.log2(by)), least)).astype(np.float32)
    if (by == by[0]).all():
        return False
    divide(editing, pair, by)
    return True


def divide(editing: Editing, pair: Pair, by: np.ndarray) -> None:
    """Divides each channel by a number, and multiplies what reads it by the same."""
    weights, bias, axis, _ = LAYERS[editing.kind(pair.first)]
    read, _, _, along = LAYERS[editing.kind(pair.second)]
    ours, theirs = (
        editing.constant(int(op.inputs[place])) for op, place in ((pair.first, weights), (pair.second, read))
    )
    assert ours is not None and theirs is not None
    _set_own(editing, pair.first, weights, (ours / _along(by, axis, ours.ndim)).astype(np.float32))
    place = int(pair.first.inputs[bias]) if len(pair.first.inputs) > bias else -1
    if place >= 0:
        sums = editing.constant(place)
        assert sums is not None
        _set_own(editing, pair.first, bias, (sums / by).astype(np.float32))
    _set_own(editing, pair.second, read, (theirs * _along(by, along, theirs.ndim)).astype(np.float32))


def _set_own(editing: Editing, op: Any, place: int, values: np.ndarray) -> None:
    """Other numbers for one op, also where others read the same."""
    index = int(op.inputs[place])
    if len(editing.readers()[index]) > 1:
        index = editing.add_like(index, editing.graph.tensors[index].type, None, ";equalised")
        op.inputs[place] = index
    editing.set_constant(index, values)


def _along(by: np.ndarray, axis: int, dims: int) -> np.ndarray:
    shape = [1] * dims
    shape[axis] = -1
    return by.reshape(shape)
