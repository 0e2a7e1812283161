"""TFLite's converter, fed in the way that suits the model's size."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from nobuco.tflite.constants import with_constants
from nobuco.tflite.precision.recipe import Recipe
from nobuco.tflite.signature import TracedModel

# Bytes of weights. Below, saving the model takes longer than it saves; above, a function with the weights inside would
# hold each about thirty times over.
_LARGE = 40_000_000


@dataclass(frozen=True)
class Quantisation:
    """What TFLite's converter is to make of the numbers: a recipe, and for scales of activations the samples."""

    recipe: Recipe
    samples: Sequence[Sequence[Any]]
    integer_io: bool


def converted(model: TracedModel, allow_flex: bool, quantisation: Quantisation | None = None) -> bytes:
    """The `.tflite` file of a model; raises what TFLite's converter raises."""
    if sum(variable.shape.num_elements() * variable.dtype.size for variable in model.variables) < _LARGE:
        # tf.Module, not the Keras model: the function is frozen and needs no variables, and with the model at
        # hand the converter would save and load all of them (several times slower).
        return _convert(
            tf.lite.TFLiteConverter.from_concrete_functions([_frozen(model)], tf.Module()),
            model,
            allow_flex,
            quantisation,
        )
    with tempfile.TemporaryDirectory() as folder:
        _save(model, folder)
        return _convert(tf.lite.TFLiteConverter.from_saved_model(folder), model, allow_flex, quantisation)


def _convert(
    converter: Any, model: TracedModel, allow_flex: bool, quantisation: Quantisation | None
) -> bytes:
    converter.exclude_conversion_metadata = True  # it holds a time stamp; the file depends on the model alone
    converter.canonicalizing_inf_as_min_max_float = False  # an infinity is one, not the largest number
    if allow_flex:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    if quantisation is not None:
        _quantise(converter, model, quantisation)
    with warnings.catch_warnings():
        # that the interpreter it calibrates with will move to another package
        warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated")
        return converter.convert()


def _quantise(converter: Any, model: TracedModel, quantisation: Quantisation) -> None:
    recipe = quantisation.recipe
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if recipe.weights == "fp16":
        converter.target_spec.supported_types = [tf.float16]
    if recipe.static:
        names = model.input_names
        converter.representative_dataset = lambda: (
            dict(zip(names, sample, strict=True)) for sample in quantisation.samples
        )
        sets = tf.lite.OpsSet
        wide = recipe.activations == "int16"
        integers = (
            sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            if wide
            else sets.TFLITE_BUILTINS_INT8
        )
        converter.target_spec.supported_ops = [integers, sets.TFLITE_BUILTINS]
        if quantisation.integer_io:
            kind = tf.int16 if wide else tf.int8
            converter.inference_input_type = converter.inference_output_type = kind


def _frozen(model: TracedModel) -> Any:
    """The model as a function with constants for its variables."""
    graph = with_constants(model.function.graph)
    if graph is None:
        # Loops stay functions: taken apart, TFLite puts them together wrongly now and then.
        return model.named(convert_variables_to_constants_v2(model.function, lower_control_flow=False))
    read = {name.partition(":")[0] for node in graph.node for name in node.input}
    inputs = model.function.graph.inputs[: len(model.specs)]
    outputs = [tensor.name for tensor in model.function.graph.outputs]

    def call(*tensors: tf.Tensor) -> list[tf.Tensor]:
        # of those that nothing reads the import knows nothing
        given = {old.name: new for old, new in zip(inputs, tensors, strict=True) if old.op.name in read}
        return tf.graph_util.import_graph_def(graph, given, outputs, name="")

    return model.named(call)


def _save(model: TracedModel, folder: str) -> None:
    holder: Any = tf.Module()
    holder.variables_ = model.variables
    tf.saved_model.save(
        holder,
        folder,
        signatures={"serving_default": model.named(model.function)},
        options=tf.saved_model.SaveOptions(save_debug_info=False),
    )
