"""The float file with its channels divided as those of a quantised file are, which is read off the weights of both."""

from __future__ import annotations

from typing import Any

import numpy as np

from nobuco.tflite.precision.editing import FLOAT32, INT8, Editing
from nobuco.tflite.precision.equalise import LAYERS, divide, pairs_of

_NEAR = 0.1  # of a power of two, in powers: the greatest weight of a channel is off by less where it has a scale of its own


def equalised_like(data: bytes, made: bytes) -> tuple[bytes, int]:
    """The float file, which computes the very same whatever is read off, and how many pairs of layers are divided.

    Args:
        data: the float file.
        made: one that has been quantised from it, equalised before or not.
    """
    editing, other = Editing(data), Editing(made)
    makers = {other.name(int(index)): op for op in other.ops for index in op.outputs}
    done = 0
    for pair in pairs_of(editing)[0]:
        by = _divided_by(editing, pair.first, other, makers.get(editing.name(pair.tensor)))
        if by is not None and (by >= pair.least).all():
            divide(editing, pair, by)
            done += 1
    return (editing.bytes(), done) if done else (data, 0)


def _divided_by(editing: Editing, op: Any, other: Editing, as_made: Any) -> np.ndarray | None:
    """Of each channel that a layer makes: the power of two that its weights are smaller by in the other file. None where it
    is 1 throughout, or where they are other weights."""
    kind = editing.kind(op)
    if as_made is None or other.kind(as_made) != kind:
        return None
    place, _, axis, _ = LAYERS[kind]
    ours = editing.constant(int(op.inputs[place]))
    theirs = _weights(other, int(as_made.inputs[place]))
    if ours is None or theirs is None or ours.shape != theirs.shape:
        return None
    rest = tuple(dim for dim in range(ours.ndim) if dim != axis % ours.ndim)
    most, now = np.abs(ours).max(axis=rest).astype(np.float64), np.abs(theirs).max(axis=rest)
    alive = (most > 0) & (now > 0)
    powers = np.zeros(len(most))
    powers[alive] = np.log2(most[alive] / now[alive])
    whole = np.round(powers)
    if not whole.any() or (np.abs(powers - whole) > _NEAR).any():
        return None
    return np.exp2(whole).astype(np.float32)


def _weights(editing: Editing, index: int) -> np.ndarray | None:
    """As float numbers; None of other types than float32 and int8."""
    tensor = editing.graph.tensors[index]
    if tensor.type == FLOAT32:
        return editing.constant(index)
    data, quantisation = editing.model.buffers[tensor.buffer].data, tensor.quantization
    if tensor.type != INT8 or data is None or quantisation is None or quantisation.scale is None:
        return None
    whole = np.frombuffer(bytes(data), np.int8).reshape(list(tensor.shape))
    along = [1] * whole.ndim
    along[quantisation.quantizedDimension] = -1
    return whole * np.asarray(quantisation.scale, np.float64).reshape(along)
