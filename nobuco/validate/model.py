"""The finished Keras model against PyTorch, on the traced inputs and on fresh ones."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import torch

from nobuco.contract.channel_order import Layout, inverse
from nobuco.contract.dtypes import to_numpy
from nobuco.contract.tree import tree_leaves
from nobuco.keras_model.answers import Answers, fingerprint
from nobuco.keras_model.messages import said_by
from nobuco.validate.compare import relative_error
from nobuco.validate.report import Check


def as_graph(model: keras.Model, answers: Answers) -> Callable[..., list[np.ndarray]]:
    """The model as a TensorFlow graph, which is what it will be exported as, of its inputs in order; its outputs flat. What
    it answers is kept in `answers`.

    What works only eagerly, such as a converter that calls `.numpy()`, fails here."""
    specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs]

    @tf.function(input_signature=specs, autograph=False)
    def run(*tensors: Any) -> list[Any]:
        result = model(tensors[0] if len(tensors) == 1 else list(tensors))
        return [leaf for leaf in tree_leaves(result) if tf.is_tensor(leaf)]

    # Called by way of what it was traced to: TensorFlow would take the functions of many conversions for one that is
    # traced again and again, and warn of it.
    traced = functools.cache(run.get_concrete_function)
    known_by = functools.cache(lambda: fingerprint(traced()))

    def answer(*arrays: np.ndarray) -> list[np.ndarray]:
        outputs = [each.numpy() for each in traced()(*(tf.constant(array) for array in arrays))]
        answers.keep(known_by(), arrays, outputs)
        return outputs

    return answer


def check_model(
    model: Callable[..., list[np.ndarray]],
    inputs: Sequence[torch.Tensor],
    input_layouts: Sequence[Layout],
    expected: Sequence[torch.Tensor],
    output_layouts: Sequence[Layout],
    what: str,
) -> Check:
    arrays = [to_numpy(t).transpose(layout) for t, layout in zip(inputs, input_layouts, strict=True)]
    try:
        outputs = model(*arrays)
    except Exception as error:  # an unsupported shape or dtype deep in the graph: the check's finding
        return Check(what, None, f"the Keras model raised {said_by(error)}")
    if len(outputs) != len(expected):
        return Check(what, None, f"the Keras model returns {len(outputs)} tensors, PyTorch {len(expected)}")
    errors = [
        relative_error(out.transpose(inverse(layout)), to_numpy(want))
        if out.ndim == len(layout)
        else float("inf")
        for out, want, layout in zip(outputs, expected, output_layouts, strict=True)
    ]
    return Check(what, max(errors, default=0.0))
