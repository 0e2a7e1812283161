"""Layers of a model as files of their own, each with and without a form that only some devices are better off with.

Timed on a device, they make a cost file (`forms/costs.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nobuco.native_log import without_native_noise
from nobuco.tflite.conversion import converted
from nobuco.tflite.forms import Aim, with_forms
from nobuco.tflite.forms.costs import signature
from nobuco.tflite.forms.form import Form, is_constant, static
from nobuco.tflite.forms.ordered import CERTAIN, CHOICES, LATER
from nobuco.tflite.lowering.copying import copied
from nobuco.tflite.signature import TracedModel, trace_model

# Besides the op itself, what a form looks at and takes the place of.
_PART_OF_IT = {"tanh gates": ("Sigmoid", "Identity"), "whole strides": ("Pad",)}


@dataclass(frozen=True)
class Trial:
    """A layer in two forms.

    Attributes:
        form: the name of the form, as cost files have it.
        layer: the `signature` of the op that it is for.
        said: the same in a few words.
        count: how many such layers the model has.
        plain, formed: the two as `.tflite` files, with weights and inputs of their shapes.
    """

    form: str
    layer: str
    said: str
    count: int
    plain: bytes
    formed: bytes

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write both into a folder; returns their paths. Raises OSError."""
        paths = folder / f"{name}-plain.tflite", folder / f"{name}-formed.tflite"
        for path, data in zip(paths, (self.plain, self.formed), strict=True):
            path.write_bytes(data)
        return paths


def layer_trials(model: keras.Model, aim: Aim = Aim()) -> list[Trial]:  # noqa: B008 - it is frozen
    """Each distinct layer of a model that one of `forms.ordered.CHOICES` is for, in both forms.

    Args:
        model: A model whose inputs have known sizes: only of such layers can be said what they cost.
        aim: Forms that make the file larger are tried where `optimize` is "speed".

    Raises:
        TFLiteExportError: The model cannot be traced.
    """
    with without_native_noise():
        function = trace_model(model, Aim("cpu", aim.optimize)).traced
        found: dict[tuple[str, str], list[Any]] = {}
        for name, op in _fitting(function.graph, aim):
            found.setdefault((name, signature(op)), []).append(op)
        return [
            Trial(
                name,
                layer,
                _said(ops[0]),
                len(ops),
                plain=_file(ops[0], name, ()),
                formed=_file(ops[0], name, (CHOICES[name],)),
            )
            for (name, layer), ops in found.items()
        ]


def _fitting(graph: Any, aim: Aim) -> Iterator[tuple[str, Any]]:
    for op in graph.get_operations():
        for name, form in CHOICES.items():
            wanted = name != "winograd" or aim.optimize == "speed"
            known = all(tensor.shape.is_fully_defined() for tensor in (*op.inputs, *op.outputs))
            if wanted and known and op.type in form.op_types and form.fits(op):
                yield name, op


def _said(op: Any) -> str:
    """`3x3, 64→128, 28x28`: a kernel, channels and the size of the result."""
    *_, height, width, channels = (0, 0, *op.outputs[0].shape.as_list())
    kernel = next((t.shape.as_list() for t in op.inputs if is_constant(t) and t.shape.rank == 4), None)
    if kernel is None:
        return "x".join(str(size) for size in op.outputs[0].shape.as_list())
    picture = op.inputs[-1] if op.type == "Conv2DBackpropInput" else op.inputs[0]
    return f"{kernel[0]}x{kernel[1]}, {picture.shape[-1]}→{channels}, {height}x{width}"


def _file(op: Any, name: str, forms: tuple[Form, ...]) -> bytes:
    """The op as a file, in the forms given and in those that are never in doubt."""
    cut = with_forms(_cut_out(op, _PART_OF_IT.get(name, ())), forms)
    function = with_forms(with_forms(cut, CERTAIN), LATER)
    specs = tuple(
        tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.op.name) for tensor in function.graph.inputs
    )
    names = tuple(str(spec.name) for spec in specs)
    outputs = tuple(f"output_{number}" for number in range(len(function.graph.outputs)))
    return bytes(
        converted(TracedModel(function, function, (), (), (), names, names, specs, outputs), allow_flex=False)
    )


def _cut_out(op: Any, inside: tuple[str, ...]) -> Any:
    """A function of the op, and of what makes its inputs as far as that is of the kinds `inside`."""
    random = np.random.default_rng(0)
    ops: list[Any] = []
    constants: dict[Any, np.ndarray] = {}
    given: dict[Any, Any] = {}

    def visit(each: Any) -> None:
        for tensor in each.inputs:
            if is_constant(tensor):
                constants[tensor.ref()] = _numbers(tensor, random)
            elif tensor.op.type in inside:
                visit(tensor.op)
            else:
                given[tensor.ref()] = tensor
        if each not in ops:
            ops.append(each)

    visit(op)

    def call(*tensors: tf.Tensor) -> list[tf.Tensor]:
        made = dict(zip(given, tensors, strict=True))
        made.update({ref: tf.constant(value) for ref, value in constants.items()})
        for each in ops:
            outputs = copied(each, [made[tensor.ref()] for tensor in each.inputs])
            made.update({tensor.ref(): now for tensor, now in zip(each.outputs, outputs, strict=True)})
        return [made[tensor.ref()] for tensor in op.outputs]

    specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in given.values()]
    return tf.function(call, autograph=False).get_concrete_function(*specs)


def _numbers(tensor: Any, random: np.random.Generator) -> np.ndarray:
    """The value of a constant; of weights, whose values cost nothing, other ones."""
    value = static(tensor)
    return (
        random.standard_normal(tensor.shape.as_list()).astype(np.float32)
        if value is None
        else np.asarray(value)
    )
