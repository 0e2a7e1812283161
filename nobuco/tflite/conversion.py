"""TFLite's converter, fed in the way that suits the model's size."""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow.lite.python.convert import convert_saved_model
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from nobuco.tflite.block_outputs import with_own_outputs
from nobuco.tflite.constants import with_constants
from nobuco.tflite.precision.recipe import Recipe
from nobuco.tflite.repeats import without_repeats
from nobuco.tflite.signature import TracedModel
from nobuco.tflite.stand_ins import StandIn, put_back

# Bytes of weights. A function with the weights inside holds each many times over.
_LARGE = 8_000_000

# Bytes of a variable that is put into the graph of a large model.
_SMALL = 65_536

_SIGNATURE = "serving_default"


@dataclass(frozen=True)
class Quantisation:
    """What TFLite's converter is to make of the numbers: a recipe, and for scales of activations the samples."""

    recipe: Recipe
    samples: Sequence[Sequence[Any]]
    integer_io: bool


def converted(
    model: TracedModel, allow_flex: bool, quantisation: Quantisation | None = None
) -> bytes | bytearray:
    """The `.tflite` file of a model; raises what TFLite's converter raises."""
    if quantisation is None:
        return with_own_outputs(without_repeats(_float(model, allow_flex)))
    with tempfile.TemporaryDirectory() as folder:
        _save(model, folder)
        return with_own_outputs(_quantised(folder, model, quantisation))


def _float(model: TracedModel, allow_flex: bool, apart: bool = True) -> bytes | bytearray:
    """As it comes out of the converter.

    apart: which does not get to see large weights, where that is possible."""
    with tempfile.TemporaryDirectory() as folder:
        weights = _save(model, folder, apart)
        data = _of_saved(folder, allow_flex)
    if not weights:
        return data
    data = bytearray(data)
    return data if put_back(data, weights) else _float(model, allow_flex, apart=False)


def _of_saved(folder: str, allow_flex: bool) -> bytes:
    """What `TFLiteConverter.from_saved_model(folder).convert()` gives before it looks for repeated constants. It loads the
    model three times for things that are known here, which takes longer than converting it."""
    sets = [tf.lite.OpsSet.TFLITE_BUILTINS] + [tf.lite.OpsSet.SELECT_TF_OPS] * allow_flex
    data: Any = convert_saved_model(
        saved_model_dir=folder,
        saved_model_version=1,
        saved_model_tags={tf.saved_model.SERVING},
        saved_model_exported_names=[_SIGNATURE],
        target_ops=sets,
        enable_tflite_resource_variables=True,
        canonicalizing_inf_as_min_max_float=False,  # an infinity is one, not the largest number
    )
    return data


def _quantised(folder: str, model: TracedModel, quantisation: Quantisation) -> bytes:
    converter: Any = tf.lite.TFLiteConverter.from_saved_model(folder)
    converter.exclude_conversion_metadata = True  # it holds a time stamp; the file depends on the model alone
    converter.canonicalizing_inf_as_min_max_float = False
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


def _save(model: TracedModel, folder: str, apart: bool = False) -> Sequence[StandIn]:
    """Variables take time by their number, not their size, to save and to load, and constants take memory by their size: the
    small ones become constants, and all of a small model. Returns what is to be put back into the file of a large one whose
    weights are kept `apart`."""
    size = sum(variable.shape.num_elements() * variable.dtype.size for variable in model.variables)
    small = size < _LARGE
    graph = with_constants(model.function.graph, math.inf if small else _SMALL, apart and not small)
    if graph is not None:
        named = model.named(_imported(graph.definition, model))
        variables = named.graph.variables
    elif small:
        # Loops stay functions: taken apart, TFLite puts them together wrongly now and then.
        named = model.named(convert_variables_to_constants_v2(model.function, lower_control_flow=False))
        variables = ()
    else:
        named, variables = model.named(model.function), model.variables
    holder: Any = tf.Module()
    holder.variables_ = variables
    tf.saved_model.save(
        holder,
        folder,
        signatures={_SIGNATURE: named},
        options=tf.saved_model.SaveOptions(save_debug_info=False),
    )
    return () if graph is None else graph.apart


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
