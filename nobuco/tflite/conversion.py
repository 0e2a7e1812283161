"""TFLite's converter, fed in the way that suits the model's size."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from nobuco.tflite.block_outputs import with_own_outputs
from nobuco.tflite.constants import with_constants
from nobuco.tflite.precision.recipe import Recipe
from nobuco.tflite.signature import TracedModel

# Bytes of weights. Below, saving the model takes longer than it saves; above, a function with the weights inside would
# hold each about thirty times over.
_LARGE = 8_000_000

# Bytes of a variable that is put into the graph of a large model.
_SMALL = 65_536


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
        return with_own_outputs(converter.convert())


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
    definition = with_constants(model.function.graph)
    if definition is None:
        # Loops stay functions: taken apart, TFLite puts them together wrongly now and then.
        return model.named(convert_variables_to_constants_v2(model.function, lower_control_flow=False))
    return model.named(_imported(definition, model))


def _save(model: TracedModel, folder: str) -> None:
    """Variables take time by their number, not their size, to save and to load, and constants take memory by their size: the
    small ones become constants."""
    definition = with_constants(model.function.graph, _SMALL)
    named = model.named(model.function if definition is None else _imported(definition, model))
    holder: Any = tf.Module()
    holder.variables_ = model.variables if definition is None else named.graph.variables
    tf.saved_model.save(
        holder,
        folder,
        signatures={"serving_default": named},
        options=tf.saved_model.SaveOptions(save_debug_info=False),
    )


def _imported(definition: Any, model: TracedModel) -> Callable[..., list[tf.Tensor]]:
    """A function that does what `definition` says, a graph of the model with constants for all or some of its variables."""
    graph = model.function.graph
    # what nothing reads, the import knows nothing of
    read = {name.partition(":")[0] for node in definition.node for name in node.input}
    lacking = read - {node.name for node in definition.node}
    captured = [(outer, inner) for outer, inner in graph.captures if inner.op.name in lacking]
    handles = {outer.ref() for outer, _ in captured}
    kept = [each for each in graph.variables if each.handle.ref() in handles]
    inputs = graph.inputs[: len(model.specs)]
    outputs = [tensor.name for tensor in graph.outputs]

    def call(*tensors: tf.Tensor) -> list[tf.Tensor]:
        given = {old.name: new for old, new in zip(inputs, tensors, strict=True) if old.op.name in read}
        now: Any = tf.compat.v1.get_default_graph()
        for variable in kept:  # else nobody knows that the captured handles are those of variables
            now.watch_variable(variable)
        given |= {
            inner.name: now.capture(outer, name=f"captured_{number}")
            for number, (outer, inner) in enumerate(captured)
        }
        return tf.graph_util.import_graph_def(definition, given, outputs, name="")

    return call
