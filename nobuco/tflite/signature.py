"""A Keras model as one TensorFlow function whose inputs and outputs have names."""

import re
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from nobuco.keras_model.output_names import named_leaves, named_outputs
from nobuco.layers.fake_quantize import FakeQuantize, scales_marked
from nobuco.layers.recurrent import RecurrentStack
from nobuco.layers.recurrent_steps import written_out
from nobuco.tflite.errors import TFLiteExportError
from nobuco.tflite.forms import Aim, with_forms_for, without_branches
from nobuco.tflite.lowering import lower


@dataclass(frozen=True)
class TracedModel:
    """The model as functions of flat lists in its own order.

    Attributes:
        traced: as Keras computes it.
        function: the same with ops that TFLite has, in the forms that cost it least.
        narrowed: names of the ops of `traced` that compute in float64, and in `function` in float32.
        branches_kept: names of the branches of `function` that a GPU was to have no more of, and why they are there.
        variables: the weights.
        input_names: of the functions' arguments, in the model's order.
        keras_input_names: the same as the model has them: not all are ones that TensorFlow takes.
        specs: shapes and dtypes of the inputs.
        output_names: in the order of the PyTorch model.
    """

    traced: Any
    function: Any
    narrowed: tuple[str, ...]
    branches_kept: tuple[tuple[str, str], ...]
    variables: tuple[Any, ...]
    input_names: tuple[str, ...]
    keras_input_names: tuple[str, ...]
    specs: tuple[tf.TensorSpec, ...]
    output_names: tuple[str, ...]

    def named(self, function: Any) -> Any:
        """`function` with names for its inputs and outputs, which make the signature of a file."""

        def call(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
            outputs = function(*(tensors[name] for name in self.input_names))
            return dict(zip(self.output_names, outputs, strict=True))

        specs = dict(zip(self.input_names, self.specs, strict=True))
        return tf.function(call, autograph=False).get_concrete_function(**specs)


def trace_model(model: keras.Model, aim: Aim = Aim(), mark_scales: bool = False) -> TracedModel:  # noqa: B008 - it is frozen
    """Trace the model in inference mode, in the forms for where it is to run. Raises TFLiteExportError, or
    `lowering.Impossible`.

    `mark_scales`: see `scales_marked`."""
    if not isinstance(model, keras.Model):
        raise TFLiteExportError(f"export_tflite takes a keras.Model, not {type(model).__name__}")
    if not getattr(model, "inputs", None):
        raise TFLiteExportError(
            f"model {model.name!r} has no known inputs; call it once, or build it with keras.Input"
        )
    inputs = list(model.inputs)
    names = _unique([tensor.name for tensor in inputs])
    specs = tuple(tf.TensorSpec(t.shape, t.dtype, name=n) for t, n in zip(inputs, names, strict=True))
    # A list where the model was made with a dict, or the reverse, is a warning from Keras; only this private
    # attribute knows what it was made with. Models without it (Sequential) take a single tensor.
    structure = getattr(model, "_inputs_struct", inputs[0] if len(inputs) == 1 else inputs)

    outputs = named_outputs(model)

    def flat_call(*tensors: tf.Tensor) -> list[tf.Tensor]:
        result = model(keras.tree.pack_sequence_as(structure, list(tensors)), training=False)
        return [leaf for _, leaf in named_leaves(result)]

    def trace() -> Any:
        with scales_marked() if mark_scales else nullcontext():
            return tf.function(flat_call, autograph=False).get_concrete_function(*specs)

    traced = trace()
    with written_out():
        stepwise = trace() if _is_recurrent(model) and aim.optimize != "size" else traced
    lowered = lower(stepwise)
    chosen = without_branches(lowered.function, aim)
    return TracedModel(
        traced,
        with_forms_for(chosen.function, aim),
        tuple(lowered.narrowed),
        tuple(chosen.kept),
        tuple(traced.graph.variables),
        names,
        tuple(tensor.name for tensor in inputs),
        specs,
        tuple(outputs),
    )


def is_fake_quantised(model: keras.Model) -> bool:
    """Whether it carries scales of activations."""
    return any(isinstance(layer, FakeQuantize) for layer in model._flatten_layers())


def _is_recurrent(model: keras.Model) -> bool:
    return any(isinstance(layer, RecurrentStack) for layer in model._flatten_layers())


def _unique(names: list[str]) -> tuple[str, ...]:
    """Names that an argument of a TensorFlow function may have: word characters only, a letter first, no two alike."""
    taken: list[str] = []
    for name in names:
        plain = re.sub(r"\W", "_", name)
        plain = plain if plain[:1].isalpha() else f"x{plain}"
        candidate, number = plain, 2
        while candidate in taken:
            candidate, number = f"{plain}_{number}", number + 1
        taken.append(candidate)
    return tuple(taken)
