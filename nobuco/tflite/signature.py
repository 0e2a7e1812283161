"""A Keras model as one frozen TensorFlow function whose inputs and outputs have names."""

import re
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from nobuco.keras_model.output_names import named_leaves, named_outputs
from nobuco.tflite.errors import TFLiteExportError
from nobuco.tflite.lowering import lower


@dataclass(frozen=True)
class FrozenModel:
    """The model as a function of flat lists in its own order (`traced`), and of names (`frozen`)."""

    traced: Any
    frozen: Any
    input_names: tuple[str, ...]  # of the function, in the model's order
    keras_input_names: tuple[
        str, ...
    ]  # the same as the model has them: not all are ones that TensorFlow takes
    specs: tuple[tf.TensorSpec, ...]
    output_names: tuple[str, ...]  # in the order of the PyTorch model


def freeze(model: keras.Model) -> FrozenModel:
    """Trace the model in inference mode and turn its variables into constants. Raises TFLiteExportError."""
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

    traced = tf.function(flat_call, autograph=False).get_concrete_function(*specs)
    lowered = lower(traced)
    constant = convert_variables_to_constants_v2(lowered.function, lower_control_flow=False)
    output_names = tuple(outputs)

    # Freezing loses the names of the outputs: one more function, which the converter inlines, gives them
    # back.
    def named_call(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = constant(*(tensors[name] for name in names))
        return dict(zip(output_names, outputs, strict=True))

    named_specs = dict(zip(names, specs, strict=True))
    named = tf.function(named_call, autograph=False).get_concrete_function(**named_specs)
    return FrozenModel(traced, named, names, tuple(tensor.name for tensor in inputs), specs, output_names)


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
