"""What a channel is off by on the average, taken from the bias of the layer that makes it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nobuco.tflite.precision.editing import INT32, Editing
from nobuco.tflite.precision.running import Sample, tensor_names, tensors_on

_LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_SAMPLES = 32  # each layer takes a run of its own: what is put right before it changes what it gets


def corrected(made: bytes, float_data: bytes, samples: Sequence[Sample]) -> tuple[bytes, int]:
    """The quantised file with the means of the float one, layer by layer, and how many layers have another bias now."""
    samples = samples[:_SAMPLES]
    floats = tensor_names(float_data)
    layers = [name for name in _layers(made) if name in floats]
    wanted = _means(float_data, samples, {name: floats[name] for name in layers})
    done = 0
    for name in layers:
        got = _means(made, samples, {name: tensor_names(made)[name]})
        if name in wanted and name in got and np.isfinite(wanted[name]).all():
            new = _shifted(made, name, wanted[name] - got[name])
            done += new != made
            made = new
    return made, done


def _layers(data: bytes) -> list[str]:
    editing = Editing(data)
    return [editing.name(int(op.outputs[0])) for op in editing.ops if _has_bias(editing, op)]


def _has_bias(editing: Editing, op: object) -> bool:
    inputs = [int(index) for index in op.inputs]  # type: ignore[attr-defined]
    return (
        editing.kind(op) in _LAYERS
        and len(inputs) > 2
        and inputs[2] >= 0
        and editing.graph.tensors[inputs[2]].type == INT32
        and len(editing.readers()[inputs[2]]) == 1
    )


def _means(data: bytes, samples: Sequence[Sample], indices: dict[str, int]) -> dict[str, np.ndarray]:
    """Of each channel over all samples."""
    sums: dict[str, np.ndarray] = {}
    counts: dict[str, int] = {}
    for tensors in tensors_on(data, samples, list(indices.values())):
        for name, index in indices.items():
            if index in tensors:
                rows = tensors[index].astype(np.float64).reshape(-1, tensors[index].shape[-1])
                sums[name] = sums.get(name, 0.0) + rows.sum(axis=0)
                counts[name] = counts.get(name, 0) + len(rows)
    return {name: total / counts[name] for name, total in sums.items()}


def _shifted(data: bytes, name: str, by: np.ndarray) -> bytes:
    editing = Editing(data)
    op = next(op for op in editing.ops if editing.name(int(op.outputs[0])) == name)
    bias = editing.graph.tensors[int(op.inputs[2])]
    numbers = np.frombuffer(bytes(editing.model.buffers[bias.buffer].data), np.int32)
    steps = np.round(by / np.asarray(bias.quantization.scale, np.float64))
    limit = np.iinfo(np.int32).max
    new = np.clip(numbers.astype(np.float64) + steps, -limit, limit).astype(np.int32)
    if (new == numbers).all():
        return data
    editing.set_constant(int(op.inputs[2]), new)
    return editing.bytes()
